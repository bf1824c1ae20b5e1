/**
 * Loops with a public number of steps. A step is traced as one graph and runs again and again, so that a thousand steps take
 * no more of the plan than one.
 * @module
 */
import { bitsOf, interval } from './arithmetic.ts';
import { SharedMatrix } from './matrix.ts';
import { rescaled } from './numeric.ts';
import { fail, ProgramError } from './program-error.ts';
import { SharedVector } from './shared.ts';
import { Step } from './step.ts';
import { type Bounds, describeOperand, MAX_NODES, type Ref, refOf, sameTrace } from './trace.ts';

/** Values that go from step to step: one, or several in a list or by name. */
export type State = SharedVector | SharedMatrix | readonly State[] | { readonly [name: string]: State };

export interface Stop<S> {
  /**
   * A single truth value of a state: where it holds, the state stays as it is through all further steps. These are computed
   * all the same, so that nobody learns when it came to hold.
   */
  readonly until?: (state: S) => SharedVector<'bool'>;
}

const MAX_CARRIED = 32;

interface Leaf {
  readonly ref: Ref;
  readonly name: string;
}

/**
 * Does a step so many times, each with what the one before gave, and returns what the last gives:
 *
 *     const { w } = repeat(100, { w: start }, ({ w }) => ({ w: w.sub(gradient(w).mul(0.1)) }));
 *
 * A step is told which it is (`Step`), and takes rates or parts of vectors by that.
 * Values keep their lengths and their scales, to which a step's results are rescaled. A step computes on shared values alone;
 * it may use values from around the loop, and what does not depend on the carried values is computed once. Ranges are those
 * of all steps together: what grows from step to step must stay within ±2^62 to the last, or be bounded (`clip`). While
 * ranges still grow, `step` is called again to find them, so it must give the same at every call.
 */
export function repeat<const S extends State>(
  times: number,
  start: S,
  step: (state: S, step: Step) => NoInfer<S>,
  { until }: Stop<NoInfer<S>> = {},
): S {
  if (!Number.isInteger(times) || times < 1 || times > MAX_NODES) {
    fail('PROGRAM_LOOP', `repeat() takes a whole number of steps from 1 to ${MAX_NODES}`);
  }
  const starts = leavesOf(start, start);
  const [first] = starts;
  if (first === undefined || starts.length > MAX_CARRIED) {
    fail('PROGRAM_LOOP', `1 to ${MAX_CARRIED} values go from step to step`, 'Put vectors together: concat(), matrix()');
  }
  for (const { ref } of starts) sameTrace(first.ref, ref);
  const { trace } = first.ref;
  let ranges: readonly Bounds[] = starts.map(({ ref }) => ref);
  let growing: readonly Leaf[] = [];
  for (let done = 1; ; done++) {
    const wider = (next: readonly Ref[]) => next.map((ref, place) => interval.hull(ranges[place] as Bounds, ref));
    const isWider = ({ lo, hi }: Bounds, place: number) => lo !== ranges[place]?.lo || hi !== ranges[place]?.hi;
    try {
      const { carried, next } = trace.inLoop(
        times,
        (loop) => {
          const number = new Step(trace, loop, times);
          return oneStep(starts, ranges, loop, (values) => {
            const state = withLeaves(start, values);
            const next = leavesOf(start, step(state, number));
            return { next, done: until === undefined ? undefined : truth(until(state)) };
          });
        },
        (out) => done === times || !wider(out.next).some(isWider),
      );
      const after = wider(next);
      growing = starts.filter((_, place) => isWider(after[place] as Bounds, place));
      if (done < times && growing.length > 0) {
        ranges = after;
        continue;
      }
      const results = next.map((ref, place) =>
        trace.emit('iterate/1', [...carried, ...next], ref.type, ref, { times, place }),
      );
      return withLeaves(start, results);
    } catch (error) {
      throw error instanceof ProgramError && growing.length > 0 ? ofGrowth(error, growing, done, times) : error;
    }
  }
}

