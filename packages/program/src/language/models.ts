/**
 * Models of shared rows, one column for each feature: joined rows, or the rows of holders side by side. Nobody learns a
 * row, a prediction or a step of the training; what is revealed in the end is for the program to say.
 * @module
 */
import { bitsOf } from './arithmetic.ts';
import { atOneLine } from './line.ts';
import { combine, dotEach } from './matrix.ts';
import { fail } from './program-error.ts';
import { repeat } from './repeat.ts';
import { SharedVector } from './shared.ts';
import { refOf } from './trace.ts';

type Ints = SharedVector<'int'>;

const BITS = 16;

export interface LogisticOptions {
  /** Steps of the descent: 100 unless told. Each takes 19 rounds. */
  readonly iterations?: number;
  /** Which rows count: of a join those that hold a match. All of them unless told. */
  readonly rows?: SharedVector<'bool'>;
  /** `penalty` / 2 times the mean square of the coefficients is added to the loss; the intercept is not spared. */
  readonly penalty?: number;
}

/**
 * Weights of a logistic regression, the intercept's first, with 16 fraction bits: by gradient descent with momentum
 * (Nesterov 1983) on the mean loss over all entries, in steps as long as the declared ranges of the features allow. So
 * bring features to about ±1, and bound them (`clip`) to what they are.
 */
export function logisticRegression(
  features: readonly Ints[],
  label: SharedVector<'bool'>,
  options: LogisticOptions = {},
): Ints {
  return atOneLine(() => descend(features, label, options));
}

function descend(
  features: readonly Ints[],
  label: SharedVector<'bool'>,
  { iterations = 100, rows, penalty = 0 }: LogisticOptions,
): Ints {
  if (features.length === 0 || features.length > 254) fail('PROGRAM_LENGTH', 'a regression takes 1 to 254 features');
  const y = label.toInt();
  const valid = rows?.toInt() ?? y.mul(0).add(1);
  // Rows that do not count are 0 in all columns, that of the intercept included: they add nothing to a gradient.
  const xs = [valid, ...features.map((x) => (rows === undefined ? x : x.mul(valid)))].map((x) => x.rescale(BITS));
  // The mean gradient changes by at most Σ max|x|² / 4 times as much as the weights.
  const squares = xs.map((x) => sizeOf(x) ** 2).reduce((sum, square) => sum + square);
  const step = 4 / (squares + 4 * penalty);
  const sizeBits = Math.ceil(Math.log2(y.length));
  // As far as so many steps can reach: what a momentum of one less 2 / (reach + 1) makes of slopes down to 1 / reach².
  const reach = Math.max(2, iterations / 5);
  const momentum = (reach - 1) / (reach + 1);
  const start = dotEach(valid.mul(0), xs).rescale(BITS);
  // Velocity and what momentum makes of it are rounded side by side, for a step is as slow as its rounds are many.
  const state = { weights: start, velocity: start, carried: start };
  return repeat(iterations, state, ({ weights, velocity, carried }) => {
    const ahead = weights.add(carried);
    const said = combine(ahead, xs).rescale(BITS).sigmoid();
    const gradient = dotEach(y.sub(said), xs).rescale(Math.min(2 * BITS, 48 - sizeBits));
    const moved = (factor: number) => {
      const kept = velocity.mul(momentum * factor).rescale(BITS);
      const slope = gradient.div(y.length / (step * factor), { fractionBits: BITS });
      return penalty === 0 ? kept.add(slope) : kept.add(slope).sub(ahead.mul(step * penalty * factor).rescale(BITS));
    };
    const next = moved(1);
    return { weights: weights.add(next), velocity: next, carried: moved(momentum) };
  }).weights;
}

export interface LinearWeights {
  readonly intercept: number | Ints;
  /** One for each feature: numbers that all may know, or one shared vector. */
  readonly coefficients: readonly number[] | Ints;
}

/** What a given linear model says of every row, with 16 fraction bits; `.sigmoid()` of it is the logistic model's. */
export function predict(features: readonly Ints[], { intercept, coefficients }: LinearWeights): Ints {
  const xs = features.map((x) => x.rescale(BITS));
  if (coefficients instanceof SharedVector) {
    return combine(coefficients.rescale(BITS), xs).rescale(BITS).add(intercept);
  }
  if (coefficients.length !== xs.length || xs.length === 0) {
    fail('PROGRAM_LENGTH', `${coefficients.length} coefficients for ${xs.length} features`);
  }
  return xs
    .map((x, j) => x.mul(coefficients[j] as number))
    .reduce((sum, x) => sum.add(x))
    .rescale(BITS)
    .add(intercept);
}

/** The greatest |x| that the declared range allows. */
function sizeOf(x: Ints): number {
  const ref = refOf(x);
  const [lo, hi] = [Math.abs(Number(ref.lo)), Math.abs(Number(ref.hi))];
  return Math.max(lo, hi) / 2 ** bitsOf(ref);
}
