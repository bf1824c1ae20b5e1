/**
 * Whether every number that a reveal opens rests on enough rows. A value of a holder reaches a reveal on one or more
 * paths of the plan; on each there must be a `suppress/1` whose supports include the row counts behind that value:
 *
 *   count of a table                 the count of that table
 *   count or sum of a column         the count of its table, and where the column may lack values the count of the column
 *   histogram, count by category     its own slots
 *   sum by category                  the count by that category of the same table; where the summed column may lack values,
 *                                    of the rows that have one
 *
 * Exactly that table: the count of another filter protects nothing. A support must itself be such a count, because a
 * withheld entry tells whether its support was large enough. Counts by slot do not protect a sum over the slots.
 *
 * What comes out of a join or a union is protected by the number of exactly its rows, once it is summed; the conditions that
 * its rows were chosen by are judged with it, as they stand under the same sum. A quantile is the value of a row: it needs
 * so many rows that enough lie below, above and between the quantiles that are taken together. Groups of rows are protected
 * slot by slot by the number of rows in each, and the values that they were made from by the number of all rows.
 * Where truth values choose among rows without `keep/1`, exactly the chosen ones must be counted (`choice.ts`).
 * What two reveals tell together, each of them large enough, stands in `differences.ts`.
 * @module
 */
import type { PlanNode } from '@2pm/core';
import type { Lineage } from '../lineage.ts';
import { choiceOf, takenBy } from './choice.ts';
import { countName, groupsCounted, groupsName, matchesCounted, touches, touchesJoin } from './counts.ts';
import { isRest } from './differences.ts';

export interface Unprotected {
  reason: 'unprotected' | 'support' | 'unknown';
  what: string;
}

/**
 * Guards on all paths from the reveal down to one node: canonical names of counts with what they reach at least, those by
 * slot, whether each path sums, and whether one bends what it takes of each row.
 */
type Guards = { scalar: Map<string, number>; slots: Set<string>; summed: boolean; bent: boolean };

/** What can be 0 but for the row that is first, or nearly so: of the place of a row it makes that row's share of a sum. */
const BENDS: ReadonlySet<string> = new Set([
  ...['minimum/1', 'maximum/1', 'abs/1', 'reciprocal/1', 'div/1', 'sqrt/1', 'exp/1', 'log/1', 'sigmoid/1'],
]);

/** Element i of the result depends on element i of each argument that has its length. All others may move elements. */
const SLOT_BY_SLOT: ReadonlySet<string> = new Set([
  ...['add/1', 'sub/1', 'mul/1', 'neg/1', 'lt/1', 'le/1', 'gt/1', 'ge/1', 'eq/1', 'ne/1', 'and/1', 'or/1', 'not/1'],
  ...['select/1', 'rescale/1', 'minimum/1', 'maximum/1', 'abs/1', 'as-int/1'],
  ...['reciprocal/1', 'div/1', 'sqrt/1', 'exp/1', 'log/1', 'sigmoid/1', 'combine/1'],
]);

