/** What a policy refuses: the very rows of a small group, with no regard to how few they are. */
import { category, defineTask, int, table } from '@2pm/program';

export default defineTask({
  name: 'greedy-rows',
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
    const rows = each('holder', ({ flights }) => {
      const late = flights.where(flights.origin.eq('LAX').and(flights.delay.gt(1200)));
      return late.rows(['delay', 'distance'], { capacity: 10 });
    }).stack();
    return reveal(rows, { to: 'analyst', name: 'rows' });
  },
});
