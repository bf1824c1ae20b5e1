/**
 * Statistics of counts: contingency tables, and survival by intervals of time. The first function of each kind belongs
 * into `each`; the others take what was opened. Every count is withheld by itself where it is below `minGroupSize`, and
 * what follows from a withheld count is withheld too: choose categories and intervals wide enough.
 * Of a life table those whose observation ends without the event in an interval are a difference of two counts: there must
 * be none, or `minGroupSize` of them. So must those that remain after the last interval, with those of withheld ones; where
 * they are fewer, the interval before these is withheld as well.
 * @module
 */
import type { LocalColumn, LocalTable, LocalVector } from './local.ts';
import type { TestResult } from './moments.ts';
import { fail } from './program-error.ts';
import type { OpenedVector, PublicVector } from './public.ts';
import type { ColumnSpecs } from './schema.ts';
import { refOf } from './trace.ts';

type RoleOf<Of extends string> = Of extends `${infer Role}.${string}` ? Role : string;
type ColumnsOf<C extends ColumnSpecs, K extends string> = {
  [N in keyof C & string]: C[N]['kind'] extends K ? N : never;
}[keyof C & string];

/** Counts of rows by two categories: `row0`, `row1`, … for the declared values of the first, by those of the second. */
export function contingency<
  C extends ColumnSpecs,
  Of extends string,
  K extends string,
  N extends ColumnsOf<C, 'category'>,
>(table: LocalTable<C, Of, K>, first: N, second: N): { readonly [row: string]: LocalVector<RoleOf<Of>> } {
  const by = table.column(first) as unknown as LocalColumn<'category', Of>;
  const { type } = refOf(by);
  const values = type.kind === 'column' ? (type.values ?? []) : [];
  return Object.fromEntries(
    values.map((value, i) => {
      const rows = table.where(by.eq(value as never));
      return [`row${i}`, rows.groupBy(rows.column(second) as unknown as LocalColumn<'category', Of>).count()];
    }),
  );
}

/** Pearson's test that rows and columns are independent. */
export function chiSquare(table: { readonly [row: string]: OpenedVector }): TestResult {
  const rows = Object.values(table);
  const [first] = rows;
  if (first === undefined || rows.length < 2 || first.length < 2) {
    fail('PROGRAM_CONSTANT', 'chiSquare() takes a table of at least two rows and columns');
  }
  const columns = rows.slice(1).reduce((sum: OpenedVector | PublicVector, row) => sum.add(row), first);
  const all = columns.sum();
  // Σ (o - e)² / e = n (Σ o² / (row · column) - 1)
  const parts = rows.map((row) => row.mul(row).div(columns.mul(row.sum())).sum());
  const statistic = parts
    .reduce((sum, part) => sum.add(part))
    .sub(1)
    .mul(all);
  const degrees = all.mul(0).add((rows.length - 1) * (first.length - 1));
  return { statistic, degrees, p: statistic.chiSquareP(degrees) };
}

/** By interval of time: who had the event, and who was no longer observed after it, with or without the event. */
export type LifeTable<L> = {
  /** Whose time is at or beyond the first edge. */
  readonly entered: L;
  readonly events: L;
  readonly leaving: L;
};

/** `time`: until the event or the end of observation; `event`: whether it came. Intervals as in `histogram`. */
export function lifeTable<C extends ColumnSpecs, Of extends string, K extends string>(
  table: LocalTable<C, Of, K>,
  options: {
    readonly time: ColumnsOf<C, 'number'>;
    readonly event: ColumnsOf<C, 'bool'>;
    readonly edges: readonly number[];
  },
): LifeTable<LocalVector<RoleOf<Of>>> {
  const { time, event, edges } = options;
  const times = (rows: typeof table) => rows.column(time) as unknown as LocalColumn<'number', Of>;
  const entered = table.where(times(table).ge(edges[0] ?? 0));
  const happened = entered.where(entered.column(event) as unknown as LocalColumn<'bool', Of>);
  return {
    entered: entered.count(),
    events: times(happened).histogram(edges),
    leaving: times(entered).histogram(edges),
  };
}

/** Those whose time is not over before an interval. */
function atRisk({ entered, leaving }: LifeTable<OpenedVector>): PublicVector {
  return leaving.add(entered).sub(leaving.cumsum());
}

/**
 * The share that is without the event after each interval; who leaves within one counts as at risk in it. The standard
 * error is Greenwood's.
 */
export function kaplanMeier(table: LifeTable<OpenedVector>): {
  readonly atRisk: PublicVector;
  readonly survival: PublicVector;
  readonly standardError: PublicVector;
} {
  const risk = atRisk(table);
  const { events } = table;
  const survival = risk.sub(events).div(risk).cumprod();
  const variance = events.div(risk.mul(risk.sub(events))).cumsum();
  return { atRisk: risk, survival, standardError: survival.mul(variance.sqrt()) };
}

/** The log-rank test that two groups have the same hazard in all intervals. */
export function logRank(a: LifeTable<OpenedVector>, b: LifeTable<OpenedVector>): TestResult {
  const [riskA, riskB] = [atRisk(a), atRisk(b)];
  const risk = riskA.add(riskB);
  const events = a.events.add(b.events);
  const expected = events.mul(riskA).div(risk);
  const variance = expected.mul(riskB).div(risk).mul(risk.sub(events)).div(risk.sub(1)).sum();
  const excess = a.events.sub(expected).sum();
  const statistic = excess.mul(excess).div(variance);
  const degrees = variance.mul(0).add(1);
  return { statistic, degrees, p: statistic.chiSquareP(degrees) };
}
