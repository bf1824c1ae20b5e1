/** The back-end `additive-semi-honest/1`: two to eight seats, of which all but one may be curious. See the card. @module */
import type { Hash, Plan, SeatContext, SeatOutput, SharedBackend } from '@2pm/core';
import type { Circuit, Gate, GateOperation } from '../circuit.ts';
import { inputNodes } from '../lower/inputs.ts';
import { lower } from '../lower/lower.ts';
import { loadSimd } from '../rep3/simd.ts';
import { refuseGates } from '../unsupported.ts';
import { ADDITIVE_SEMI_HONEST } from './card.ts';
import { demandOf } from './demand.ts';
import type { Share } from './engine.ts';
import { inputShare, readInputs, shareInputs } from './inputs.ts';
import { Links } from './links.ts';
import { open, packOutputs } from './outputs.ts';
import { makeCorrelations, preprocessingOf } from './preprocessing.ts';
import { additiveScheduleHash, checkSeat, evaluate, plannedFor, sessionBinding } from './session.ts';
import { Supply } from './supply.ts';
import { TwoSeatEngine } from './two-seats.ts';

const LOCAL: readonly GateOperation[] = [
  ...(['total', 'stack', 'constant', 'scale', 'add', 'sub', 'sum', 'parity', 'xor', 'not', 'repeat', 'slice'] as const),
  ...(['concat', 'transpose', 'random', 'prefix'] as const),
];

export const additiveSemiHonest: SharedBackend = {
  card: ADDITIVE_SEMI_HONEST,

  check(plan: Plan): void {
    const most = Object.fromEntries(Object.entries(plan.roles).map(([role, { max }]) => [role, max]));
    checkGates(lower(plan, most, { arranging: 'networks' }), plan, ADDITIVE_SEMI_HONEST.id);
  },

  inputNodes,
  shareInputs,
  runSeat,
  open,
};

/** Closes no channel: the caller does, also after an error. */
async function runSeat(context: SeatContext): Promise<SeatOutput> {
  return runAdditiveCircuit(lower(context.plan, context.roles, { arranging: 'networks' }), context);
}

/**
 * The same for a circuit that is not, or not only, the plan's. The plan is bound into the session all the same.
 * Rounds: those of the schedule, one before and one after, and those of `preprocessing.ts`.
 */
export async function runAdditiveCircuit(circuit: Circuit, context: SeatContext): Promise<SeatOutput> {
  const { plan, signal } = context;
  const seats = checkSeat(ADDITIVE_SEMI_HONEST, context);
  signal.throwIfAborted();
  checkGates(circuit, plan, ADDITIVE_SEMI_HONEST.id);
  const inputs = readInputs(circuit, context);
  const binding = sessionBinding(ADDITIVE_SEMI_HONEST, context, additiveScheduleHash(circuit, seats));
  const { outputs, ...ran } = await runOnShares(circuit, context, binding, (gate) => inputShare(inputs, gate));
  return { outputs: packOutputs(circuit, outputs), ...ran };
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
  const run = plannedFor(whole, seats);
  const links = new Links(context, ADDITIVE_SEMI_HONEST.id, binding);
  const demand = demandOf(run.circuit, seats);
  const preprocessing = preprocessingOf(demand, binding, seats);
  const steps = run.planned.rounds + preprocessing.steps + 2;
  let done = 0;
  const advance = () => onProgress?.(++done, steps);
  await links.begin();
  advance();
  const simd = await loadSimd();
  const correlations = await makeCorrelations(context, { links: links.all, binding, simd, onStep: advance }, demand);
  const own = { seat, seats, supply: new Supply(correlations), simd, inputs: input, rng };
  const outputs = await evaluate(run, own, (round) => links.exchange(round), advance);
  const transcript = await links.agree();
  advance();
  return { outputs, transcript, rounds: run.planned.rounds + 2 + preprocessing.rounds };
}

/** Refuses what neither engine has. */
export function checkGates(circuit: Circuit, plan: Plan, protocol: string): void {
  const has = (op: GateOperation) => op in TwoSeatEngine.costs || LOCAL.includes(op);
  const fix = 'Run the task with three seats and rep3-semi-honest/1, or without this operation.';
  refuseGates(circuit, plan, protocol, has, fix);
}
