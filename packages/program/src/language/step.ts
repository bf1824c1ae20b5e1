/** What a step of a loop knows of itself: which it is. @module */
import { SharedMatrix } from './matrix.ts';
import { scale } from './number.ts';
import { sliced } from './numeric.ts';
import { fail } from './program-error.ts';
import { type Precision, SharedVector } from './shared.ts';
import { type Ref, refOf, type Trace } from './trace.ts';

type Ints = SharedVector<'int'>;

/** The number of a step, from 0. Everybody knows it, but one trace stands for all steps: so it is no JavaScript number. */
export class Step {
  readonly #trace: Trace;
  readonly #loop: number;
  readonly #times: number;

  constructor(trace: Trace, loop: number, times: number) {
    this.#trace = trace;
    this.#loop = loop;
    this.#times = times;
  }

  /**
   * A public number of each step, for sums and products with shared values, which cost no traffic:
   *
   *     repeat(100, w, (w, step) => w.sub(gradient(w).mul(step.map((i) => 0.5 / (1 + i)))));
   *
   * `of` gets 0, 1, … Whole numbers are exact; if one of them is none, all are rounded to `fractionBits`, 16 unless told.
   */
  map(of: (step: number) => number, { fractionBits = 16 }: Precision = {}): Ints {
    return new SharedVector(this.#number(of, fractionBits));
  }

  /** The first `size` entries of a vector, or rows of a matrix, in the first step, the next in the next, and from the front again. */
  batch<Of extends Ints | SharedMatrix>(of: Of, size: number): Of {
    const [vector, all] = of instanceof SharedMatrix ? [of.vector, of.rows] : [of, of.length];
    if (!Number.isInteger(size) || size < 1 || all % size !== 0) {
      fail('PROGRAM_LENGTH', `${all} cannot be taken ${String(size)} at a time`, `Take a size that divides ${all}`);
    }
    const words = (vector.length / all) * size;
    const offset = this.#number((step) => ((step * size) % all) * (words / size), 0);
    const part: Ints = new SharedVector(sliced(refOf(vector), 0, words, offset));
    return (of instanceof SharedMatrix ? new SharedMatrix(part, size) : part) as Of;
  }

  [Symbol.toPrimitive](): never {
    fail(
      'PROGRAM_OPERATOR',
      'the number of a step is another in each step, and no JavaScript number',
      'Write step.map((i) => 1 / (1 + i))',
    );
  }

  #number(of: (step: number) => number, most: number): Ref {
    const numbers = Array.from({ length: this.#times }, (_, step) => of(step));
    const fractionBits = numbers.every(Number.isInteger) ? 0 : most;
    const values = numbers.map((value) => scale(value, fractionBits));
    return this.#trace.numberOfStep(this.#loop, values, fractionBits);
  }
}
