/**
 * One seat's run of a circuit on replicated shares: set-up, the rounds of the schedule, checks if the variant has any, and
 * the comparison of transcripts, after which the output shares may leave. Variants differ in engine and checks.
 * @module
 */
import {
  concatBytes,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  planHash,
  type SeatContext,
  type SeatOutput,
  taggedHash,
} from '@2pm/core';
import type { Circuit, Gate } from '../circuit.ts';
import { type Engine, type Exchange, execute } from '../execute.ts';
import { type RoundCosts, schedule, scheduleHash } from '../schedule.ts';
import { inputShare, readInputs } from './inputs.ts';
import { Links } from './links.ts';
import type { Masks } from './masks.ts';
import { outputBytes } from './outputs.ts';
import type { Share, WordShare } from './share.ts';

export interface Variant {
  /** Id of the protocol card, bound into the session. */
  id: string;
  costs: RoundCosts;
  start(context: SeatContext, keys: { a: Masks; b: Masks }, inputs: (gate: Gate) => WordShare): Promise<Started>;
}

export interface Started {
  engine: Engine<Share>;
  /** Runs before a round where it is due, and before transcripts are compared. Throws where another seat deviated. */
  check?: { readonly due: boolean; run(): Generator<Exchange, void, Uint8Array> };
}

/** Rounds: those of the schedule and of the checks, one before and one after. Closes no channel: the caller does. */
export async function runSession(variant: Variant, circuit: Circuit, context: SeatContext): Promise<SeatOutput> {
  const { plan, sid, seat, roles, signal, onProgress } = context;
  if (![0, 1, 2].includes(seat)) throw new NodeError('MPC_BAD_SEAT', `there is no seat ${seat}`, { fault: 'caller' });
  for (const { join } of circuit.gates) {
    if (join !== undefined && ![0, 1, 2].includes(join.matcher ?? -1)) {
      throw new NodeError('MPC_NO_MATCHER', `no seat is told to match rows: ${join.matcher}`, { fault: 'caller' });
    }
  }
  signal.throwIfAborted();
  const inputs = readInputs(circuit, context);
  const planned = schedule(circuit, variant.costs);
  const binding = taggedHash(
    '2pm/mpc-session/1',
    fromHex(hashValue('2pm/mpc-card/1', variant.id)),
    fromHex(sid),
    fromHex(planHash(plan)),
    fromHex(hashValue('2pm/mpc-roles/1', roles)),
    fromHex(scheduleHash(circuit, planned)),
  ) as Hash;
  const links = new Links(context, variant.id, binding);

  const steps = planned.rounds + 2;
  const keys = await links.setUp(inputs);
  onProgress?.(1, steps);
  const { engine, check } = await variant.start(context, keys, (gate) => inputShare(inputs, gate));
  let rounds = steps;
  const runCheck = async () => {
    if (check === undefined) return;
    const steps = check.run();
    for (let step = steps.next(); step.done !== true; rounds++) step = steps.next(await links.exchange(step.value));
  };
  const shares = await execute(
    circuit,
    planned,
    engine,
    async (round) => {
      if (check?.due === true) await runCheck();
      return links.exchange(round);
    },
    (done) => onProgress?.(done + 1, steps),
  );
  await runCheck();
  const transcript = await links.agree();
  onProgress?.(steps, steps);

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