/** Problems of one reveal with regard to the values of `roles`; none means that it is protected. */
export function unprotected(
  lineage: Lineage,
  reveal: number,
  roles: readonly string[],
  minGroupSize: number,
): Unprotected[] {
  const problems: Unprotected[] = [];
  const guards = new Map<number, Guards>();
  const [opened] = lineage.node(reveal).args;
  if (opened === undefined) return [{ reason: 'unknown', what: 'reveal/1' }];
  guards.set(opened, { scalar: new Map(), slots: new Set(), summed: false, bent: false });
  // Arguments come before their uses, so a descending walk has met every path to a node when it reaches it.
  for (let index = opened; index >= 0; index--) {
    const have = guards.get(index);
    if (have === undefined) continue;
    const node = lineage.node(index);
    if (node.op === 'total/1' || node.op === 'stack/1') {
      const problem = judgeInput(lineage, node, roles, have);
      if (problem !== undefined) problems.push(problem);
      continue;
    }
    if (node.op === 'matched/1' || node.op === 'joined-column/1') {
      const { join, conditions } = lineage.join(node.args[0] as number);
      const fine = have.summed && have.scalar.has(`matches ${lineage.key(node.args[0] as number)}`);
      if (touchesJoin(lineage, join, roles) && !fine) {
        problems.push({ reason: 'unprotected', what: 'number or sum over matches' });
      }
      for (const condition of conditions) meet(guards, condition, have);
      continue;
    }
    if (node.op === 'quantile/1' || node.op === 'rank/1') {
      const [rows = -1, ...keys] = node.args;
      const { join, conditions } = lineage.join(rows);
      const needed = node.op === 'rank/1' ? 1 : rowsForOne(lineage, index);
      const rest = have.scalar.get(`matches ${lineage.key(rows)}`) ?? 0;
      const picks = node.op === 'rank/1' && have.bent;
      const enough = needed !== undefined && rest >= minGroupSize * needed;
      const fine = enough && !picks && (have.summed || node.op === 'quantile/1');
      if (touchesJoin(lineage, join, roles) && !fine) problems.push({ reason: 'unprotected', what: WHAT[node.op] });
      // It is over all slots of its keys, as a sum is.
      for (const key of [...keys, ...conditions])
        meet(guards, key, { ...have, slots: new Set(), summed: true, bent: false });
      continue;
    }
    if (GROUPED.has(node.op)) {
      const [rows = -1, ...keys] = node.args;
      const { join, conditions } = lineage.join(rows);
      // A sum over a group takes no fewer rows than the group counts.
      const taken = node.op === 'group-sum/1' ? takenBy(lineage, [keys[1] as number]) : undefined;
      const fine = have.slots.has(groupsName(lineage, node)) && (taken?.has(rows) ?? true);
      if (touchesJoin(lineage, join, roles) && !fine) problems.push({ reason: 'unprotected', what: 'group of rows' });
      for (const key of [...keys, ...conditions])
        meet(guards, key, { ...have, slots: new Set(), summed: true, bent: false });
      continue;
    }
    if (node.type.kind === 'constant') continue;
    if (node.type.kind !== 'shared') {
      problems.push({ reason: 'unknown', what: node.op });
      continue;
    }
    if (node.op === 'suppress/1') {
      const [value, ...supports] = node.args;
      const scalar = new Map(have.scalar);
      const { min = 0 } = node.attrs;
      const add = (name: string) => scalar.set(name, Math.max(min, scalar.get(name) ?? 0));
      const slots = new Set(have.slots);
      for (const support of supports) {
        if (isRest(lineage, support, roles)) continue;
        const matches = matchesCounted(lineage, support, roles);
        if (matches !== undefined) {
          if (min >= minGroupSize) for (const name of matches) add(name);
          continue;
        }
        const count = countName(lineage, support) ?? groupsCounted(lineage, support, roles);
        if (count === undefined) {
          if (touches(lineage, support, roles)) problems.push({ reason: 'support', what: node.op });
        } else if (min >= minGroupSize) {
          if (count.scalar) add(count.name);
          else if (lengthOf(lineage.node(support)) === lengthOf(node)) slots.add(count.name);
        }
      }
      if (value !== undefined) meet(guards, value, { ...have, scalar, slots });
      continue;
    }
    const sums = node.op === 'sum/1' || node.op === 'dot/1';
    const choice = sums ? choiceOf(lineage, index) : undefined;
    if (choice !== undefined && touchesJoin(lineage, choice.rows, roles)) {
      const counted = [...have.scalar.keys()].flatMap((name) => rowsNamed(name) ?? []);
      if (!counted.some((joined) => choice.has(joined))) {
        problems.push({ reason: 'unprotected', what: 'number or sum over a choice of rows' });
      }
    }
    const aligned = SLOT_BY_SLOT.has(node.op);
    const slots = aligned ? have.slots : new Set<string>();
    for (const [place, arg] of node.args.entries()) {
      // What takes part of a vector may take a single match, and a sum over that is no sum over all.
      const weights = node.op === 'combine/1' && place === 0;
      const whole = aligned && !weights && lengthOf(lineage.node(arg)) === lengthOf(node);
      meet(guards, arg, {
        // A truth value chooses rows, which are counted.
        bent: !isBit(node) && (have.bent || BENDS.has(node.op)),
        scalar: have.scalar,
        slots: whole ? slots : new Set(),
        summed: sums || (have.summed && whole),
      });
    }
  }
  return problems;
}

