/** What a plan costs on this back-end before anybody runs it: rounds and bytes, exact, from circuit and schedule. @module */
import { type Hash, type Plan, type RoleSizes, ZERO_HASH } from '@2pm/core';
import { SEED_BYTES } from '@2pm/crypto';
import { silentOtMessageBytes } from '@2pm/crypto/ot';
import type { Circuit, Gate } from '../circuit.ts';
import { lower } from '../lower/lower.ts';
import { packedLength } from '../rep3/share.ts';
import { type Demand, demandOf, portionsOf } from './demand.ts';
import { preprocessingOf } from './preprocessing.ts';
import { plannedFor } from './session.ts';
import { directionOf } from './transfers.ts';
import { tripleBytes } from './triples.ts';

export interface AdditiveTraffic {
  /** One before the first gate and one after the last included, and those in which correlations are made. */
  rounds: number;
  /** Bytes that each seat sends to all others. */
  seats: readonly number[];
  /** Bytes that each holder of a role sends to all seats together. */
  holders: Readonly<Record<string, number>>;
  /** Bytes of output shares, before they are sealed. */
  outputs: number;
}

/** Bytes of a digest, and of the hash of what seats agree on. */
export const DIGEST = 32;

export function additiveTraffic(plan: Plan, roles: RoleSizes, seats = 2): AdditiveTraffic {
  const { circuit, planned } = plannedFor(lower(plan, roles, { arranging: 'networks' }), seats);
  const demand = demandOf(circuit, seats);
  const peers = seats - 1;
  const sent = Array.from({ length: seats }, (_, seat) => {
    // Before: what the seats agree on. After: the digests of both directions of each pair of this seat.
    let all = peers * (DIGEST + 2 * DIGEST * peers + tripleBytes(demand) + openedBytes(circuit, demand));
    if (seats === 2) all += transferBytes(demand, seat) + tableBytes(demand, seat);
    else if (demand.bits > 0) {
      const bits = { ...demand, carries: 0, crossWords: 0, choices: 0 };
      // By place in the pair, of which both are alike; then what a pair adjusts.
      all += peers * (transferBytes(bits, 0, peers) + 2 * 4 * packedLength(demand.bits));
    }
    return all;
  });
  return {
    rounds: planned.rounds + 2 + preprocessingOf(demand, ZERO_HASH as Hash, seats).rounds,
    seats: sent,
    holders: Object.fromEntries([...circuit.inputWords].map(([role, words]) => [role, peers * SEED_BYTES + 8 * words])),
    outputs: seats * outputBytes(circuit),
  };
}

/** Bytes of masked operands, to each other computing seat. */
export function openedBytes({ gates }: Circuit, { words, bits, crossWords, matrices }: Demand): number {
  const choices = gates.reduce((sum, { op, args: [bit, word] }) => {
    const chosen = (op === 'mul' || op === 'dot') && gates[bit ?? -1]?.form === 'bits';
    return chosen ? sum + sizeOf(gates[bit ?? -1]) + sizeOf(gates[word ?? -1]) : sum;
  }, 0);
  const entries = matrices.reduce((sum, { rows, inner, columns }) => sum + rows * inner + inner * columns, 0);
  return 16 * words + (2 * bits) / 8 + crossWords / 8 + 8 * entries + choices;
}

/** Sent by the seat at this place of a pair while transfers are made. */
function transferBytes(demand: Demand, place: number, peers = 1): number {
  const [own, other] = [place, 1 - place].map((from) => {
    const direction = directionOf(demand, from, ZERO_HASH as Hash, peers);
    return direction && { ...silentOtMessageBytes(direction), batches: direction.batches };
  });
  const asSender = own === undefined ? 0 : own.answer + own.batches * own.correction;
  const asReceiver = other === undefined ? 0 : other.offer + other.choice;
  // A word with each transfer of these two, which come in portions of a multiple of 128.
  const words = portionsOf(demand, place).filter(({ kind }) => kind === 'choices' || kind === 'crossWords');
  return asSender + asReceiver + words.reduce((sum, { transfers }) => sum + 8 * transfers, 0);
}

/** Between two, what reads a table of four bits at a time, and the tables. */
export function tableBytes({ carries }: Demand, seat: number): number {
  return (seat === 0 ? 64 : 8) * carries;
}

/** Of a seat's output shares. */
export function outputBytes({ gates, outputs }: Circuit): number {
  return outputs.reduce((sum, { value, ok }) => sum + sizeOf(gates[value]) + sizeOf(gates[ok ?? -1]), 0);
}

function sizeOf(gate: Gate | undefined): number {
  if (gate === undefined) return 0;
  return gate.form === 'words' ? 8 * gate.length : 4 * packedLength(gate.length);
}
