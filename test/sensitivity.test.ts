/**
 * What programs say of how much one row can change their values, against databases in which one row is missing: random
 * programs, random rows of one holder left out, everything evaluated in the clear. SENSITIVITY sets how many programs.
 */
import { keyedColumns, type NodeId, nodesOf, type Plan, type PlanNode, type TaskSpec } from '@2pm/core';
import { judgeTask, parseContract } from '@2pm/data';
import { evaluatePlain, rep3SemiHonest } from '@2pm/mpc';
import { concat, type SharedVector } from '@2pm/program';
import { expect, test } from 'vitest';
import { type Context, type Pick, picks, traced } from './programs.ts';

const PROGRAMS = Number(process.env['SENSITIVITY'] ?? 60);
const NEIGHBOURS = 6;
type Ints = SharedVector<'int'>;
type Row = Readonly<Record<string, bigint | null>>;

/** Counts, sums and groups over the holders' rows, or over matches; combined by whatever has a bound. */
function value(context: Context, pick: Pick, depth = 2): Ints {
  const { each, join } = context;
  const below = () => value(context, pick, depth - 1);
  if (depth > 0) {
    const x = below();
    switch (pick(12)) {
      case 0:
        return x.add(below().sum());
      case 1:
        return x.sub(below().sum());
      case 2:
        return x.mul(pick(7) - 3);
      case 3:
        return x.sum();
      case 4:
        return x.slice(pick(x.length));
      case 5:
        return concat(x, x);
      case 6:
        return x.abs();
      case 7:
        return x.max();
      case 8:
        return x.minimum(20);
      default:
        return x;
    }
  }
  if (pick(3) === 0) {
    const duplicates = (['drop', 'first', 'error'] as const)[pick(3)] ?? 'drop';
    // Of the same rows no two joins: another capacity makes them others.
    const [left, right] = [100 + pick(50), 100 + pick(50)];
    const both = join(
      each('left', (t) => t.visits.by('person', { columns: ['days', 'ward'], capacity: left, duplicates })),
      each('right', ({ visits }) =>
        visits.where(visits.days.gt(5)).by('person', { columns: ['days'], capacity: right, duplicates }),
      ),
    );
    const kept =
      [both, both.whereIs('left', 'ward', 'b'), both.where(both.column('right', 'days').gt(20))][pick(3)] ?? both;
    const [mine, theirs] = [kept.column('left', 'days'), kept.column('right', 'days')];
    return (
      [kept.count(), mine.sum(), mine.sub(theirs).sum(), mine.mul(theirs).sum(), mine.gt(theirs).sum()][pick(5)] ??
      kept.count()
    );
  }
  return each('holder', ({ visits: all }) => {
    const visits = [all, all.where(all.days.gt(pick(50))), all.where(all.ward.ne('a'))][pick(3)] ?? all;
    switch (pick(7)) {
      case 0:
        return visits.count();
      case 1:
        return visits.score.sum();
      case 2:
        return visits.score.count();
      case 3:
        return visits.price.mul(visits.days.sub(30)).sum();
      case 4:
        return visits.days.histogram([0, 5, 10, 60]);
      case 5:
        return visits.groupBy(visits.ward).count();
      default:
        return visits.groupBy(visits.ward).sum(visits.score);
    }
  }).total();
}

/** Rows within the declared ranges, often at their ends; the rows of one holder share few addresses, or none. */
function database(pick: Pick, duplicates: boolean): Record<string, Row[][]> {
  const end = (lo: number, hi: number) => BigInt([lo, hi, lo + pick(hi - lo + 1)][pick(3)] ?? lo);
  const rows = () =>
    Array.from(
      { length: 3 + pick(8) },
      (_, i): Row => ({
        days: end(0, 60),
        score: pick(4) === 0 ? null : end(-5, 5),
        price: end(0, 25_600),
        ward: BigInt(pick(3)),
        secret: 0n,
        email: pick(6) === 0 ? null : BigInt(duplicates ? pick(6) : i),
      }),
    );
  return { holder: [rows(), rows(), rows()], left: [rows()], right: [rows()] };
}

