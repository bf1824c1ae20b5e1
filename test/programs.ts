/** Programs of protected statistics, put together at random: what a policy allows. */
import type { Plan } from '@2pm/core';
import { category, checkPlan, defineTask, fixed, int, key, table, trace } from '@2pm/program';
import { seededRng } from '@2pm/testing/seeded-rng';

export const tables = {
  visits: table(
    {
      days: int({ min: 0, max: 60 }),
      score: int({ min: -5, max: 5, nullable: true }),
      price: fixed({ min: 0, max: 100, fractionBits: 8 }),
      ward: category(['a', 'b', 'c']),
      secret: int({ min: 0, max: 9 }),
    },
    { maxRows: 500, keys: { person: key.email('email') } },
  ),
};
const one = { min: 1, max: 1, tables: ['visits'] } as const;
export const roles = { holder: { min: 3, max: 4, tables: ['visits'] }, left: one, right: one } as const;
export type Run = Parameters<typeof defineTask<typeof tables, typeof roles>>[0]['run'];
export type Context = Parameters<Run>[0];

export const traced = (run: Run): Plan => {
  const plan = trace(defineTask({ name: 'leaks', tables, roles, run }));
  checkPlan(plan);
  return plan;
};

export type Pick = (below: number) => number;

/** One protected number, or several; what it is depends on the choices. */
export function honest(context: Context, pick: Pick, place: number) {
  const name = `honest${place}`;
  const { each, join, reveal, union } = context;
  const options = { to: 'analyst', name, minGroupSize: 20 + pick(5) };
  if (pick(4) === 0) {
    const both = join(
      each('left', (t) => t.visits.by('person', { columns: ['days', 'ward'], capacity: 100 + 40 * place + pick(40) })),
      each('right', (t) => t.visits.by('person', { columns: ['days'], capacity: 300 + 40 * place + pick(40) })),
      pick(2) === 0 ? {} : { matching: 'circuit' },
    );
    const kept = pick(2) === 0 ? both : both.whereIs('left', 'ward', 'b');
    const days = kept.column(pick(2) === 0 ? 'left' : 'right', 'days');
    return reveal([kept.count(), days.sum(), days.mul(days).sum()][pick(3)] ?? kept.count(), options);
  }
  if (pick(4) === 0) {
    const all = union(each('holder', (t) => t.visits.rows(['days', 'price', 'ward'], { capacity: 100 + pick(40) })));
    const kept = pick(2) === 0 ? all : all.whereIs('ward', 'b');
    const top = kept.nlargest(50, 'days');
    const values = [
      kept.median('days'),
      kept.quantile('price', [0.25, 0.9]),
      top.sum('price'),
      kept.compact({ capacity: 30 }).count(),
      kept.groupBy('days', { maxGroups: 4 }).sum('price'),
      kept.groupBy('days', { maxGroups: 4 }).key,
    ];
    return reveal(values[pick(6)] ?? kept.count(), options);
  }
  const shared = each('holder', ({ visits: all }) => {
    const visits = [all, all.where(all.days.gt(pick(50))), all.where(all.ward.ne('a'))][pick(3)] ?? all;
    switch (pick(7)) {
      case 0:
        return visits.count();
      case 1:
        return visits.days.sum();
      case 2:
        return visits.score.sum();
      case 3:
        return visits.price.mul(visits.days).sum();
      case 4:
        return visits.days.histogram([0, 5, 10, 60]);
      case 5:
        return visits.groupBy(visits.ward).count();
      default:
        return visits.groupBy(visits.ward).sum(visits.days);
    }
  }).total();
  return reveal(shared, options);
}

/** Small numbers that a seed decides. */
export function picks(seed: string): Pick {
  const rng = seededRng(seed);
  return (below) => (rng.fill(new Uint8Array(4)).reduce((sum, byte) => sum * 256 + byte, 0) >>> 0) % below;
}

/** One to four protected values, under names of their own. */
export function anyHonest(context: Context, seed: string): ReturnType<Run> {
  const pick = picks(seed);
  const count = 1 + pick(4);
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`honest${i}`, honest(context, pick, i)]));
}
