/**
 * A bank and a shop find out how their common customers spend, and nobody learns who they are: rows are matched by email
 * under a key that only the two holders know, and stay secret-shared.
 */
import { category, defineTask, int, key, mean, table } from '@2pm/program';

const accounts = table(
  { balance: int({ min: 0, max: 1_000_000 }), segment: category(['basic', 'gold']) },
  { maxRows: 20_000, keys: { person: key.email('email') } },
);
const orders = table(
  { spend: int({ min: 0, max: 100_000 }) },
  { maxRows: 20_000, keys: { person: key.email('mail') } },
);

export default defineTask({
  name: 'shared customers',
  tables: { accounts, orders },
  roles: {
    bank: { min: 1, max: 1, tables: ['accounts'] },
    shop: { min: 1, max: 1, tables: ['orders'] },
  },
  run({ each, join, reveal }) {
    const customers = join(
      each('bank', ({ accounts }) =>
        accounts.by('person', { columns: ['balance', 'segment'], duplicates: 'first' }),
      ),
      each('shop', ({ orders }) => orders.by('person', { columns: ['spend'], duplicates: 'first' })),
    );
    const gold = customers.whereIs('bank', 'segment', 'gold');
    const sums = reveal(
      {
        customers: customers.count(),
        spend: customers.column('shop', 'spend').sum(),
        goldCustomers: gold.count(),
        goldSpend: gold.column('shop', 'spend').sum(),
      },
      { to: 'analyst', minGroupSize: 20 },
    );
    return {
      customers: sums.customers,
      meanSpend: mean(sums.spend, sums.customers),
      goldCustomers: sums.goldCustomers,
      goldMeanSpend: mean(sums.goldSpend, sums.goldCustomers),
    };
  },
});
