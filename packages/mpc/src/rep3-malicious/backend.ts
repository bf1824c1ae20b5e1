/** The back-end `rep3-malicious/1`: three seats, one of which may do as it likes; then nothing opens. See the card. @module */
import type { Plan, SeatContext, SeatOutput, SharedBackend } from '@2pm/core';
import type { Circuit, GateOperation } from '../circuit.ts';
import { inputNodes } from '../lower/inputs.ts';
import { lower } from '../lower/lower.ts';
import { shareInputs } from '../rep3/inputs.ts';
import { Masks, SEED_BYTES } from '../rep3/masks.ts';
import { open } from '../rep3/outputs.ts';
import { runSession, type Variant } from '../rep3/session.ts';
import { loadSimd } from '../rep3/simd.ts';
import { refuseGates } from '../unsupported.ts';
import { REP3_MALICIOUS } from './card.ts';
import { Check } from './check.ts';
import { Rep3MaliciousEngine, ROUND_COSTS } from './engine.ts';
import { loadKernels } from './kernels.ts';

export const rep3Malicious: SharedBackend = {
  card: REP3_MALICIOUS,

  check(plan: Plan): void {
    const most = Object.fromEntries(Object.entries(plan.roles).map(([role, { max }]) => [role, max]));
    supported(lower(plan, most, { arranging: 'networks' }), plan);
  },

  inputNodes,
  shareInputs,
  runSeat,
  open,
};

/** Operations that need no message, so that there is nothing to check. All others are in `ROUND_COSTS`. */
const LOCAL: ReadonlySet<GateOperation> = new Set([
  ...(['total', 'stack', 'constant', 'scale', 'add', 'sub', 'sum', 'repeat', 'slice', 'concat', 'transpose'] as const),
  ...(['random', 'parity', 'xor', 'not', 'prefix'] as const),
]);

/** Engine and checks; exported for the tests, which put seats beside it that cheat. */
export const VARIANT: Variant = {
  id: REP3_MALICIOUS.id,
  costs: ROUND_COSTS,
  async start({ seat, sid, rng, crypto }, keys, inputs) {
    const [simd, kernels] = await Promise.all([loadSimd(), loadKernels()]);
    const own = new Masks(crypto, rng.fill(new Uint8Array(SEED_BYTES)), sid);
    const engine = new Rep3MaliciousEngine(seat, keys, simd, inputs, own);
    return { engine, check: new Check({ sid, seat, rng, crypto, keys, simd, kernels }, engine) };
  },
};

async function runSeat(context: SeatContext): Promise<SeatOutput> {
  return runCircuitMalicious(lower(context.plan, context.roles, { arranging: 'networks' }), context);
}

/** The same for a circuit that is not, or not only, the plan's. The plan is bound into the session all the same. */
export async function runCircuitMalicious(circuit: Circuit, context: SeatContext): Promise<SeatOutput> {
  supported(circuit, context.plan);
  return runSession(VARIANT, circuit, context);
}

/** Refuses operations whose messages nobody checks. */
function supported(circuit: Circuit, plan: Plan): void {
  const fix = 'Take it out of the program, or run the task with rep3-semi-honest/1 if every holder permits that.';
  refuseGates(circuit, plan, REP3_MALICIOUS.id, (op) => LOCAL.has(op) || op in ROUND_COSTS, fix);
}
