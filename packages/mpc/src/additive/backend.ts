/** The back-end `additive-semi-honest/1`: two to eight seats, of which all but one may be curious. See the card. @module */
import {
  admitsSeats,
  assert,
  concatBytes,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type Plan,
  planHash,
  type SeatContext,
  type SeatOutput,
  type SharedBackend,
  taggedHash,
} from '@2pm/core';
import type { Circuit, Gate, GateOperation } from '../circuit.ts';
import { execute } from '../execute.ts';
import { lower } from '../lower.ts';
import { inputNodes } from '../lower-inputs.ts';
import { loadSimd } from '../rep3/simd.ts';
import { schedule, scheduleHash } from '../schedule.ts';
import { refuseGates } from '../unsupported.ts';
import { ADDITIVE_SEMI_HONEST } from './card.ts';
import { demandOf } from './demand.ts';
import type { AdditiveSeat, Share } from './engine.ts';
import { fuse } from './fuse.ts';
import { inputShare, readInputs, shareInputs } from './inputs.ts';
import { Links } from './links.ts';
import { open, outputBytes } from './outputs.ts';
import { makeCorrelations, preprocessingOf } from './preprocessing.ts';
import { SeveralSeatEngine, severalCosts } from './several-seats.ts';
import { Supply } from './supply.ts';
import { TwoSeatEngine } from './two-seats.ts';

const LOCAL: readonly GateOperation[] = [
  ...(['total', 'stack', 'constant', 'scale', 'add', 'sub', 'sum', 'parity', 'xor', 'not', 'repeat', 'slice'] as const),
  ...(['concat', 'transpose', 'random'] as const),
];

export const additiveSemiHonest: SharedBackend = {
  card: ADDITIVE_SEMI_HONEST,

  check(plan: Plan): void {
    const circuit = lower(plan, Object.fromEntries(Object.entries(plan.roles).map(([role, { max }]) => [role, max])));
    checkGates(circuit, plan);
  },

  inputNodes,
  shareInputs,
  runSeat,
  open,
};

/** Closes no channel: the caller does, also after an error. */
async function runSeat(context: SeatContext): Promise<SeatOutput> {
  return runAdditiveCircuit(lower(context.plan, context.roles), context);
}

/**
 * The same for a circuit that is not, or not only, the plan's. The plan is bound into the session all the same.
 * Rounds: those of the schedule, one before and one after, and those of `preprocessing.ts`.
 */
export async function runAdditiveCircuit(circuit: Circuit, context: SeatContext): Promise<SeatOutput> {
  const { plan, sid, seat, roles, signal, channels } = context;
  const seats = channels.size + 1;
  if (!admitsSeats(ADDITIVE_SEMI_HONEST, seats)) {
    throw new NodeError('MPC_BAD_SEAT', `${ADDITIVE_SEMI_HONEST.id} has no ${seats} seats`, { fault: 'caller' });
  }
  if (!(seat >= 0 && seat < seats))
    throw new NodeError('MPC_BAD_SEAT', `there is no seat ${seat}`, { fault: 'caller' });
  signal.throwIfAborted();
  checkGates(circuit, plan);
  const inputs = readInputs(circuit, context);
  const binding = taggedHash(
    '2pm/mpc-session/1',
    fromHex(hashValue('2pm/mpc-card/1', ADDITIVE_SEMI_HONEST.id)),
    fromHex(sid),
    fromHex(planHash(plan)),
    fromHex(hashValue('2pm/mpc-roles/1', roles)),
    fromHex(hashValue('2pm/mpc-seats/1', seats)),
    fromHex(additiveScheduleHash(circuit, seats)),
  ) as Hash;
  const {
    outputs: shares,
    transcript,
    rounds,
  } = await runOnShares(circuit, context, binding, (gate) => inputShare(inputs, gate));

  const outputs = new Map<number, Uint8Array>();
  for (const [i, { node, value, ok }] of circuit.outputs.entries()) {
    const parts = (ok === undefined ? [value] : [value, ok]).map((index, part) => {
      const share = shares[i]?.[part];
      assert(share !== undefined, 'every output has its shares');
      return outputBytes(share, circuit.gates[index]?.length ?? 0);
    });
    outputs.set(node, concatBytes(...parts));
  }
  return { outputs, transcript, rounds };
}

/** Of the circuit and of when each gate runs: what seats must agree on, whatever else they do. */
export function additiveScheduleHash(whole: Circuit, seats = 2): Hash {
  const { circuit, planned } = plannedFor(whole, seats);
  return scheduleHash(circuit, planned);
}

/** As it runs. */
export function plannedFor(whole: Circuit, seats: number) {
  const circuit = seats === 2 ? fuse(whole) : whole;
  return { circuit, planned: schedule(circuit, seats === 2 ? TwoSeatEngine.costs : severalCosts(seats)) };
}

/**
 * Runs one seat of a circuit whose inputs are shared already: `input` gives this seat's share of each `total` and `stack`.
 * `binding`: hash of everything that the seats must agree on, the circuit and its schedule included, unique for the
 * session. Gives this seat's shares of each of the circuit's outputs: of the value, and of the bits that release it.
 */
export async function runOnShares(
  whole: Circuit,
  context: Pick<SeatContext, 'sid' | 'seat' | 'channels' | 'rng' | 'crypto' | 'signal' | 'onProgress'>,
  binding: Hash,
  input: (gate: Gate) => BigUint64Array,
): Promise<{ outputs: Share[][]; transcript: Hash; rounds: number }> {
  const { seat, onProgress, rng } = context;
  const seats = context.channels.size + 1;
  const { circuit, planned } = plannedFor(whole, seats);
  const links = new Links(context, ADDITIVE_SEMI_HONEST.id, binding);
  const demand = demandOf(circuit, seats);
  const preprocessing = preprocessingOf(demand, binding, seats);
  const steps = planned.rounds + preprocessing.steps + 2;
  await links.begin();
  let done = 1;
  const advance = () => onProgress?.(done++, steps);
  advance();
  const simd = await loadSimd();
  const correlations = await makeCorrelations(context, { links: links.all, binding, simd, onStep: advance }, demand);
  const own: AdditiveSeat = { seat, seats, supply: new Supply(correlations), simd, inputs: input, rng };
  const engine = seats === 2 ? new TwoSeatEngine(own) : new SeveralSeatEngine(own);
  const shares = await execute(circuit, planned, engine, (round) => links.exchange(round), advance);
  const transcript = await links.agree();
  advance();
  const outputs = circuit.outputs.map(({ value, ok }) =>
    (ok === undefined ? [value] : [value, ok]).map((gate) => {
      const share = shares.get(gate);
      assert(share !== undefined, `output gate ${gate} was computed`);
      return share;
    }),
  );
  return { outputs, transcript, rounds: planned.rounds + 2 + preprocessing.rounds };
}

function checkGates(circuit: Circuit, plan: Plan): void {
  const has = (op: GateOperation) => op in TwoSeatEngine.costs || LOCAL.includes(op);
  const joins = circuit.gates.some(({ op }) => op === 'join');
  const fix = joins
    ? "Match the rows in a circuit: join(…, { matching: 'circuit' }), or run the task with three seats."
    : 'Run the task with three seats and rep3-semi-honest/1, or without this operation.';
  refuseGates(circuit, plan, ADDITIVE_SEMI_HONEST.id, has, fix);
}
