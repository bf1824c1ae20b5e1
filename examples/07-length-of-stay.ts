/**
 * How long do patients stay, over all hospitals? A median needs the rows of all in one order, so they are sorted in secret:
 * nobody learns a row, nor how many each hospital has. And which diagnoses are the most frequent? Their codes need not be
 * known in advance; what rests on too few stays is not opened, a rare code neither.
 */
import { category, defineTask, fixed, int, table } from '@2pm/program';

const stays = table(
  {
    days: int({ min: 0, max: 365 }),
    cost: fixed({ min: 0, max: 100_000, fractionBits: 7 }),
    diagnosis: int({ min: 0, max: 99_999 }),
    admission: category(['planned', 'emergency']),
  },
  { maxRows: 2_000 },
);

export default defineTask({
  name: 'length-of-stay',
  tables: { stays },
  roles: { hospital: { min: 3, max: 5, tables: ['stays'] } },

  run({ each, union, reveal }) {
    const all = union(each('hospital', ({ stays }) => stays.rows(['days', 'cost', 'diagnosis', 'admission'])));
    const diagnoses = all.groupBy('diagnosis', { maxGroups: 10 });
    const emergencies = all.whereIs('admission', 'emergency');

    return reveal(
      {
        stays: all.count(),
        days: all.quantile('days', [0.25, 0.5, 0.75]),
        emergencies: emergencies.median('days'),
        diagnosis: { code: diagnoses.key, stays: diagnoses.count(), days: diagnoses.sum('days') },
        // What the hundred dearest stays cost together.
        dearest: all.nlargest(100, 'cost').sum('cost'),
      },
      { to: 'analyst', minGroupSize: 10 },
    );
  },
});
