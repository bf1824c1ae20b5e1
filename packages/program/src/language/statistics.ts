/** Statistics that a recipient computes from opened sums. @module */
import type { OpenedVector, PublicVector } from './public.ts';

/** Σx / n. */
export function mean(sum: OpenedVector, n: OpenedVector): PublicVector {
  return sum.div(n);
}

/** Population variance Σx²/n − (Σx/n)², as numpy.var. */
export function variance(squares: OpenedVector, sum: OpenedVector, n: OpenedVector): PublicVector {
  const average = mean(sum, n);
  return squares.div(n).sub(average.mul(average));
}

/** Population standard deviation, as numpy.std. */
export function standardDeviation(squares: OpenedVector, sum: OpenedVector, n: OpenedVector): PublicVector {
  return variance(squares, sum, n).sqrt();
}
