/**
 * How many correlations a circuit takes, known before it runs. Seat i holds of
 *   words: a, b, c modulo 2^64, the sum of all a times that of all b being the sum of all c; bits: the same modulo 2;
 *   matrices: the same for the product of two matrices, one for each such gate;
 * and if there are two seats of
 *   carries: sixteen pads of two bits for each four bits of a word, of which seat 1 has one, that of four random bits;
 *   crossWords: a bit f each and c with f0·f1 = c0 + c1;
 *   choices: a word a, a bit t and words c, d, with a0·t1 = c0 + d1 and a1·t0 = c1 + d0.
 * Bits are counted in whole 32-bit words of a packed vector, as they are drawn.
 * @module
 */
import type { Circuit, Gate } from '../circuit.ts';
import { packedLength } from '../rep3/share.ts';
import { severalDemand } from './several-seats.ts';

export interface Demand {
  words: number;
  bits: number;
  carries: number;
  crossWords: number;
  choices: number;
  matrices: readonly MatrixShape[];
}

export interface MatrixShape {
  gate: Gate;
  rows: number;
  inner: number;
  columns: number;
}

/** Bit planes that go through an AND between two seats: in the tree of a sign, and in a test for zero. */
export const PLANES = { sign: 26, zero: 63 } as const;

export function demandOf({ gates }: Circuit, seats = 2): Demand {
  const demand = { words: 0, bits: 0, carries: 0, crossWords: 0, choices: 0, matrices: [] as MatrixShape[] };
  const lengthOf = (index: number | undefined) => gates[index ?? -1]?.length ?? 0;
  for (const gate of gates) {
    const [x, y] = gate.args;
    const taken = 32 * packedLength(gate.length);
    switch (gate.op) {
      case 'mul':
      case 'dot':
        if (gates[x ?? -1]?.form === 'bits') demand.choices += 32 * packedLength(lengthOf(x));
        else demand.words += lengthOf(x);
        break;
      case 'matmul': {
        const inner = gate.inner ?? 1;
        demand.matrices.push({ gate, inner, rows: lengthOf(x) / inner, columns: lengthOf(y) / inner });
        break;
      }
      case 'and':
        demand.bits += taken;
        break;
      case 'zero':
      case 'negative':
      case 'inject':
      case 'truncate': {
        if (seats === 2) break;
        const { planes, words } = severalDemand(seats, gate.op, Number(gate.constant ?? 0n));
        demand.bits += planes * taken;
        demand.words += words * (gate.op === 'inject' ? gate.length : taken);
        break;
      }
    }
    if (seats > 2) continue;
    switch (gate.op) {
      case 'zero':
        demand.bits += PLANES.zero * taken;
        break;
      case 'negative':
        demand.carries += gate.length;
        demand.bits += PLANES.sign * taken;
        break;
      case 'inject':
      case 'truncate':
        demand.crossWords += taken;
        break;
    }
  }
  return demand;
}

export interface Portion {
  kind: 'bits' | 'choices' | 'carries' | 'crossWords';
  transfers: number;
}

/** What the transfers from one seat to the other are for, in their order; each portion a multiple of 128. */
export function portionsOf({ bits, choices, carries, crossWords }: Demand, from: number): Portion[] {
  const portions: Portion[] = [
    { kind: 'bits', transfers: bits },
    { kind: 'choices', transfers: choices },
  ];
  if (from === 0) {
    portions.push({ kind: 'carries', transfers: 64 * carries }, { kind: 'crossWords', transfers: crossWords });
  }
  return portions
    .filter(({ transfers }) => transfers > 0)
    .map((portion) => ({ ...portion, transfers: 128 * Math.ceil(portion.transfers / 128) }));
}