/** The carried values of a step and what becomes of them, at the scales of the first. */
function oneStep(
  starts: readonly Leaf[],
  ranges: readonly Bounds[],
  loop: number,
  step: (values: readonly Ref[]) => { next: readonly Leaf[]; done: SharedVector<'bool'> | undefined },
): { carried: Ref[]; next: Ref[] } {
  const carried = starts.map(({ ref }, place) =>
    ref.trace.emit('carried/1', [ref], ref.type, ranges[place], { loop, place }),
  );
  const after = step(carried);
  const next = after.next.map(({ ref, name }, place) => {
    const own = carried[place] as Ref;
    sameTrace(own, ref);
    const [mine, its] = [own.type, ref.type];
    if (mine.kind !== 'shared' || its.kind !== 'shared') fail('PROGRAM_LOOP', `${name} is no shared value`);
    if (mine.dtype !== its.dtype) fail('PROGRAM_TYPE', `${name} begins as ${mine.dtype}, a step gives ${its.dtype}`);
    if (mine.length !== its.length || mine.stacked !== its.stacked) {
      fail('PROGRAM_LENGTH', `${name} begins with ${mine.length} entries, a step gives ${its.length}`);
    }
    const given = mine.dtype === 'bool' ? ref : rescaled(ref, bitsOf(own));
    return after.done === undefined ? given : kept(after.done, own, given);
  });
  return { carried, next };
}

function truth(value: unknown): SharedVector<'bool'> {
  const { type } = value instanceof SharedVector ? refOf(value) : {};
  if (type?.kind === 'shared' && type.dtype === 'bool' && type.length === 1) return value as SharedVector<'bool'>;
  fail(
    'PROGRAM_LOOP',
    `until gives ${describeOperand(value)}, not a single shared truth value`,
    'Write x.max().lt(0.01)',
  );
}

/** The value before where all is done, else that after. */
function kept(done: SharedVector<'bool'>, before: Ref, after: Ref): Ref {
  const { type } = before;
  if (type.kind === 'shared' && type.dtype === 'bool') {
    const [old, next] = [before, after].map((ref) => new SharedVector<'bool'>(ref)) as [
      SharedVector<'bool'>,
      SharedVector<'bool'>,
    ];
    return refOf(old.and(done).or(next.and(done.not())));
  }
  return refOf(done.select(new SharedVector(before), new SharedVector(after)));
}

/** A refusal that ranges which widen from step to step may have brought about. */
function ofGrowth(error: ProgramError, growing: readonly Leaf[], done: number, times: number): ProgramError {
  const [first] = growing as [Leaf];
  const names = growing.map(({ name }) => name).join(' and ');
  const message = error.message.replace(/^line \d+: /, '');
  return new ProgramError(
    error.code,
    `${message}, in step ${done} of ${times} of repeat(): the range of ${names} grows from step to step`,
    { line: error.line, fix: `Bound it in each step, for example ${first.name}.clip(-1000, 1000)` },
  );
}

/** The vectors in a state, in the order in which it begins, wherever `like` has one. */
function leavesOf(like: State, state: State): Leaf[] {
  const leaves: Leaf[] = [];
  mapState(like, state, (vector, name) => {
    leaves.push({ ref: refOf(vector), name: name === '' ? 'the value' : name });
    return vector;
  });
  return leaves;
}

function withLeaves<S extends State>(like: S, refs: readonly Ref[]): S {
  let place = 0;
  return mapState(like, like, () => new SharedVector(refs[place++] as Ref)) as S;
}

/** A state like `like`, of other vectors. */
function mapState(
  like: State,
  given: unknown,
  visit: (vector: SharedVector, name: string) => SharedVector,
  name = '',
): State {
  const refuse = (expected: string): never =>
    fail(
      'PROGRAM_LOOP',
      `a step of repeat() gives ${describeOperand(given)} for ${name || 'the value'}, not ${expected}`,
    );
  if (like instanceof SharedVector)
    return given instanceof SharedVector ? visit(given, name) : refuse('a shared value');
  if (like instanceof SharedMatrix) {
    if (!(given instanceof SharedMatrix) || given.rows !== like.rows || given.columns !== like.columns) {
      return refuse(`a matrix of ${like.rows} × ${like.columns}`);
    }
    return new SharedMatrix(visit(given.vector, name) as SharedVector<'int'>, like.rows);
  }
  if (Array.isArray(like)) {
    if (!Array.isArray(given) || given.length !== like.length) return refuse(`a list of ${like.length}`);
    return like.map((one, i) => mapState(one, given[i], visit, `${name}[${i}]`));
  }
  if (typeof like !== 'object' || like === null || typeof given !== 'object' || given === null) {
    return refuse('shared values, in a list or by name');
  }
  const names = Object.keys(like);
  if (names.length !== Object.keys(given).length) return refuse(`the values ${names.join(', ')}`);
  const part = (of: object, key: string) => (Object.hasOwn(of, key) ? (of as Record<string, State>)[key] : undefined);
  return Object.fromEntries(
    names.map((key) => [
      key,
      mapState(part(like, key) as State, part(given, key), visit, name === '' ? key : `${name}.${key}`),
    ]),
  );
}
