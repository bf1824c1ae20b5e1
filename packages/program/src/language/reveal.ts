/**
 * The one exit. `minGroupSize` puts a suppression before the opening whose supports are, for every local aggregate that
 * the value depends on, the counts of exactly its table: the rows (count/1); for a column that may lack values also the
 * values present (count/1 of the column); for values by slot also each slot's own count, without nulls for sums; and for
 * every join or union the number of its rows, and of those that a sum chooses among them, for quantiles as many as leave
 * that many on each side, for groups each one's own. `epsilon` adds noise before the opening instead, as much as one row
 * needs to be hidden in it (`sensitivity.ts`).
 * @module
 */
import { bitsOf } from './arithmetic.ts';
import { chosenRows, summedRows } from './choice.ts';
import { restsOf } from './differences.ts';
import { groupCount } from './groups.ts';
import { maxRows } from './local.ts';
import { checkName } from './name.ts';
import { fail } from './program-error.ts';
import { OpenedVector } from './public.ts';
import { validOf } from './rows.ts';
import { sensitivityOf } from './sensitivity.ts';
import { SharedVector } from './shared.ts';
import { type Bounds, describeOperand, type Ref, refOf, type Shape, Value } from './trace.ts';
import { mapTree, type Tree } from './tree.ts';

export interface RevealOptions {
  /** Name of the recipient; the task says whose keys stand behind it. */
  readonly to: string;
  /** Entries that rest on fewer rows are withheld, before anything is opened. Without it most policies refuse. */
  readonly minGroupSize?: number;
  /**
   * Differential privacy: discrete Laplace noise is added to every entry, in secret, such that one row more or less makes
   * no outcome likelier by more than e^epsilon. Each value pays its own epsilon out of each holder's budget. Above 0, at
   * most 20, in millionths. In place of minGroupSize.
   */
  readonly epsilon?: number;
  /** For a single value: the reveal's name (`value` unless told). Values by name are revealed under their names. */
  readonly name?: string;
}

export type Opened<T> = T extends SharedVector ? OpenedVector : { readonly [N in keyof T]: Opened<T[N]> };

export function reveal<T extends Tree<SharedVector>>(values: T, options: RevealOptions): Opened<T> {
  const { to, minGroupSize, epsilon, name = 'value' } = options;
  checkName(to, 'recipient');
  if (minGroupSize !== undefined && (!Number.isInteger(minGroupSize) || minGroupSize < 2 || minGroupSize > 1_000_000)) {
    fail('PROGRAM_CONSTANT', 'minGroupSize must be a whole number from 2 to 1,000,000');
  }
  if (epsilon !== undefined && minGroupSize !== undefined) {
    fail(
      'PROGRAM_PRIVACY',
      'epsilon and minGroupSize exclude each other: what is withheld tells the exact number',
      'Leave minGroupSize out: the noise protects by itself',
    );
  }
  const micros = epsilon === undefined ? undefined : microsOf(epsilon);
  return mapTree(
    values,
    (value) => value instanceof Value,
    (leaf, path) => {
      if (!(leaf instanceof SharedVector)) {
        const fix = leaf instanceof Value ? 'Only shared values are revealed: each(…).total()' : undefined;
        fail('PROGRAM_PLACEMENT', `expected a shared value, got ${describeOperand(leaf)}`, fix);
      }
      return open(refOf(leaf), path.length === 0 ? name : path.join('_'), to, minGroupSize, micros);
    },
  ) as Opened<T>;
}

function microsOf(epsilon: number): number {
  const micros = Math.round(epsilon * 1_000_000);
  if (!(micros >= 1 && micros <= 20_000_000) || Math.abs(micros - epsilon * 1_000_000) > 1e-6) {
    fail('PROGRAM_PRIVACY', 'epsilon must be above 0, at most 20, and a multiple of 0.000001', 'Write 0.5 or 1');
  }
  return micros;
}

function open(
  ref: Ref,
  name: string,
  to: string,
  min: number | undefined,
  epsilonMicros: number | undefined,
): OpenedVector {
  const { trace } = ref;
  checkName(name, 'reveal');
  if (trace.revealed.has(name)) {
    fail('PROGRAM_NAME', `something is revealed as "${name}" already`, 'Give this one another name');
  }
  trace.revealed.add(name);
  if (!trace.recipients.includes(to)) trace.recipients.push(to);
  const secret =
    min !== undefined ? suppressed(ref, min) : epsilonMicros !== undefined ? noisy(ref, epsilonMicros) : ref;
  if (secret.type.kind !== 'shared') fail('PROGRAM_PLACEMENT', 'expected a shared value');
  const { length, stacked, fractionBits } = secret.type;
  const shape: Shape = { kind: 'opened', length, ...(stacked === undefined ? {} : { stacked }), to, fractionBits };
  return new OpenedVector(trace.emit('reveal/1', [secret], shape, secret, { name, to }));
}

