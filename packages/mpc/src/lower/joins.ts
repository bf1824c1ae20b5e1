/** Lowers joins: which gates match rows, and where the columns that were brought are. @module */
import { type CircuitMatch, keyedColumns, type Operation, type Plan } from '@2pm/core';
import { type CircuitBuilder, type Joining, joinedRows } from '../circuit.ts';
import { mergeJoin } from '../order/merge-join.ts';

/** Slots that hold a row or none. */
export interface Rows {
  /** Slot by slot, 1 where it holds a row: words or bits. */
  valid: number;
  /** As it was brought: what it holds where there is no row may not be shown. undefined: nobody brought it. */
  column(role?: string, name?: string): number | undefined;
}

/**
 * Of a tagged join over its relations' gates; undefined where their keys cannot be compared. `shuffled`: whether an order of
 * slots that nobody knows is asked of a back-end that can also do without.
 */
export function joinGates(
  b: CircuitBuilder,
  plan: Plan,
  node: number,
  relations: readonly number[],
  { matcher, shuffled }: { matcher: number | undefined; shuffled: boolean },
): Rows | undefined {
  const sides = (plan.nodes[node]?.args ?? []).map((arg) => {
    const type = plan.nodes[arg]?.type;
    return { ...keyedColumns(plan, arg), role: type?.kind === 'keyed' ? type.role : '' };
  });
  const [first] = sides;
  if (first === undefined || first.passes === 0 || sides.some(({ passes }) => passes !== first.passes))
    return undefined;
  const join: Joining = {
    relations: sides.map(({ capacity, columns }) => ({ rows: capacity, columns: columns.length })),
    passes: first.passes,
    matcher,
  };
  const names = sides.flatMap(({ role, columns }) => columns.map((name) => `${role} ${name}`));
  if (b.arranging === 'networks') {
    const { valid, columns } = mergeJoin(b, join, relations, { shuffled });
    return rowsOf(valid, new Map(names.map((name, place) => [name, columns[place] as number])));
  }
  const slots = joinedRows(join);
  const length = slots * (1 + names.length);
  const block = b.add({ op: 'join', args: relations, form: 'words', length, join });
  const columns = names.map((name, place) => [name, b.slice(block, (1 + place) * slots, slots)] as const);
  return rowsOf(b.slice(block, 0, slots), new Map(columns));
}

/** What stands for all slots alike, whatever their order. */
const WHOLE: ReadonlySet<Operation> = new Set([
  'sum/1',
  'dot/1',
  'quantile/1',
  'group-key/1',
  'group-count/1',
  'group-sum/1',
]);

/** Whether a slot of the join may be seen in what is opened: a path from it to a reveal meets nothing that takes all of them. */
export function showsSlots({ nodes }: Plan, join: number): boolean {
  const seen = new Set([join]);
  for (const [index, { op, args }] of nodes.entries()) {
    if (index <= join || WHOLE.has(op) || !args.some((arg) => seen.has(arg))) continue;
    if (op === 'reveal/1') return true;
    seen.add(index);
  }
  return false;
}

/** Of rows that are matched by the bins of a leader, over what its sides share. */
export function circuitGates(b: CircuitBuilder, match: CircuitMatch, inputs: readonly number[]): Rows {
  const { sides, bins, atLeast } = match;
  const [leads = -1, ...others] = inputs;
  const [leader, ...members] = sides;
  const columns = new Map<string, number>();
  const bits: number[] = [];
  let at = 0;
  const next = () => b.slice(leads, bins * at++, bins);
  for (const [m, { role, columns: names }] of members.entries()) {
    const sums = ['', ...names].map((_, word) =>
      b.words('add', bins, [next(), b.slice(others[m] ?? -1, bins * word, bins)]),
    );
    bits.push(b.bits('zero', bins, [sums[0] ?? -1]));
    for (const [c, name] of names.entries()) columns.set(`${role} ${name}`, sums[1 + c] ?? -1);
  }
  for (const name of leader?.columns ?? []) columns.set(`${leader?.role} ${name}`, next());
  return rowsOf(atLeastOf(b, bits, atLeast - 1, bins), columns);
}

function rowsOf(valid: number, columns: ReadonlyMap<string, number>): Rows {
  return { valid, column: (role, name) => columns.get(`${role} ${name}`) };
}

/**
 * Where at least `least` of the bits are 1, 1 ≤ least ≤ bits. Of the first j bits let t_i say that i of them are 1 at least:
 * then with bit j + 1 it becomes t_i ⊕ bit ∧ (t_(i-1) ⊕ t_i), for t_i implies t_(i-1). Only those that the end rests on.
 */
function atLeastOf(b: CircuitBuilder, bits: readonly number[], least: number, length: number): number {
  let found: (number | undefined)[] = [];
  for (const [j, bit] of bits.entries()) {
    const before = found;
    found = [];
    for (let i = Math.max(1, least - (bits.length - 1 - j)); i <= Math.min(least, j + 1); i++) {
      const [fewer, same] = [before[i - 1], before[i]];
      // t_0 is 1; t_i of fewer than i bits is 0.
      const step = i > 1 ? fewer : undefined;
      if (same === undefined) found[i] = step === undefined ? bit : b.bits('and', length, [bit, step]);
      else {
        const open = step === undefined ? b.bits('not', length, [same]) : b.bits('xor', length, [step, same]);
        found[i] = b.bits('xor', length, [same, b.bits('and', length, [bit, open])]);
      }
    }
  }
  return found[least] ?? -1;
}