/** What protects a node is what stands on all of its paths. */
function meet(guards: Map<number, Guards>, index: number, next: Guards): void {
  const known = guards.get(index);
  const both = (a: Set<string>, b: Set<string>) => new Set([...a].filter((name) => b.has(name)));
  const lesser = (a: Map<string, number>, b: Map<string, number>) =>
    new Map([...a].flatMap(([name, min]) => (b.has(name) ? [[name, Math.min(min, b.get(name) ?? 0)] as const] : [])));
  guards.set(
    index,
    known === undefined
      ? next
      : {
          scalar: lesser(known.scalar, next.scalar),
          slots: both(known.slots, next.slots),
          summed: known.summed && next.summed,
          bent: known.bent || next.bent,
        },
  );
}

function judgeInput(
  lineage: Lineage,
  input: PlanNode,
  roles: readonly string[],
  have: Guards,
): Unprotected | undefined {
  const local = input.args[0] as number;
  const node = lineage.node(local);
  if (node.type.kind !== 'local') return { reason: 'unknown', what: input.op };
  if (!roles.includes(node.type.role)) return undefined;
  const fine = (() => {
    const placed = (name: string) => `${input.op} ${name}`;
    const [first, second] = node.args as [number, number | undefined];
    const table = lineage.table(local);
    const rows = have.scalar.has(placed(`rows ${lineage.key(table)}`));
    switch (node.op) {
      case 'count/1':
      case 'sum/1': {
        if (lineage.node(first).type.kind === 'table' || !lineage.nullable(first)) return rows;
        return have.scalar.has(placed(`values ${lineage.key(first)}`));
      }
      case 'histogram/1':
      case 'count-by/1':
        return have.slots.has(placed(`slots ${lineage.key(local)}`));
      case 'sum-by/1': {
        if (second === undefined) return false;
        const value = lineage.nullable(first) ? first : undefined;
        const counts = [...have.slots].map((name) => bySlot(name, input.op)).filter((key) => key !== undefined);
        return counts.some((key) => countsBy(lineage, key, second, value));
      }
      // Single rows have no group; they need a permit of their own.
      case 'rows/1':
        return false;
      default:
        return false;
    }
  })();
  return fine ? undefined : { reason: 'unprotected', what: node.op };
}

/** The joined node whose rows a guard counts. */
function rowsNamed(name: string): number | undefined {
  return name.startsWith('matches ') ? Number(name.slice('matches '.length)) : undefined;
}

/** The count-by node that a guard by slot names. */
function bySlot(name: string, placement: string): number | undefined {
  const prefix = `${placement} slots `;
  return name.startsWith(prefix) ? Number(name.slice(prefix.length)) : undefined;
}

/** Whether `count` counts by the category `by` the rows of its table; with `value`, those where that column has one. */
function countsBy(lineage: Lineage, count: number, by: number, value: number | undefined): boolean {
  const node = lineage.node(count);
  const [counted] = node.args;
  if (node.op !== 'count-by/1' || counted === undefined) return false;
  if (value === undefined) return lineage.same(counted, by);
  const [column, category] = [lineage.node(counted), lineage.node(by)];
  if (column.op !== 'column/1' || category.op !== 'column/1' || column.attrs.name !== category.attrs.name) return false;
  const filtered = lineage.node(column.args[0] as number);
  const [table, condition] = filtered.args;
  if (filtered.op !== 'where/1' || table === undefined || condition === undefined) return false;
  if (!lineage.same(table, category.args[0] as number)) return false;
  const not = lineage.node(condition);
  const missing = not.op === 'not/1' ? lineage.node(not.args[0] as number) : undefined;
  return missing?.op === 'is-null/1' && lineage.same(missing.args[0] as number, value);
}

/** What shows groups of rows by a key, one a slot. */
export const GROUPED: ReadonlySet<string> = new Set(['group-key/1', 'group-count/1', 'group-sum/1']);

const WHAT = { 'quantile/1': 'quantile', 'rank/1': 'rank' } as const;

/**
 * For how many rows there is one in the least part into which a `quantile/1` cuts them; undefined where a part is empty, as
 * for the least and the greatest row.
 */
export function rowsForOne(lineage: Lineage, quantile: number): number | undefined {
  const { numerators = [], denominator = 0 } = lineage.node(quantile).attrs;
  const parts = [...numerators, denominator].map((end, i) => end - (numerators[i - 1] ?? 0));
  const least = Math.min(...parts);
  return least > 0 ? denominator / least : undefined;
}

const lengthOf = (node: PlanNode) => ('length' in node.type ? node.type.length : 1);
const isBit = ({ type }: PlanNode) => type.kind === 'shared' && type.dtype === 'bool';
