/** The back-end `rep3-semi-honest/1`: three seats, one of which may be curious. See the card. @module */
import type { Plan, SeatContext, SeatOutput, SharedBackend } from '@2pm/core';
import type { Circuit } from '../circuit.ts';
import { inputNodes } from '../lower/inputs.ts';
import { lower } from '../lower/lower.ts';
import { REP3_SEMI_HONEST } from './card.ts';
import { Rep3Engine, ROUND_COSTS } from './engine.ts';
import { shareInputs } from './inputs.ts';
import { Masks, SEED_BYTES } from './masks.ts';
import { open } from './outputs.ts';
import { runSession, type Variant } from './session.ts';
import { loadSimd } from './simd.ts';

export const rep3SemiHonest: SharedBackend = {
  card: REP3_SEMI_HONEST,

  check(plan: Plan): void {
    lower(plan, Object.fromEntries(Object.entries(plan.roles).map(([role, { max }]) => [role, max])));
  },

  inputNodes,
  shareInputs,
  runSeat,
  open,
};

const VARIANT: Variant = {
  id: REP3_SEMI_HONEST.id,
  costs: ROUND_COSTS,
  async start({ seat, sid, rng, crypto }, keys, inputs) {
    const own = new Masks(crypto, rng.fill(new Uint8Array(SEED_BYTES)), sid);
    return { engine: new Rep3Engine(seat, keys, await loadSimd(), inputs, own) };
  },
};

async function runSeat(context: SeatContext): Promise<SeatOutput> {
  return runCircuit(lower(context.plan, context.roles, { matchers: context.matchers }), context);
}

/** The same for a circuit that is not, or not only, the plan's. The plan is bound into the session all the same. */
export async function runCircuit(circuit: Circuit, context: SeatContext): Promise<SeatOutput> {
  return runSession(VARIANT, circuit, context);
}
