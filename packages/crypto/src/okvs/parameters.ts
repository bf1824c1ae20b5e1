/**
 * Sizes of the clustered oblivious key-value store of Raghuraman and Rindal (CCS 2022, §3; coefficients of their code
 * where the paper rounds them), w = 3 and binary dense columns. @module
 */
import { NodeError } from '@2pm/core';

export interface OkvsParameters {
  /** Keys stored. */
  items: number;
  bins: number;
  /** Most keys in one bin; more has probability below 2^-40 over all bins. */
  binCapacity: number;
  /** Sparse columns a bin, three of them in each row. */
  sparse: number;
  /** Binary dense columns a bin, a multiple of 8. */
  dense: number;
}

/** Statistical security in bits, for the whole store. */
const LAMBDA = 40;
const BIN_TARGET = 2 ** 15;
/** The fit behind the formula is no better below; a bin may be emptier than its parameters allow for. */
const SMALLEST_BIN = 512;

/**
 * `bins`: by default as many as keep a bin in the caches; one makes the shortest encoding, and a slow one.
 * @throws {NodeError} `OKVS_BAD_SIZE` outside 1 to 2^24.
 */
export function okvsParameters(items: number, bins: number = Math.ceil(items / BIN_TARGET)): OkvsParameters {
  if (!Number.isInteger(items) || items < 1 || items > 2 ** 24) {
    throw new NodeError('OKVS_BAD_SIZE', `a store of ${items} keys`, { fault: 'caller' });
  }
  const lambda = LAMBDA + Math.log2(bins);
  const capacity = binCapacity(items, bins);
  const n = Math.max(capacity, SMALLEST_BIN);
  const v = Math.log2(3);
  const slope = 2 ** (0.555 * Math.log2(n) + 0.093 * v ** 3 - 1.01 * v ** 2 + 2.925 * v - 0.133);
  const sparse = Math.floor((1.223 + (lambda + 9.2) / slope) * n);
  const gap = Math.ceil(lambda / Math.log2(sparse));
  return { items, bins, binCapacity: capacity, sparse, dense: Math.ceil((gap + lambda) / 8) * 8 };
}

/** Blocks of the encoding: bin after bin, sparse then dense columns. */
export function okvsLength({ bins, sparse, dense }: OkvsParameters): number {
  return bins * (sparse + dense);
}

/** Smallest k with bins · Pr[Binomial(items, 1/bins) > k] < 2^-(40 + log2 bins). */
export function binCapacity(items: number, bins: number): number {
  if (bins === 1) return items;
  const lambda = LAMBDA + Math.log2(bins);
  const mean = items / bins;
  const logRatio = -Math.log(bins - 1);
  const limit = -lambda * Math.LN2 - Math.log(bins);
  // Upwards from the mean: log Pr[X = k] by its recurrence, the tail bounded by a geometric series.
  let k = Math.ceil(mean);
  let logTerm = logChoose(items, k) - k * Math.log(bins) + (items - k) * Math.log1p(-1 / bins);
  for (; k < items; k++) {
    const next = logTerm + Math.log((items - k) / (k + 1)) + logRatio;
    const ratio = ((items - k - 1) / (k + 2)) * Math.exp(logRatio);
    if (ratio < 1 && next - Math.log(1 - ratio) < limit) return k;
    logTerm = next;
  }
  return items;
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** Stirling's series; exact to 1e-10 from 16 on, and summed below. */
function logFactorial(n: number): number {
  if (n < 16) return Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((sum, term) => sum + term, 0);
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + 1 / (12 * n) - 1 / (360 * n ** 3);
}
