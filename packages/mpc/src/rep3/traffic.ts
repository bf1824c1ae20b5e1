/** What a plan costs on this back-end before anybody runs it: rounds and bytes, exact, from circuit and schedule. @module */
import { type Plan, type RoleSizes, taggedJoins } from '@2pm/core';
import { SEED_BYTES } from '@2pm/crypto';
import type { Circuit, Gate } from '../circuit.ts';
import { lower } from '../lower/lower.ts';
import { schedule } from '../schedule.ts';
import { ROUND_COSTS } from './engine.ts';
import { packedLength } from './share.ts';
import { narrowBytes } from './simd.ts';

export interface Traffic {
  /** One before the first gate and one after the last included. */
  rounds: number;
  /** Bytes that seats 0, 1 and 2 send to each other. */
  seats: readonly [number, number, number];
  /** Bytes that each holder of a role sends to all seats together. */
  holders: Readonly<Record<string, number>>;
  /** Bytes of output shares, before they are sealed. */
  outputs: number;
}

const DIGEST = 32;

export function traffic(plan: Plan, roles: RoleSizes): Traffic {
  const matchers = new Map(taggedJoins(plan).map((node) => [node, 2]));
  const circuit = lower(plan, roles, { matchers });
  const members = Object.keys(plan.roles)
    .filter((role) => circuit.inputWords.has(role))
    .reduce((sum, role) => sum + (roles[role] ?? 0), 0);
  // Before: a binding to each side, a seed and the digests of one component to one. After: two reports of four digests.
  const around = 2 * DIGEST + SEED_BYTES + members * DIGEST + 2 * 4 * DIGEST;
  const seats: [number, number, number] = [around, around, around];
  for (const gate of circuit.gates)
    for (const [seat, bytes] of bytesOf(gate, circuit).entries()) seats[seat as 0 | 1 | 2] += bytes;
  const holders = [...circuit.inputWords].map(([role, words]) => [role, 4 * SEED_BYTES + 16 * words] as const);
  return {
    rounds: schedule(circuit, ROUND_COSTS).rounds + 2,
    seats,
    holders: Object.fromEntries(holders),
    outputs: outputBytes(circuit),
  };
}

function bytesOf(gate: Gate, { gates }: Circuit): readonly [number, number, number] {
  const { op, length } = gate;
  // Rows are moved by a place that is opened, which the leader tells both others.
  const moved = (rows: number, columns: number) => {
    const [a, b, c] = shuffled(0, (1 + columns) * rows);
    return [a + 2 * 4 * rows, b, c] as const;
  };
  const planes = (count: number) => 4 * count * packedLength(length);
  const all = (bytes: number, more = 0) => [bytes + more, bytes, bytes] as const;
  switch (op) {
    case 'mul':
    case 'dot':
    case 'matmul':
      return all(8 * length);
    case 'and':
      return all(planes(1));
    case 'zero':
      return all(planes(63), planes(64));
    case 'negative':
      return all(planes(181), planes(64));
    case 'inject':
      return all(8 * length, 8 * length);
    case 'truncate':
      return all(8 * length, narrowBytes(Number(gate.constant)) * length);
    case 'shuffle':
      return shuffled(0, length);
    case 'sortable':
      return all((40 * length) / 64, (4 * length) / 64);
    case 'radix': {
      const rows = length / 64;
      const [a, b, c] = moved(rows, 1);
      const own = 4 * packedLength(rows) + 16 * rows;
      return [a + own + 12 * rows, b + own, c + own];
    }
    case 'ranks':
      return moved(length, 1);
    case 'place': {
      const rows = gates[gate.args[0] ?? -1]?.length ?? 0;
      return moved(rows, length / rows);
    }
    case 'join': {
      const { relations, passes, matcher = 0 } = gate.join ?? { relations: [], passes: 0 };
      const words = relations.reduce((sum, { rows, columns }) => sum + rows * (2 * passes + columns), 0);
      const slots = Math.min(...relations.map(({ rows }) => rows));
      const announced = 8 * slots + 2 * 4 * slots * (relations.length - 1);
      const [a, b, c] = shuffled(matcher, words);
      const own = (seat: number) => (seat === matcher ? announced : 0);
      return [a + own(0), b + own(1), c + own(2)];
    }
    default:
      if (Object.hasOwn(ROUND_COSTS, op)) throw new RangeError(`the traffic of ${op} is not known`);
      return [0, 0, 0];
  }
}

/** The seat before the leader sends each word twice. */
function shuffled(leader: number, words: number): readonly [number, number, number] {
  const of = (seat: number) => (seat === (leader + 2) % 3 ? 16 : 8) * words;
  return [of(0), of(1), of(2)];
}

function outputBytes({ gates, outputs }: Circuit): number {
  const size = (index: number) => {
    const gate = gates[index];
    if (gate === undefined) return 0;
    return 3 * 2 * (gate.form === 'words' ? 8 * gate.length : 4 * packedLength(gate.length));
  };
  return outputs.reduce((sum, { value, ok }) => sum + size(value) + (ok === undefined ? 0 : size(ok)), 0);
}
