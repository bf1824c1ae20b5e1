/** The back-end `additive-semi-honest/1`: two seats, one of which may be curious. See the card. @module */
import {
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
import { ADDITIVE_SEMI_HONEST } from './card.ts';
import { demandOf } from './demand.ts';
import { AdditiveEngine, ROUND_COSTS, type Share } from './engine.ts';
import { fuse } from './fuse.ts';
import { inputShare, readInputs, shareInputs } from './inputs.ts';
import { Link } from './link.ts';
import { open, outputBytes } from './outputs.ts';
import { makeCorrelations, preprocessingOf } from './preprocessing.ts';
import { Supply } from './supply.ts';

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
  const { plan, sid, seat, roles, signal } = context;
  if (![0, 1].includes(seat)) throw new NodeError('MPC_BAD_SEAT', `there is no seat ${seat}`, { fault: 'caller' });
  signal.throwIfAborted();
  checkGates(circuit, plan);
  const inputs = readInputs(circuit, context);
  const binding = taggedHash(
    '2pm/mpc-session/1',
    fromHex(hashValue('2pm/mpc-card/1', ADDITIVE_SEMI_HONEST.id)),
    fromHex(sid),
    fromHex(planHash(plan)),
    fromHex(hashValue('2pm/mpc-roles/1', roles)),
    fromHex(additiveScheduleHash(circuit)),
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

/** Of the circuit and of when each gate runs: what two seats must agree on, whatever else they do. */
export function additiveScheduleHash(whole: Circuit): Hash {
  const circuit = fuse(whole);
  return scheduleHash(circuit, schedule(circuit, ROUND_COSTS));
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
  const { seat, onProgress } = context;
  const circuit = fuse(whole);
  const planned = schedule(circuit, ROUND_COSTS);
  const link = new Link(context, ADDITIVE_SEMI_HONEST.id, binding);
  const demand = demandOf(circuit);
  const preprocessing = preprocessingOf(demand, binding);
  const steps = planned.rounds + preprocessing.steps + 2;
  await link.begin();
  let done = 1;
  const advance = () => onProgress?.(done++, steps);
  advance();
  const simd = await loadSimd();
  const correlations = await makeCorrelations(context, { link, binding, simd, onStep: advance }, demand);
  const engine = new AdditiveEngine(seat, new Supply(correlations), simd, input, context.rng);
  const shares = await execute(circuit, planned, engine, (round) => link.exchange(round), advance);
  const transcript = await link.agree();
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

/** @throws {NodeError} `MPC_UNSUPPORTED` naming the operation, and the line where the plan has one of that name. */
function checkGates({ gates }: Circuit, { nodes }: Plan): void {
  const odd = gates.find(({ op }) => ROUND_COSTS[op as keyof typeof ROUND_COSTS] === undefined && !LOCAL.includes(op));
  if (odd === undefined) return;
  const line = nodes.find(({ op }) => op.startsWith(`${odd.op}/`))?.line;
  throw new NodeError(
    'MPC_UNSUPPORTED',
    `${line === undefined ? '' : `line ${line}: `}${ADDITIVE_SEMI_HONEST.id} has no operation ${odd.op}`,
    {
      fault: 'caller',
      fix:
        odd.op === 'join'
          ? "Match the rows in a circuit: join(…, { matching: 'circuit' }), or run the task with three seats."
          : 'Run the task with three seats, or without this operation.',
    },
  );
}
