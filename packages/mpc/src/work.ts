/**
 * About how long a seat computes, before anybody runs a plan: the network is not part of it (`traffic.ts` of each back-end).
 * The figures are nanoseconds of the busiest seat for an element of a gate, from `bench/mpc.js` on the two processors of
 * docs/protocols.md, preprocessing shared out among the gates that need it. `work.test.ts` holds them against the figures
 * there; other machines, and seats that share processors, move them by a factor of 2 or 3.
 * @module
 */
import { type Plan, type RoleSizes, taggedJoins } from '@2pm/core';
import type { Circuit, Gate, GateOperation } from './circuit.ts';
import { lower } from './lower/lower.ts';

/** Of an element; of rows, where the operation moves or matches rows; of a product, for those of vectors and matrices. */
type Figures = Readonly<Partial<Record<GateOperation | 'gate' | 'run' | 'local', number>>>;

const MICRO = 1_000;
const MILLI = 1_000_000;

const FIGURES: Readonly<Record<string, Figures>> = {
  'rep3-semi-honest/1': {
    ...{ run: 2 * MILLI, gate: 15 * MICRO, local: 4, mul: 85, dot: 5, matmul: 4.4, truncate: 95, inject: 90 },
    ...{ and: 1, zero: 220, negative: 450, shuffle: 120, sortable: 700, radix: 900, ranks: 400, place: 250, join: 350 },
  },
  'rep3-malicious/1': {
    ...{ run: 5 * MILLI, gate: 20 * MICRO, local: 4, mul: 650, dot: 200, matmul: 200, truncate: 8 * MICRO },
    ...{ inject: 1.4 * MICRO, and: 25, zero: 5 * MICRO, negative: 6 * MICRO },
  },
  'additive-semi-honest/1': {
    ...{ run: 150 * MILLI, gate: 15 * MICRO, local: 2, mul: 4.2 * MICRO, dot: 4.5 * MICRO, matmul: 4.7 * MICRO },
    ...{ truncate: 1.6 * MICRO, inject: 4 * MICRO, and: 400, zero: 28 * MICRO, negative: 27 * MICRO },
  },
  'additive-dealer-semi-honest/1': {
    ...{ run: 5 * MILLI, gate: 15 * MICRO, local: 2, mul: 280, dot: 280, matmul: 55, truncate: 180 },
    ...{ inject: 1.3 * MICRO, and: 20, zero: 700, negative: 900 },
  },
};

/** Milliseconds that the busiest seat computes; undefined for a back-end of which no figures are known. */
export function computingMs(plan: Plan, roles: RoleSizes, protocol: string): number | undefined {
  const matchers = new Map(taggedJoins(plan).map((node) => [node, 2]));
  const rep3 = protocol === 'rep3-semi-honest/1';
  return computingMsOf(lower(plan, roles, rep3 ? { matchers } : { arranging: 'networks' }), protocol);
}

export function computingMsOf(circuit: Circuit, protocol: string): number | undefined {
  const figures = FIGURES[protocol];
  if (figures === undefined) return undefined;
  const { run = 0, gate = 0, local = 0 } = figures;
  const each = circuit.gates.map((one) => gate + elements(circuit, one) * (figures[one.op] ?? local));
  return each.reduce((sum, ns) => sum + ns, run) / MILLI;
}

function elements({ gates }: Circuit, { op, form, length, args, inner = 1, join }: Gate): number {
  switch (op) {
    case 'matmul':
      return length * inner;
    case 'dot':
      return gates[args[0] ?? -1]?.length ?? 0;
    case 'sortable':
    case 'radix':
      return length / 64;
    case 'join':
      return join?.relations.reduce((sum, { rows, columns }) => sum + rows * (2 * join.passes + columns), 0) ?? 0;
    case 'xor':
    case 'not':
      return length / 32;
    default:
      return op === 'repeat' && form === 'bits' ? length / 32 : length;
  }
}
