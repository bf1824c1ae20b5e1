/** Delays over all airlines' flights: how many, mean, spread, and a histogram. No airline shows anybody a flight. */
import { category, defineTask, int, mean, standardDeviation, table, variance } from '@2pm/program';

export default defineTask({
  name: 'flight-delays',
  tables: {
    flights: table(
      {
        delay: int({ min: -1440, max: 1800 }),
        distance: int({ min: 0, max: 5000 }),
        origin: category(['ATL', 'DFW', 'LAX', 'ORD', 'PHX']),
      },
      { maxRows: 3_000_000 },
    ),
  },
  roles: { holder: { min: 3, max: 16, tables: ['flights'] } },

  run({ each, reveal }) {
    const totals = each('holder', ({ flights }) => {
      const { delay } = flights;
      return {
        n: flights.count(),
        sum: delay.sum(),
        squares: delay.mul(delay).sum(),
        histogram: delay.histogram([-1440, -15, 0, 15, 60, 240, 1800]),
      };
    }).total();

    const { n, sum, squares, histogram } = reveal(totals, { to: 'analyst', minGroupSize: 20 });
    return {
      n,
      mean: mean(sum, n),
      variance: variance(squares, sum, n),
      standardDeviation: standardDeviation(squares, sum, n),
      histogram,
    };
  },
});
