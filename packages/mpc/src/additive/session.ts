/** What a run of a circuit on additive shares has in common, wherever its correlations come from. @module */
import {
  admitsSeats,
  assert,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type ProtocolCard,
  planHash,
  type SeatContext,
  taggedHash,
} from '@2pm/core';
import type { Circuit } from '../circuit.ts';
import { type Exchange, execute } from '../execute.ts';
import { type Schedule, schedule, scheduleHash } from '../schedule.ts';
import type { AdditiveSeat, Share } from './engine.ts';
import { fuse } from './fuse.ts';
import { SeveralSeatEngine, severalCosts } from './several-seats.ts';
import { TwoSeatEngine } from './two-seats.ts';

/** A circuit as so many computing seats run it, and when each gate does. */
export interface Planned {
  circuit: Circuit;
  planned: Schedule;
}

export function plannedFor(whole: Circuit, seats: number): Planned {
  const circuit = seats === 2 ? fuse(whole) : whole;
  return { circuit, planned: schedule(circuit, seats === 2 ? TwoSeatEngine.costs : severalCosts(seats)) };
}

/** Of the circuit and of when each gate runs: what seats must agree on, whatever else they do. */
export function additiveScheduleHash(whole: Circuit, seats = 2): Hash {
  const { circuit, planned } = plannedFor(whole, seats);
  return scheduleHash(circuit, planned);
}

/** @throws {NodeError} `MPC_BAD_SEAT`. @returns how many seats there are. */
export function checkSeat(card: ProtocolCard, { seat, channels }: Pick<SeatContext, 'seat' | 'channels'>): number {
  const seats = channels.size + 1;
  if (!admitsSeats(card, seats)) {
    throw new NodeError('MPC_BAD_SEAT', `${card.id} has no ${seats} seats`, { fault: 'caller' });
  }
  if (!(seat >= 0 && seat < seats))
    throw new NodeError('MPC_BAD_SEAT', `there is no seat ${seat}`, { fault: 'caller' });
  return seats;
}

/** Hash of everything that the seats must agree on, unique for the session. `circuit`: of the circuit and its schedule. */
export function sessionBinding(card: ProtocolCard, context: SeatContext, circuit: Hash): Hash {
  const { plan, sid, roles, channels } = context;
  return taggedHash(
    '2pm/mpc-session/1',
    fromHex(hashValue('2pm/mpc-card/1', card.id)),
    fromHex(sid),
    fromHex(planHash(plan)),
    fromHex(hashValue('2pm/mpc-roles/1', roles)),
    fromHex(hashValue('2pm/mpc-seats/1', channels.size + 1)),
    fromHex(circuit),
  ) as Hash;
}

/** One seat's part. Gives its shares of each of the circuit's outputs: of the value, and of the bits that release it. */
export async function evaluate(
  { circuit, planned }: Planned,
  seat: AdditiveSeat,
  exchange: (round: Exchange) => Promise<Uint8Array>,
  onRound: () => void,
): Promise<Share[][]> {
  const engine = seat.seats === 2 ? new TwoSeatEngine(seat) : new SeveralSeatEngine(seat);
  const shares = await execute(circuit, planned, engine, exchange, onRound);
  return circuit.outputs.map(({ value, ok }) =>
    (ok === undefined ? [value] : [value, ok]).map((gate) => {
      const share = shares.get(gate);
      assert(share !== undefined, `output gate ${gate} was computed`);
      return share;
    }),
  );
}
