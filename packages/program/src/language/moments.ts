/**
 * Sums, and sums of products, of columns: all that means, spreads, correlations, t-tests and linear regressions need of
 * the rows of any number of holders. `moments` and `sample` belong into `each`; the others take what was opened, and
 * their recipient computes the rest alone, in double precision. Who opens moments learns them: counts, means and
 * covariances of all rows together, and no more. Least and greatest values are not among them, because each is one row's.
 * @module
 */
import { atOneLine } from './line.ts';
import type { LocalColumn, LocalTable, LocalVector } from './local.ts';
import { fail } from './program-error.ts';
import { type OpenedVector, type PublicVector, sideBySide } from './public.ts';
import type { ColumnSpecs } from './schema.ts';
import { refOf } from './trace.ts';

/** Of rows that lack none of the columns. `product` has each pair of columns once, in their order. */
export type Moments<L, N extends string> = {
  readonly count: L;
  readonly sum: { readonly [A in N]: L };
  readonly product: { readonly [A in N]: { readonly [B in N]?: L } };
};
export type OpenedMoments<N extends string> = Moments<OpenedVector, N>;

export type Sample<L> = {
  readonly count: L;
  readonly sum: L;
  readonly squares: L;
};

type RoleOf<Of extends string> = Of extends `${infer Role}.${string}` ? Role : string;
type NumberColumns<C extends ColumnSpecs> = {
  [N in keyof C & string]: C[N]['kind'] extends 'number' ? N : never;
}[keyof C & string];

/** Complete cases of these columns: rows that lack one are left out, as by pandas' dropna. */
export function moments<C extends ColumnSpecs, Of extends string, K extends string, N extends NumberColumns<C>>(
  table: LocalTable<C, Of, K>,
  columns: readonly N[],
): Moments<LocalVector<RoleOf<Of>>, N> {
  if (columns.length === 0 || new Set(columns).size !== columns.length) {
    fail('PROGRAM_CONSTANT', 'moments() takes the names of different columns');
  }
  let rows = table as unknown as LocalTable<C, Of>;
  for (const name of columns) {
    const { type } = refOf(table.column(name) as LocalColumn);
    if (type.kind === 'column' && type.nullable)
      rows = rows.where((rows.column(name) as LocalColumn<'number', Of>).isNull().not());
  }
  const of = (name: N) => rows.column(name) as unknown as LocalColumn<'number', Of>;
  const product = columns.map((a, i) => {
    const pairs = columns.slice(i).map((b) => [b, of(a).mul(of(b)).sum()] as const);
    return [a, Object.fromEntries(pairs)] as const;
  });
  const sum = Object.fromEntries(columns.map((name) => [name, of(name).sum()]));
  return { count: rows.count(), sum, product: Object.fromEntries(product) } as never;
}

/** What a t-test needs of a column; rows that lack it are left out. */
export function sample<Of extends string>(column: LocalColumn<'number', Of>): Sample<LocalVector<RoleOf<Of>>> {
  return { count: column.count(), sum: column.sum(), squares: column.mul(column).sum() };
}

// Types and not interfaces: what a program returns must be indexable.
export type Description = {
  readonly count: OpenedVector;
  readonly mean: PublicVector;
  /** With n - 1 in the denominator, as in pandas. */
  readonly std: PublicVector;
};

/** Count, mean and standard deviation of each column. */
export function describe<N extends string>(of: OpenedMoments<N>): { readonly [A in N]: Description } {
  const names = namesOf(of);
  return record(names, (name) => ({
    count: of.count,
    mean: of.sum[name].div(of.count),
    std: covarianceOf(of, name, name).sqrt(),
  }));
}

type Table<N extends string> = { readonly [A in N]: { readonly [B in N]: PublicVector } };

/** With n - 1 in the denominator. */
export function covariance<N extends string>(of: OpenedMoments<N>): Table<N> {
  const names = namesOf(of);
  return record(names, (a) => record(names, (b) => covarianceOf(of, a, b)));
}

/** Pearson's. */
export function correlation<N extends string>(of: OpenedMoments<N>): Table<N> {
  const names = namesOf(of);
  return record(names, (a) =>
    record(names, (b) => {
      const spread = centred(of, a, a)
        .sqrt()
        .mul(centred(of, b, b).sqrt());
      return centred(of, a, b).div(spread);
    }),
  );
}

export type TestResult = {
  readonly statistic: PublicVector;
  readonly degrees: PublicVector;
  /** Two-sided. */
  readonly p: PublicVector;
};

/** Welch's test of equal means, for unequal variances. */
export function tTest(a: Sample<OpenedVector>, b: Sample<OpenedVector>): TestResult {
  const of = ({ count, sum, squares }: Sample<OpenedVector>) => {
    const mean = sum.div(count);
    const variance = squares.sub(sum.mul(mean)).div(count.sub(1));
    return { mean, error: variance.div(count), count };
  };
  const [x, y] = [of(a), of(b)];
  const error = x.error.add(y.error);
  const statistic = x.mean.sub(y.mean).div(error.sqrt());
  const share = ({ error: own, count }: typeof x) => own.mul(own).div(count.sub(1));
  const degrees = error.mul(error).div(share(x).add(share(y)));
  return { statistic, degrees, p: statistic.studentTP(degrees) };
}

