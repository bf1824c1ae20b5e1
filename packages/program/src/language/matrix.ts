/** Secret matrices, row by row in a shared vector. @module */
import { bitsOf } from './arithmetic.ts';
import { combined, concatenated, dots, lengthOf, matrixProduct, rescaled, transposed } from './numeric.ts';
import { fail } from './program-error.ts';
import { SharedVector } from './shared.ts';
import { describeOperand, type Ref, refOf, sameTrace } from './trace.ts';

type Ints = SharedVector<'int'>;

/** A secret matrix of public shape. Element by element, compute on `.vector` and give the result its shape again. */
export class SharedMatrix {
  /** Row by row. */
  readonly vector: Ints;
  readonly rows: number;
  readonly columns: number;

  constructor(vector: Ints, rows: number) {
    const ref = intRef(vector);
    if (!Number.isInteger(rows) || rows < 1 || lengthOf(ref) % rows !== 0) {
      fail('PROGRAM_LENGTH', `${lengthOf(ref)} entries make no matrix of ${rows} rows`);
    }
    this.vector = vector;
    this.rows = rows;
    this.columns = lengthOf(ref) / rows;
  }

  /** Row `i`, from 0. */
  row(i: number): Ints {
    return this.vector.slice(i * this.columns, (i + 1) * this.columns);
  }
  at(i: number, j: number): Ints {
    if (j < 0 || j >= this.columns) fail('PROGRAM_LENGTH', `a matrix of ${this.columns} columns has no column ${j}`);
    return this.vector.at(i * this.columns + j);
  }
  transpose(): SharedMatrix {
    return new SharedMatrix(new SharedVector(transposed(intRef(this.vector), this.rows)), this.columns);
  }
  /** Without rounding: fraction bits add up. One word of traffic for each element of the product, in one round. */
  matmul(other: SharedMatrix): SharedMatrix {
    if (this.columns !== other.rows) {
      fail('PROGRAM_LENGTH', `${this.columns} columns do not go with ${other.rows} rows`);
    }
    const [x, y] = [intRef(this.vector), intRef(other.vector)];
    sameTrace(x, y);
    return new SharedMatrix(new SharedVector(matrixProduct(x, y, this.columns)), this.rows);
  }
  rescale(fractionBits: number): SharedMatrix {
    return new SharedMatrix(this.vector.rescale(fractionBits), this.rows);
  }
}

/** A matrix of these rows, at the finest of their scales. */
export function matrix(rows: readonly Ints[]): SharedMatrix {
  return new SharedMatrix(new SharedVector(concatenated(alike(rows))), rows.length);
}

/** Vectors one after another, at the finest of their scales. */
export function concat(...parts: readonly Ints[]): Ints {
  return new SharedVector(concatenated(alike(parts, false)));
}

/** Σ w[j] x[j][i] for each i: what a linear model says of every row, given a column for each of its weights. */
export function combine(weights: Ints, columns: readonly Ints[]): Ints {
  const w = intRef(weights);
  const xs = alike(columns);
  sameTrace(w, xs[0] as Ref);
  if (lengthOf(w) !== xs.length) fail('PROGRAM_LENGTH', `${lengthOf(w)} weights for ${xs.length} columns`);
  return new SharedVector(combined(w, xs));
}

/** Σ x[i] y[i] for each y, in one round. */
export function dotEach(x: Ints, ys: readonly Ints[]): Ints {
  const columns = alike([...ys]);
  const ref = intRef(x);
  sameTrace(ref, columns[0] as Ref);
  if (lengthOf(ref) !== lengthOf(columns[0] as Ref)) fail('PROGRAM_LENGTH', 'the vectors have different lengths');
  return new SharedVector(dots(ref, columns));
}

function alike(vectors: readonly Ints[], oneLength = true): Ref[] {
  if (vectors.length === 0 || vectors.length > 255) fail('PROGRAM_LENGTH', 'expected 1 to 255 vectors');
  const refs = vectors.map(intRef);
  const [first] = refs as [Ref];
  for (const ref of refs) {
    sameTrace(first, ref);
    if (oneLength && lengthOf(ref) !== lengthOf(first)) fail('PROGRAM_LENGTH', 'the vectors have different lengths');
  }
  const bits = Math.max(...refs.map(bitsOf));
  return refs.map((ref) => rescaled(ref, bits));
}

function intRef(vector: Ints): Ref {
  if (!(vector instanceof SharedVector))
    fail('PROGRAM_PLACEMENT', `expected a shared value, got ${describeOperand(vector)}`);
  const ref = refOf(vector);
  const { type } = ref;
  if (type.kind !== 'shared' || type.dtype !== 'int')
    fail('PROGRAM_TYPE', `expected numbers, got ${describeOperand(vector)}`);
  if (type.stacked !== undefined) fail('PROGRAM_STACKED', 'this does not apply to stacked values', 'Use .unstack()');
  return ref;
}
