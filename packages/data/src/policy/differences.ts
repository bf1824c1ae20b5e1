/**
 * What subtraction would tell of two groups of rows that a plan shows, each of them large enough: the rest of a table
 * without a part of it, and those slots of a table that are withheld. One of the two reveals must be withheld by that rest
 * (`rest/1`, `beside/1`), unless it is nothing. Parts are what `where/1`, and `keep/1` over shared rows, make of a table as
 * the plan writes it: that one condition implies another is not seen, nor what three groups tell together, nor what two
 * tasks do.
 * @module
 */
import type { Lineage } from '../lineage.ts';
import { takenBy } from './choice.ts';
import { countName, matchesCounted } from './counts.ts';

interface Group {
  /** As `protection.ts` calls the count. */
  name: string;
  /** The node that counts by slot. */
  slots: number | undefined;
  /** Names of the table or rows, and of all that they are part of. */
  within: readonly number[];
  placement: string;
}

export interface Shown {
  reveal: number;
  groups: readonly Group[];
}

/** Pairs of reveals, the later first, that show groups whose rest nothing withholds. */
export function distinguishable(lineage: Lineage, shown: readonly Shown[], min: number): [Shown, Shown][] {
  const rests = new Map(shown.map(({ reveal }) => [reveal, restsUnder(lineage, reveal, min)]));
  const found: [Shown, Shown][] = [];
  for (const [place, last] of shown.entries()) {
    for (const before of shown.slice(0, place + 1)) {
      const fine = (a: Group, b: Group) =>
        a.name === b.name ||
        needed(lineage, a, b).every((name) => rests.get(last.reveal)?.has(name) || rests.get(before.reveal)?.has(name));
      if (!last.groups.every((a) => before.groups.every((b) => fine(a, b)))) found.push([last, before]);
    }
  }
  return found;
}

/** What a reveal shows of the roles' rows; `isTheirs` says which shared inputs and joins are of these. */
export function groupsShown(
  lineage: Lineage,
  reveal: number,
  roles: readonly string[],
  isTheirs: (node: number) => boolean,
): Shown {
  const groups = new Map<string, Group>();
  const add = (group: Group) => groups.set(group.name, group);
  const supports = supportsUnder(lineage, reveal);
  const rows = (joined: number) => {
    const { join, chain } = lineage.join(joined);
    if (!isTheirs(join)) return;
    add({
      name: `matches ${lineage.key(joined)}`,
      slots: undefined,
      within: chain.map((each) => lineage.key(each)),
      placement: 'rows',
    });
  };
  for (const index of valuesUnder(lineage, reveal)) {
    const { op, args } = lineage.node(index);
    const [of = -1] = args;
    if (op === 'total/1' || op === 'stack/1') {
      if (!isTheirs(index)) continue;
      const within = partsOf(lineage, lineage.table(of));
      const local = lineage.node(of);
      if (local.op === 'count/1' || local.op === 'sum/1') {
        add({ name: `${op} rows ${within[0]}`, slots: undefined, within, placement: op });
      } else {
        // A sum by category shows as many groups as its counts by category.
        const counts = local.op === 'sum-by/1' ? supports.filter((each) => countsSlots(lineage, each)) : [index];
        for (const count of counts) {
          const slots = lineage.node(count).args[0] as number;
          const name = countName(lineage, count)?.name;
          if (name !== undefined) add({ name, slots, within: partsOf(lineage, lineage.table(slots)), placement: op });
        }
      }
    } else if (op === 'quantile/1' || op === 'rank/1') rows(of);
    else if (op === 'sum/1' || op === 'dot/1') {
      const taken = takenBy(lineage, args);
      if (taken?.simple) rows(taken.rows);
      if (taken === undefined || taken.simple) continue;
      // Of counts of no more than the chosen rows the widest.
      let chosen: number | undefined;
      for (const support of supports) {
        if (matchesCounted(lineage, support, roles) === undefined) continue;
        const joined = lineage.node(lineage.node(support).args[0] as number).args[0] as number;
        const wider = chosen === undefined || lineage.join(joined).chain.length < lineage.join(chosen).chain.length;
        if (taken.has(joined) && wider) chosen = joined;
      }
      if (chosen !== undefined) rows(chosen);
    }
  }
  return { reveal, groups: [...groups.values()] };
}

