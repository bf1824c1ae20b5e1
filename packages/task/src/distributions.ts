/**
 * Tail probabilities of the chi-square and of Student's t distribution, to about 12 digits (8, with millions of degrees of freedom): by the regularised incomplete
 * gamma and beta functions (NIST Digital Library of Mathematical Functions, 8.11.4, 8.9.2, 8.17.22).
 * @module
 */

const STEPS = 10_000;
const SMALL = 1e-300;

/** P(X > x) for a chi-square variable with that many degrees of freedom. */
export function chiSquareP(x: number, degrees: number): number {
  if (!(degrees > 0) || Number.isNaN(x)) return Number.NaN;
  if (x <= 0) return 1;
  return upperGamma(degrees / 2, x / 2);
}

/** P(|T| > |t|) for a Student t variable. */
export function studentTP(t: number, degrees: number): number {
  if (!(degrees > 0) || Number.isNaN(t)) return Number.NaN;
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

/** Γ(a, x) / Γ(a). */
function upperGamma(a: number, x: number): number {
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x >= a + 1) {
    // Γ(a, x) = e^-x x^a / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / …))
    return front / fraction(x + 1 - a, (n) => [-n * (n - a), x + 2 * n + 1 - a]);
  }
  let [sum, term] = [1 / a, 1 / a];
  for (let n = 1; n < STEPS && term > sum * 1e-17; n++) {
    term *= x / (a + n);
    sum += term;
  }
  return 1 - front * sum;
}

function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  const term = (n: number): [number, number] => {
    const m = Math.floor(n / 2);
    if (n % 2 === 0) return [(m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)), 1];
    return [(-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)), 1];
  };
  return front / fraction(1, term);
}

/** b0 + a1 / (b1 + a2 / (b2 + …)) by the method of Lentz; `term(n)` is [a, b] of n. */
function fraction(b0: number, term: (n: number) => [number, number]): number {
  let value = b0 === 0 ? SMALL : b0;
  let [c, d] = [value, 0];
  for (let n = 1; n < STEPS; n++) {
    const [a, b] = term(n);
    d = 1 / (b + a * d || SMALL);
    c = b + a / c || SMALL;
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return value;
}

/** By Stirling's series, after moving the argument beyond 12. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 12; z++) shift -= Math.log(z);
  const series = 1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / z ** 2) / z ** 2) / z ** 2) / z ** 2;
  return shift + (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series / z;
}
