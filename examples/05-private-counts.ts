/**
 * Admissions of several hospitals by ward, and what they cost, so that nobody can tell from the answer whether any one
 * admission is among them: every number carries noise, which the computing parties draw without knowing it. The task takes
 * ε = 1 out of each hospital's privacy budget, half of it for each of the two reveals.
 */
import { category, defineTask, int, table } from '@2pm/program';

export default defineTask({
  name: 'private-counts',
  tables: {
    admissions: table(
      {
        // A hundred at most counts of each admission: one row more or less changes the sum by no more than that.
        cost: int({ min: 0, max: 100 }),
        ward: category(['cardiology', 'neurology', 'oncology', 'surgery']),
      },
      { maxRows: 100_000 },
    ),
  },
  roles: { hospital: { min: 3, max: 16, tables: ['admissions'] } },

  run({ each, reveal }) {
    const { byWard, cost } = each('hospital', ({ admissions }) => ({
      byWard: admissions.groupBy(admissions.ward).count(),
      cost: admissions.cost.sum(),
    })).total();
    const wards = reveal(byWard, { to: 'analyst', name: 'wards', epsilon: 0.5 });
    const total = reveal(cost, { to: 'analyst', name: 'cost', epsilon: 0.5 });
    // From here on the recipient computes on what it knows anyway: that costs nothing.
    return { wards, cost: total, meanCost: total.div(wards.sum()) };
  },
});