/** Names of the rests of which one must withhold a reveal; none where the groups are no parts of each other. */
function needed(lineage: Lineage, a: Group, b: Group): string[] {
  if (a.placement !== b.placement) return [];
  const holds = (whole: Group, part: Group) => part.within.includes(whole.within[0] as number);
  if (a.slots === undefined && b.slots === undefined) {
    return holds(a, b) ? [`rest ${a.name} ${b.name}`] : holds(b, a) ? [`rest ${b.name} ${a.name}`] : [];
  }
  if (a.slots !== undefined && b.slots !== undefined) {
    if (!alike(lineage, a.slots, b.slots)) return [];
    return holds(a, b) ? [`rest ${a.name} ${b.name}`] : holds(b, a) ? [`rest ${b.name} ${a.name}`] : [];
  }
  const [whole, slots] = a.slots === undefined ? [a, b] : [b, a];
  if (a.placement !== 'total/1' || !holds(whole, slots)) return [];
  return [`slots ${whole.name} ${slots.name}`];
}

/** Which rests withhold a reveal. */
function restsUnder(lineage: Lineage, reveal: number, min: number): Set<string> {
  const names = supportsUnder(lineage, reveal).flatMap((support) => restName(lineage, support, min) ?? []);
  return new Set(names);
}

function restName(lineage: Lineage, support: number, min: number): string | undefined {
  const { op, args, attrs } = lineage.node(support);
  if ((op !== 'rest/1' && op !== 'beside/1') || (attrs.min ?? 0) < min) return undefined;
  const [first, second] = args.map((arg) => counted(lineage, arg));
  if (first === undefined || second === undefined) return undefined;
  if (op === 'beside/1') return `slots ${second.name} ${first.name}`;
  return `${first.scalar && !second.scalar ? 'slots' : 'rest'} ${first.name} ${second.name}`;
}

/** Whether a support is what subtraction leaves of counts: that tells no more than these do. */
export function isRest(lineage: Lineage, support: number, roles: readonly string[]): boolean {
  const { op, args } = lineage.node(support);
  return (op === 'rest/1' || op === 'beside/1') && args.every((arg) => counted(lineage, arg, roles) !== undefined);
}

function counted(
  lineage: Lineage,
  count: number,
  roles: readonly string[] = [],
): { name: string; scalar: boolean } | undefined {
  const [rows] = matchesCounted(lineage, count, roles) ?? [];
  return rows === undefined ? countName(lineage, count) : { name: rows, scalar: true };
}

function countsSlots(lineage: Lineage, support: number): boolean {
  return countName(lineage, support)?.scalar === false;
}

function supportsUnder(lineage: Lineage, reveal: number): readonly number[] {
  const { op, args } = lineage.node(lineage.node(reveal).args[0] as number);
  return op === 'suppress/1' ? args.slice(1) : [];
}

/** What a reveal is computed from, without what withholds it. */
function valuesUnder(lineage: Lineage, reveal: number): Set<number> {
  const seen = new Set<number>();
  const stack = [...lineage.node(reveal).args];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    const { op, type, args } = lineage.node(index);
    if (seen.has(index) || type.kind !== 'shared') continue;
    seen.add(index);
    stack.push(...(op === 'suppress/1' ? args.slice(0, 1) : args));
  }
  return seen;
}

function partsOf(lineage: Lineage, table: number): number[] {
  const found = [lineage.key(table)];
  let at = table;
  for (let node = lineage.node(at); node.op === 'where/1'; node = lineage.node(at)) {
    at = node.args[0] as number;
    found.push(lineage.key(at));
  }
  return found;
}

/** The same expression, of one table and of another. */
function alike(lineage: Lineage, a: number, b: number): boolean {
  if (lineage.same(a, b)) return true;
  const [x, y] = [lineage.node(a), lineage.node(b)];
  if (x.type.kind === 'table' || y.type.kind === 'table') return x.type.kind === y.type.kind;
  if (x.type.kind === 'constant' || x.op !== y.op || x.args.length !== y.args.length) return false;
  if (JSON.stringify(x.attrs) !== JSON.stringify(y.attrs)) return false;
  return x.args.every((arg, i) => alike(lineage, arg, y.args[i] as number));
}
