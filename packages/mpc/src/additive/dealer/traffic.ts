/** What a plan costs with a dealer before anybody runs it: rounds and bytes, exact, from circuit and schedule. @module */
import type { Plan, RoleSizes } from '@2pm/core';
import { SEED_BYTES } from '@2pm/crypto';
import { lower } from '../../lower/lower.ts';
import { demandOf } from '../demand.ts';
import { plannedFor } from '../session.ts';
import { type AdditiveTraffic, DIGEST, openedBytes, outputBytes, tableBytes } from '../traffic.ts';
import { dealingRounds } from './backend.ts';
import { piecesOf, toldBytes } from './correlations.ts';

/** `seats`: all of them; the last is the dealer. */
export function dealerTraffic(plan: Plan, roles: RoleSizes, seats = 3): AdditiveTraffic {
  const computing = seats - 1;
  const { circuit, planned } = plannedFor(lower(plan, roles, { arranging: 'networks' }), computing);
  const demand = demandOf(circuit, computing);
  const opened = (computing - 1) * openedBytes(circuit, demand);
  // Before: what all agree on, and a seed for each. After: the digests of both directions of each pair of this seat.
  const around = computing * (DIGEST + SEED_BYTES + 2 * DIGEST * computing);
  const numbers = Array.from({ length: computing }, (_, seat) => seat);
  return {
    rounds: planned.rounds + 2 + dealingRounds(piecesOf(demand).length),
    seats: [
      ...numbers.map((seat) => around + opened + tableBytes(demand, seat)),
      around + numbers.reduce((sum, seat) => sum + toldBytes(demand, seat), 0),
    ],
    holders: Object.fromEntries(
      [...circuit.inputWords].map(([role, words]) => [role, (computing - 1) * SEED_BYTES + 8 * words]),
    ),
    outputs: computing * outputBytes(circuit),
  };
}