function noisy(ref: Ref, epsilonMicros: number): Ref {
  const { type } = ref;
  if (type.kind !== 'shared' || type.dtype !== 'int') {
    fail('PROGRAM_PRIVACY', 'epsilon applies to numbers', 'Reveal counts and sums: count(), sum()');
  }
  const sensitivity = sensitivityOf(ref);
  // The range of the noise, as core's noiseDigits has it.
  let digits = 1n;
  while (BigInt(epsilonMicros) << digits < 64_000_000n * sensitivity) digits++;
  const most = (1n << digits) - 1n;
  const bounds: Bounds = { lo: ref.lo - most, hi: ref.hi + most };
  return ref.trace.emit('noise/1', [ref], type, bounds, { epsilonMicros, sensitivity: String(sensitivity) });
}

function suppressed(ref: Ref, min: number): Ref {
  const stacked = ref.type.kind === 'shared' ? ref.type.stacked : undefined;
  const { sources, sums } = aggregatesUnder(ref);
  const all = sources.flatMap((source) => supportsOf(source, stacked));
  const chosen = chosenRows(ref.trace, sums);
  const shown = [
    ...sources.flatMap((source) => shownBy(source, supportsOf(source, stacked))),
    ...summedRows(ref.trace, sums),
  ];
  const supports = [...new Set([...all, ...chosen, ...restsOf(ref.trace, shown, min)])];
  const least = Math.max(...sources.map((source) => min * rowsForOne(source)));
  if (least > 1_000_000)
    fail('PROGRAM_SUPPORT', `the quantile would need ${least} rows`, 'Reveal one nearer the middle');
  const length = lengthOf(ref);
  for (const support of supports) {
    if (lengthOf(support) !== length && lengthOf(support) !== 1) {
      fail(
        'PROGRAM_SUPPORT',
        'minGroupSize cannot be enforced on a value that mixes the slots of a histogram or group',
        'Reveal the slots themselves and combine what is opened',
      );
    }
  }
  if (supports.length > 63) fail('PROGRAM_SUPPORT', 'the value rests on more than 63 counts', 'Reveal it in parts');
  return ref.trace.emit('suppress/1', [ref, ...supports], ref.type, ref, { min: Math.ceil(least) });
}

/** The counts of what a source shows: of a table, or slot by slot. Of shared rows sums show something. */
function shownBy(source: Ref, supports: readonly Ref[]): Ref[] {
  const { op = '' } = source.trace.nodes[source.index] ?? {};
  if (op === 'matched/1' || op === 'joined-column/1') return [];
  const slots = supports.filter((support) => lengthOf(support) > 1 && lengthOf(source) > 1);
  return slots.length > 0 ? slots.slice(-1) : supports.slice(0, 1);
}

/**
 * For how many rows there is one in the least part into which quantiles cut them; 1 for what is none, and for the least
 * and the greatest row, which are single rows anyway.
 */
function rowsForOne({ trace, index }: Ref): number {
  const { numerators = [], denominator = 1 } = trace.nodes[index]?.attrs ?? {};
  const parts = [...numerators, denominator].map((end, i) => end - (numerators[i - 1] ?? 0));
  const least = Math.min(...parts);
  return least > 0 ? denominator / least : 1;
}

function lengthOf(ref: Ref): number {
  return 'length' in ref.type ? ref.type.length : 1;
}

const GROUPS: readonly string[] = ['group-key/1', 'group-count/1', 'group-sum/1'];
/** Sources that take shared values besides. */
const ALSO: ReadonlySet<string> = new Set(['quantile/1', 'rank/1', ...GROUPS]);
const SOURCES: ReadonlySet<string> = new Set(['total/1', 'stack/1', 'matched/1', 'joined-column/1', ...ALSO]);

