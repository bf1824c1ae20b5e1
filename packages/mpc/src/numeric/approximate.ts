/**
 * Polynomials that stand for functions on a short interval. All parties must build the very same circuit, so nothing here
 * calls Math.exp and its like, whose last bit differs between engines: only operations that IEEE 754 fixes.
 * @module
 */

/** By Taylor's series of x / 2^6, squared six times. */
export function exp(x: number): number {
  const small = x / 64;
  let [sum, term] = [1, 1];
  for (let n = 1; n < 20; n++) {
    term = (term * small) / n;
    sum += term;
  }
  for (let i = 0; i < 6; i++) sum *= sum;
  return sum;
}

/** By the series of 2 artanh((x - 1) / (x + 1)); for x near 1. */
export function log(x: number): number {
  const z = (x - 1) / (x + 1);
  let [sum, power] = [0, z];
  for (let n = 1; n < 60; n += 2) {
    sum += power / n;
    power *= z * z;
  }
  return 2 * sum;
}

function cos(x: number): number {
  let [sum, term] = [1, 1];
  for (let n = 2; n < 40; n += 2) {
    term *= -(x * x) / (n * (n - 1));
    sum += term;
  }
  return sum;
}

/**
 * Coefficients of 1, t, t², … of the polynomial that agrees with f(t) at the Chebyshev nodes of [-h, h].
 * Close to the best: see Trefethen, Approximation Theory and Approximation Practice, §4 and §16.
 */
export function interpolate(f: (t: number) => number, h: number, degree: number): number[] {
  const n = degree + 1;
  const nodes = Array.from({ length: n }, (_, k) => cos((Math.PI * (k + 0.5)) / n));
  const values = nodes.map((node) => f(node * h));
  const coefficients = new Array<number>(n).fill(0);
  // T0, T1, …: their values at the nodes and their own coefficients, by T(j+1) = 2s T(j) - T(j-1).
  let [before, now] = [nodes.map(() => 0), nodes.map(() => 1)];
  let [beforeIn, nowIn] = [new Array<number>(n).fill(0), [1, ...new Array<number>(degree).fill(0)]];
  for (let j = 0; j < n; j++) {
    const weight = (values.reduce((sum, value, k) => sum + value * (now[k] ?? 0), 0) * (j === 0 ? 1 : 2)) / n;
    for (let m = 0; m < n; m++) coefficients[m] = (coefficients[m] ?? 0) + weight * (nowIn[m] ?? 0);
    const twice = j === 0 ? 1 : 2;
    const [at, inside, last, lastIn] = [now, nowIn, before, beforeIn];
    now = nodes.map((s, k) => twice * s * (at[k] ?? 0) - (last[k] ?? 0));
    nowIn = inside.map((_, m) => twice * (m === 0 ? 0 : (inside[m - 1] ?? 0)) - (lastIn[m] ?? 0));
    [before, beforeIn] = [at, inside];
  }
  let scale = 1;
  return coefficients.map((coefficient) => {
    const scaled = coefficient / scale;
    scale *= h;
    return scaled;
  });
}

/** The nearest integer to value · 2^bits, for values below 2^20. */
export function toFixed(value: number, bits: number): bigint {
  // In two steps, because a double holds 53 bits.
  const high = Math.round(value * 2 ** 20);
  const rest = Math.round((value * 2 ** 20 - high) * 2 ** 30);
  const exact = (BigInt(high) << 30n) + BigInt(rest);
  return bits >= 50 ? exact << BigInt(bits - 50) : (exact + (1n << BigInt(49 - bits))) >> BigInt(50 - bits);
}
