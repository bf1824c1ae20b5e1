/** The back-end `rep3-semi-honest/1`: three seats, one of which may be curious. See the card. @module */
import {
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
import { REP3_SEMI_HONEST } from '../card.ts';
import type { Circuit } from '../circuit.ts';
import { execute } from '../execute.ts';
import { inputNodes, lower } from '../lower.ts';
import { schedule, scheduleHash } from '../schedule.ts';
import { Rep3Engine, ROUND_COSTS } from './engine.ts';
import { inputShare, readInputs, shareInputs } from './inputs.ts';
import { Links } from './links.ts';
import { Masks, SEED_BYTES } from './masks.ts';
import { open, outputBytes } from './outputs.ts';
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

/** Rounds: those of the schedule, one before and one after. Closes no channel: the caller does, also after an error. */
async function runSeat(context: SeatContext): Promise<SeatOutput> {
  return runCircuit(lower(context.plan, context.roles, undefined, context.matchers), context);
}

/** The same for a circuit that is not, or not only, the plan's. The plan is bound into the session all the same. */
export async function runCircuit(circuit: Circuit, context: SeatContext): Promise<SeatOutput> {
  const { plan, sid, seat, roles, rng, crypto, signal, onProgress } = context;
  if (![0, 1, 2].includes(seat)) throw new NodeError('MPC_BAD_SEAT', `there is no seat ${seat}`, { fault: 'caller' });
  for (const { join } of circuit.gates) {
    if (join !== undefined && ![0, 1, 2].includes(join.matcher ?? -1)) {
      throw new NodeError('MPC_NO_MATCHER', `no seat is told to match rows: ${join.matcher}`, { fault: 'caller' });
    }
  }
  signal.throwIfAborted();
  const inputs = readInputs(circuit, context);
  const planned = schedule(circuit, ROUND_COSTS);
  const binding = taggedHash(
    '2pm/mpc-session/1',
    fromHex(hashValue('2pm/mpc-card/1', REP3_SEMI_HONEST.id)),
    fromHex(sid),
    fromHex(planHash(plan)),
    fromHex(hashValue('2pm/mpc-roles/1', roles)),
    fromHex(scheduleHash(circuit, planned)),
  ) as Hash;
  const links = new Links(context, REP3_SEMI_HONEST.id, binding);

  const rounds = planned.rounds + 2;
  const keys = await links.setUp(inputs);
  onProgress?.(1, rounds);
  const own = new Masks(crypto, rng.fill(new Uint8Array(SEED_BYTES)), sid);
  const engine = new Rep3Engine(seat, keys, await loadSimd(), (gate) => inputShare(inputs, gate), own);
  const shares = await execute(
    circuit,
    planned,
    engine,
    (round) => links.exchange(round),
    (done) => onProgress?.(done + 1, rounds),
  );
  const transcript = await links.agree();
  onProgress?.(rounds, rounds);

  const outputs = new Map<number, Uint8Array>();
  for (const { node, value, ok } of circuit.outputs) {
    const parts = (ok === undefined ? [value] : [value, ok]).map((index) => {
      const [share, gate] = [shares.get(index), circuit.gates[index]];
      if (share === undefined || gate === undefined) throw new Error(`output gate ${index} was not computed`);
      return outputBytes(share, gate.length);
    });
    outputs.set(node, concatBytes(...parts));
  }
  return { outputs, transcript, rounds };
}