/** What a holder of the role shares: the catalogue of core's plan.ts on rows, in the order of its inputs. */
function shared(plan: Plan, role: string, rows: readonly Row[]): BigInt64Array[] {
  const tables = new Map<number, readonly Row[]>();
  const columns = new Map<number, readonly (bigint | null)[]>();
  const locals = new Map<number, bigint[]>();
  for (const [index, { op, args, attrs, type }] of plan.nodes.entries()) {
    if (!('role' in type) || type.role !== role) continue;
    const [first = -1, second = -1] = args;
    const constant = plan.nodes[second]?.type;
    const x = columns.get(first) ?? [];
    const by = (i: number) =>
      constant?.kind === 'constant' ? BigInt(constant.value) : (columns.get(second)?.[i] ?? null);
    const each = (of: (a: bigint, b: bigint) => bigint | boolean) =>
      columns.set(
        index,
        x.map((a, i) => {
          const b = by(i);
          return a === null || b === null ? null : BigInt(of(a, b));
        }),
      );
    const known = x.filter((a) => a !== null);
    const groups = (of: (i: number) => bigint) => {
      const category = columns.get(op === 'sum-by/1' ? second : first) ?? [];
      const slots = new Array<bigint>('length' in type ? type.length : 1).fill(0n);
      for (const [i, slot] of category.entries()) slots[Number(slot)] = (slots[Number(slot)] ?? 0n) + of(i);
      return slots;
    };
    if (op === 'input/1') tables.set(index, rows);
    else if (op === 'where/1') {
      tables.set(
        index,
        (tables.get(first) ?? []).filter((_, i) => columns.get(second)?.[i] === 1n),
      );
    } else if (op === 'column/1')
      columns.set(
        index,
        (tables.get(first) ?? []).map((row) => row[attrs.name ?? ''] ?? null),
      );
    else if (op === 'mul/1') each((a, b) => a * b);
    else if (op === 'sub/1') each((a, b) => a - b);
    else if (op === 'gt/1') each((a, b) => a > b);
    else if (op === 'ne/1') {
      const of = plan.nodes[first]?.type;
      const place = of?.kind === 'column' ? (of.values ?? []).indexOf(attrs.category ?? '') : -1;
      columns.set(
        index,
        x.map((a) => BigInt(a !== BigInt(place))),
      );
    } else if (op === 'count/1') locals.set(index, [BigInt(tables.get(first)?.length ?? known.length)]);
    else if (op === 'sum/1') locals.set(index, [known.reduce((sum, a) => sum + a, 0n)]);
    else if (op === 'count-by/1')
      locals.set(
        index,
        groups(() => 1n),
      );
    else if (op === 'sum-by/1')
      locals.set(
        index,
        groups((i) => x[i] ?? 0n),
      );
    else if (op === 'histogram/1') {
      const edges = (attrs.edges ?? []).map(BigInt);
      const bins = edges.slice(1).map((to, bin) => {
        const [from, last] = [edges[bin] ?? 0n, bin === edges.length - 2];
        return BigInt(known.filter((a) => a >= from && (a < to || (last && a === to))).length);
      });
      locals.set(index, bins);
    } else if (op === 'keyed/1') locals.set(index, keyed(plan, index, tables.get(first) ?? []));
    else throw new Error(`${op} is none of these programs`);
  }
  return rep3SemiHonest.inputNodes(plan, role).map((node) => {
    const { op, args } = plan.nodes[node] as PlanNode;
    return BigInt64Array.from(locals.get(op === 'keyed/1' ? node : (args[0] ?? -1)) ?? []);
  });
}

/** Tags, then columns. Rows without a match have tags of their own. */
function keyed(plan: Plan, index: number, rows: readonly Row[]): bigint[] {
  const { capacity, columns } = keyedColumns(plan, index);
  const { duplicates } = (plan.nodes[index] as PlanNode).attrs;
  const twice = (row: Row) => rows.filter(({ email }) => email === row['email']).length > 1;
  const taken = rows.filter((row, i) => {
    if (row['email'] === null) return false;
    return duplicates === 'first' ? rows.findIndex(({ email }) => email === row['email']) === i : !twice(row);
  });
  const tag = (slot: number) => taken[slot]?.['email'] ?? BigInt(1_000_000 * (index + 1) + slot);
  const slots = Array.from({ length: capacity }, (_, slot) => slot);
  return [
    ...slots.map(tag),
    ...slots.map(() => 0n),
    ...columns.flatMap((name) => slots.map((slot) => taken[slot]?.[name] ?? 0n)),
  ];
}

