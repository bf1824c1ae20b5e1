/**
 * A bank knows what its customers earn and owe, an insurer what they claimed: together they learn what goes with a late payment
 * and how large a claim is to be expected, from the customers that both have. Rows are matched by email and stay
 * secret-shared; the analyst reads two models and no row.
 */
import { defineTask, int, jointMoments, key, linearRegression, logisticRegression, table } from '@2pm/program';

const accounts = table(
  { income: int({ min: 0, max: 200 }), debt: int({ min: 0, max: 200 }), late: int({ min: 0, max: 1 }) },
  { maxRows: 1_000, keys: { email: key.email('email') } },
);
const policies = table(
  { age: int({ min: 18, max: 100 }), claim: int({ min: 0, max: 500 }) },
  { maxRows: 1_000, keys: { email: key.email('email') } },
);

export default defineTask({
  name: 'joined-models',
  tables: { accounts, policies },
  roles: {
    bank: { min: 1, max: 1, tables: ['accounts'] },
    insurer: { min: 1, max: 1, tables: ['policies'] },
  },

  run({ each, join, reveal }) {
    const bank = each('bank', ({ accounts }) => accounts.by('email', { columns: ['income', 'debt', 'late'] }));
    const insurer = each('insurer', ({ policies }) => policies.by('email', { columns: ['age', 'claim'] }));
    const both = join(bank, insurer);

    const income = both.column('bank', 'income');
    const debt = both.column('bank', 'debt');
    const late = both.column('bank', 'late');
    const age = both.column('insurer', 'age');
    const claim = both.column('insurer', 'claim');

    // Features of about ±1: in 100,000 of income and debt, and in centuries of age.
    const features = [income.div(100), debt.div(100), age.div(100)].map((x) => x.clip(0, 2));
    const weights = logisticRegression(features, late.eq(1), { rows: both.matched, iterations: 60, penalty: 0.01 });

    const { sums, late: model } = reveal(
      { sums: jointMoments({ income, debt, age, claim }, { rows: both.matched }), late: weights },
      { to: 'analyst', minGroupSize: 50 },
    );
    return {
      claim: linearRegression(sums, { y: 'claim', x: ['income', 'debt', 'age'] }),
      late: model,
    };
  },
});