export type LinearModel<N extends string> = {
  readonly intercept: PublicVector;
  readonly coefficients: { readonly [A in N]: PublicVector };
  /** Share of the variance that the model explains. */
  readonly r2: PublicVector;
};

export type Inference<N extends string> = {
  readonly standardErrors: { readonly [A in N]: PublicVector };
  readonly p: { readonly [A in N]: PublicVector };
};

/** Ordinary least squares, with standard errors and p-values. */
export function linearRegression<N extends string, Y extends N, X extends Exclude<N, Y>>(
  of: OpenedMoments<N>,
  model: { readonly y: Y; readonly x: readonly X[] },
): LinearModel<X> & Inference<X> {
  const { fit, inverse, residual } = leastSquares(of, model, 0);
  const degrees = of.count.sub(model.x.length + 1);
  const variance = residual.div(degrees);
  const standardErrors = record(model.x, (_, i) => variance.mul((inverse[i] as PublicVector).at(i)).sqrt());
  const p = record(model.x, (name) => fit.coefficients[name].div(standardErrors[name]).studentTP(degrees));
  return { ...fit, standardErrors, p };
}

/** Least squares plus `penalty` times the sum of squared coefficients, the intercept aside; columns are not scaled. */
export function ridgeRegression<N extends string, Y extends N, X extends Exclude<N, Y>>(
  of: OpenedMoments<N>,
  model: { readonly y: Y; readonly x: readonly X[]; readonly penalty: number },
): LinearModel<X> {
  return leastSquares(of, model, model.penalty).fit;
}

function leastSquares<N extends string, X extends N>(
  of: OpenedMoments<N>,
  model: { readonly y: N; readonly x: readonly X[] },
  penalty: number,
) {
  return atOneLine(() => solved(of, model, penalty));
}

function solved<N extends string, X extends N>(
  of: OpenedMoments<N>,
  { y, x }: { readonly y: N; readonly x: readonly X[] },
  penalty: number,
) {
  if (x.length === 0 || (x as readonly N[]).includes(y))
    fail('PROGRAM_CONSTANT', 'a regression explains y by other columns');
  const { count } = of;
  // Row by row, as vectors: a plan has a step for each operation.
  const rowOf = (a: N): PublicVector => {
    const products = sideBySide(x.map((b) => productOf(of, a, b)));
    return products.sub(sums.mul(of.sum[a]).div(count));
  };
  const sums = sideBySide(x.map((a) => of.sum[a]));
  const right = rowOf(y);
  const zero = right.mul(0);
  const units = x.map((_, i) => sideBySide(x.map((_, j) => (i === j ? zero.at(0).add(1) : zero.at(0)))));
  const matrix = x.map((a, i) =>
    sideBySide([rowOf(a).add((units[i] as PublicVector).mul(penalty)), units[i] as PublicVector]),
  );
  const inverse = inverted(matrix);
  const slopeVector = sideBySide(inverse.map((row) => row.mul(right).sum()));
  const slopes = x.map((_, i) => slopeVector.at(i));
  const coefficients = record(x, (_, i) => slopes[i] as PublicVector);
  const explained = slopeVector.mul(right).sum();
  const all = centred(of, y, y);
  const mean = (name: N) => of.sum[name].div(of.count);
  const intercept = mean(y).sub(slopeVector.mul(sums).sum().div(count));
  // Σ (y - ŷ)² = Syy - 2 b·Sxy + b·S b, and S b = Sxy - penalty b.
  const shrunk = slopeVector.mul(slopeVector).sum().mul(penalty);
  const residual = all.sub(explained).sub(shrunk);
  const r2 = all.sub(residual).div(all);
  return { fit: { intercept, coefficients, r2 }, inverse, residual };
}

/**
 * Of a symmetric positive definite matrix, given as rows beside those of the unit matrix: by elimination, without pivoting,
 * which it does not need.
 */
function inverted(matrix: readonly PublicVector[]): PublicVector[] {
  const n = matrix.length;
  const rows = [...matrix];
  for (let pivot = 0; pivot < n; pivot++) {
    const own = rows[pivot] as PublicVector;
    const unit = own.div(own.at(pivot));
    for (const [i, row] of rows.entries()) rows[i] = i === pivot ? unit : row.sub(unit.mul(row.at(pivot)));
  }
  return rows.map((row) => row.slice(n));
}

/** Σ (a - ā)(b - b̄). */
function centred<N extends string>(of: OpenedMoments<N>, a: N, b: N): PublicVector {
  return productOf(of, a, b).sub(of.sum[a].mul(of.sum[b]).div(of.count));
}

function productOf<N extends string>(of: OpenedMoments<N>, a: N, b: N): OpenedVector {
  const product = of.product[a][b] ?? of.product[b][a];
  if (product === undefined) fail('PROGRAM_NAME', `moments() was not asked for the columns "${a}" and "${b}"`);
  return product;
}

function covarianceOf<N extends string>(of: OpenedMoments<N>, a: N, b: N): PublicVector {
  return centred(of, a, b).div(of.count.sub(1));
}

function namesOf<N extends string>(of: OpenedMoments<N>): N[] {
  return Object.keys(of.sum) as N[];
}

function record<N extends string, Out>(
  names: readonly N[],
  of: (name: N, index: number) => Out,
): { readonly [A in N]: Out } {
  return Object.fromEntries(names.map((name, i) => [name, of(name, i)])) as { readonly [A in N]: Out };
}