const contract = parseContract(`apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:visits
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: /x.csv, format: csv }]
schema:
  - name: visits
    properties:
      - { name: days, logicalType: integer }
      - { name: score, logicalType: integer }
      - { name: price, logicalType: number }
      - { name: ward, logicalType: string }
      - { name: email, logicalType: string }
customProperties:
  - property: twopm.policy
    value:
      permit:
        - { parties: any, operations: [aggregate, match], reveals: [private], columns: any, thresholds: { minParties: 1, minGroupSize: 2 }, privacy: { epsilonPerTask: 1, epsilonTotal: 1 }, approval: auto }
      defaults: deny
`);

function judge(plan: Plan, role: string): string {
  const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;
  const of = (name: string, ...others: number[]) =>
    name === role ? [id(1), ...others.slice(1).map(id)] : others.map(id);
  const spec = {
    ...{ coordinator: id(9), seats: [id(5), id(6), id(7)], protocol: 'rep3-semi-honest/1', security: 'semi-honest' },
    roles: { holder: of('holder', 2, 3, 4), left: of('left', 5), right: of('right', 6) },
    ...{ recipients: { analyst: { id: id(8), hpke: '0x00' } }, purpose: 'statistics' },
  } as unknown as TaskSpec;
  const decision = judgeTask({
    ...{ plan, spec, self: id(1), nowMs: Date.UTC(2026, 10, 22), contractOf: () => contract },
    ...{ tasksToday: () => 0, epsilonSpent: () => 0 },
  });
  return decision.verdict === 'refuse' ? `${decision.code}: ${decision.reasons[0]?.message}` : decision.verdict;
}

test('one row changes a value by no more than its noise hides, and every holder finds the same', () => {
  const roles = { holder: 3, left: 1, right: 1 };
  let tight = 0;
  for (let program = 0; program < PROGRAMS; program++) {
    const pick = picks(`program ${program}`);
    const plan = traced((context) => ({
      value: context.reveal(value(context, pick), { to: 'analyst', name: 'value', epsilon: 1 }),
    }));
    const [reveal = -1] = nodesOf(plan, 'reveal/1');
    const claimed = BigInt(plan.nodes[nodesOf(plan, 'noise/1')[0] ?? -1]?.attrs.sensitivity ?? -1);
    for (const role of Object.keys(roles)) expect(judge(plan, role)).toBe('allow');

    const strict = plan.nodes.some(({ attrs }) => attrs.duplicates === 'error');
    const evaluate = (rows: Record<string, Row[][]>) => {
      const inputs = Object.entries(rows).map(
        ([role, members]) => [role, members.map((of) => shared(plan, role, of))] as const,
      );
      return evaluatePlain(plan, roles, new Map(inputs)).get(reveal) ?? [];
    };
    const whole = database(pick, !strict);
    const before = evaluate(whole);
    for (let i = 0; i < NEIGHBOURS; i++) {
      const role = ['holder', 'left', 'right'][pick(3)] ?? 'holder';
      const member = pick(whole[role]?.length ?? 1);
      const gone = pick(whole[role]?.[member]?.length ?? 1);
      const less = structuredClone(whole);
      less[role]?.[member]?.splice(gone, 1);
      const change = evaluate(less).reduce<bigint>((sum, after, place) => {
        const by = (after ?? 0n) - (before[place] ?? 0n);
        return sum + (by < 0n ? -by : by);
      }, 0n);
      expect(change <= claimed, `program ${program}: ${change} > ${claimed}, a row of ${role}`).toBe(true);
      if (change === claimed) tight++;
    }
  }
  // A bound that nothing reaches would show little.
  expect(tight).toBeGreaterThan(PROGRAMS / 5);
});
