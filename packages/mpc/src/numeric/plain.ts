/**
 * Operations on numbers in the clear, one element after another, from the catalogue alone. Those that a circuit computes
 * up to a stated error are computed here in double precision, and rescaled values are rounded to the nearest.
 * @module
 */
import type { Plan } from '@2pm/core';

/** Undefined if the node is none of these operations. `vectors`: its arguments. */
export function plainNumeric(plan: Plan, index: number, vectors: readonly (readonly bigint[])[]): bigint[] | undefined {
  const node = plan.nodes[index];
  if (node?.type.kind !== 'shared') return undefined;
  const { op, args, attrs, type } = node;
  const scales = args.map((arg) => {
    const own = plan.nodes[arg]?.type;
    return own !== undefined && 'fractionBits' in own ? own.fractionBits : 0;
  });
  const [x = [], y = [], ...others] = vectors;
  const [from = 0] = scales;
  const real = (f: (value: number) => number) =>
    x.map((value) => BigInt(Math.round(f(Number(value) / 2 ** from) * 2 ** type.fractionBits)));
  const pairwise = (choose: (a: bigint, b: bigint) => bigint) => {
    const scale = Math.max(...scales);
    const at = (place: number, i: number) => {
      const vector = vectors[place] ?? [];
      return (vector[vector.length === 1 ? 0 : i] ?? 0n) << BigInt(scale - (scales[place] ?? 0));
    };
    return Array.from({ length: Math.max(x.length, y.length) }, (_, i) => choose(at(0, i), at(1, i)));
  };
  switch (op) {
    case 'rescale/1': {
      const cut = BigInt(from - type.fractionBits);
      return x.map((value) => (value + (1n << (cut - 1n))) >> cut);
    }
    case 'minimum/1':
      return pairwise((a, b) => ascending([a, b])[0] ?? 0n);
    case 'maximum/1':
      return pairwise((a, b) => ascending([a, b]).at(-1) ?? 0n);
    case 'abs/1':
      return x.map((value) => (value < 0n ? -value : value));
    case 'min/1':
      return ascending(x).slice(0, 1);
    case 'max/1':
      return ascending(x).slice(-1);
    case 'argmax/1':
      return [BigInt(x.indexOf(ascending(x).at(-1) ?? 0n))];
    case 'reciprocal/1':
      return real((value) => 1 / value);
    case 'sqrt/1':
      return real(Math.sqrt);
    case 'exp/1':
      return real(Math.exp);
    case 'log/1':
      return real(Math.log);
    case 'sigmoid/1':
      return real((value) => 1 / (1 + Math.exp(-value)));
    case 'div/1':
      return x.map((value, i) => {
        const ratio = Number(value) / Number(y[i] ?? 0n);
        return BigInt(Math.round(ratio * 2 ** (type.fractionBits + (scales[1] ?? 0) - from)));
      });
    case 'dot/1':
      return [y, ...others].map((vector) => vector.reduce((sum, value, i) => sum + value * (x[i] ?? 0n), 0n));
    case 'combine/1':
      return y.map((_, i) => [y, ...others].reduce((sum, vector, j) => sum + (x[j] ?? 0n) * (vector[i] ?? 0n), 0n));
    case 'repeat/1':
      return new Array<bigint>(type.length).fill(x[0] ?? 0n);
    case 'slice/1': {
      const offset = (attrs.offset ?? 0) + Number(y[0] ?? 0n);
      return x.slice(offset, offset + type.length);
    }
    case 'concat/1':
      return vectors.flat();
    case 'transpose/1': {
      const [rows, columns] = [attrs.rows ?? 1, x.length / (attrs.rows ?? 1)];
      return x.map((_, place) => x[(place % rows) * columns + Math.floor(place / rows)] ?? 0n);
    }
    case 'matmul/1': {
      const inner = attrs.inner ?? 1;
      const columns = y.length / inner;
      return Array.from({ length: (x.length / inner) * columns }, (_, place) => {
        const [i, j] = [Math.floor(place / columns), place % columns];
        let sum = 0n;
        for (let k = 0; k < inner; k++) sum += (x[i * inner + k] ?? 0n) * (y[k * columns + j] ?? 0n);
        return sum;
      });
    }
    case 'as-int/1':
    case 'unstack/1':
      return [...x];
    default:
      return undefined;
  }
}

function ascending(values: readonly bigint[]): bigint[] {
  return [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
