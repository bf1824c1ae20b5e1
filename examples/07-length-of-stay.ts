/**
 * How long do patients stay, over all hospitals? A median needs the rows of all in one order, so they are sorted in secret:
 * nobody learns a row, nor how many each hospital has. A quarter that rests on too few stays is not opened.
 */
import { category, defineTask, fixed, int, table } from '@2pm/program';

const stays = table(
  {
    days: int({ min: 0, max: 365 }),
    cost: fixed({ min: 0, max: 100_000, fractionBits: 2 }),
    admission: category(['planned', 'emergency']),
  },
  { maxRows: 2_000 },
);

export default defineTask({
  name: 'length-of-stay',
  tables: { stays },
  roles: { hospital: { min: 3, max: 5, tables: ['stays'] } },

  run({ each, union, reveal }) {
    const all = union(each('hospital', ({ stays }) => stays.rows(['days', 'cost', 'admission'])));
    const emergencies = all.whereIs('admission', 'emergency');

    return reveal(
      {
        stays: all.count(),
        days: all.quantile('days', [0.25, 0.5, 0.75]),
        emergencies: emergencies.median('days'),
        // What the hundred dearest stays cost together.
        dearest: all.nlargest(100, 'cost').sum('cost'),
      },
      { to: 'analyst', minGroupSize: 10 },
    );
  },
});