/** Where the shared values come from on which a value depends, and sums among these values, in order. */
function aggregatesUnder(ref: Ref): { sources: Ref[]; sums: number[] } {
  const sources: Ref[] = [];
  const sums: number[] = [];
  ref.trace.walkShared([ref.index], (one) => {
    const { op } = one;
    if (SOURCES.has(op)) sources.push(one);
    else if (op === 'sum/1' || op === 'dot/1') sums.push(one.index);
    return true;
  });
  return { sources: sources.sort((a, b) => a.index - b.index), sums: sums.sort((a, b) => a - b) };
}

/** `stacked`: whether the value itself is; what was taken out of a stack rests on the rows of all its members. */
function supportsOf(shared: Ref, stacked: string | undefined): Ref[] {
  const { trace } = shared;
  const argsOf = (ref: Ref) => (trace.nodes[ref.index]?.args ?? []).map((index) => trace.ref(index));
  const [aggregate] = argsOf(shared);
  if (aggregate === undefined || shared.type.kind !== 'shared') return [];
  if (aggregate.type.kind === 'joined') {
    const rows = refOf(validOf(aggregate).sum());
    const [, by] = argsOf(shared);
    const groups = GROUPS.includes(trace.nodes[shared.index]?.op ?? '') && by !== undefined;
    return groups ? [rows, groupCount(aggregate, by, lengthOf(shared))] : [rows];
  }
  const op = trace.nodes[aggregate.index]?.op;
  const args = argsOf(aggregate);
  const [first] = args;
  if (first === undefined) return [];
  if (shared.type.stacked !== stacked && op !== 'rows/1' && lengthOf(aggregate) > 1) {
    const fix = 'Take .total() of what each holder counts, or reveal the stack itself';
    fail('PROGRAM_SUPPORT', 'minGroupSize cannot be enforced on slots that were taken out of a stack', fix);
  }
  const table = first.type.kind === 'column' ? trace.ref(first.type.of) : first;
  const count = (of: Ref) => share(shared, localCount(aggregate, 'count/1', of, 1), stacked);
  const supports = [count(table)];
  if ((op === 'count/1' || op === 'sum/1') && first.type.kind === 'column' && first.type.nullable) {
    supports.push(count(first));
  }
  if (op === 'histogram/1' || op === 'count-by/1') supports.push(shared);
  if (op === 'sum-by/1') {
    const [column, by] = args as [Ref, Ref];
    const slots = lengthOf(aggregate);
    supports.push(share(shared, localCount(aggregate, 'count-by/1', by, slots), stacked));
    // The slots' non-null counts are the counts by category of the rows that have a value.
    if (column.type.kind === 'column' && column.type.nullable && by.type.kind === 'column') {
      const bit: Shape = { ...column.type, dtype: 'bool', nullable: false, fractionBits: 0 };
      const missing = trace.emit('is-null/1', [column], bit, { lo: 0n, hi: 1n });
      const present = trace.emit('not/1', [missing], bit, { lo: 0n, hi: 1n });
      const rows = trace.emit('where/1', [table, present], table.type);
      const name = trace.nodes[by.index]?.attrs.name ?? '';
      const category = trace.emit('column/1', [rows], { ...by.type, of: rows.index } as Shape, by, { name });
      supports.push(share(shared, localCount(aggregate, 'count-by/1', category, slots), stacked));
    }
  }
  return supports;
}

function localCount(like: Ref, op: 'count/1' | 'count-by/1', of: Ref, length: number): Ref {
  const role = like.type.kind === 'local' ? like.type.role : '';
  const shape: Shape = { kind: 'local', role, length, fractionBits: 0 };
  return like.trace.emit(op, [of], shape, { lo: 0n, hi: BigInt(maxRows(of)) });
}

/** Into shares in the way in which `like` was: totalled or stacked. */
function share(like: Ref, local: Ref, stacked: string | undefined): Ref {
  const { trace } = like;
  const length = lengthOf(local);
  if (stacked !== undefined) {
    const shape: Shape = { kind: 'shared', length, stacked, dtype: 'int', fractionBits: bitsOf(local) };
    return trace.emit('stack/1', [local], shape, local);
  }
  const members = BigInt((local.type.kind === 'local' ? trace.roles[local.type.role]?.max : undefined) ?? 1);
  const bounds: Bounds = { lo: local.lo * members, hi: local.hi * members };
  const shape: Shape = { kind: 'shared', length, dtype: 'int', fractionBits: bitsOf(local) };
  return trace.emit('total/1', [local], shape, bounds);
}
