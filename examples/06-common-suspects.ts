/**
 * Four banks each keep a list of accounts that they suspect. One of them asks which of its own at least one other bank lists
 * too, and the analyst how much was lost on those. Who else lists an account, by how many it is listed and how long the lists
 * are stays secret, and no fifth party is needed: three of the banks compute.
 */
import { defineTask, int, key, mean, table } from '@2pm/program';

const suspects = table(
  { loss: int({ min: 0, max: 1_000_000 }) },
  { maxRows: 2_000, keys: { account: key.exact('iban') } },
);

export default defineTask({
  name: 'common-suspects',
  tables: { suspects },
  roles: {
    asking: { min: 1, max: 1, tables: ['suspects'] },
    second: { min: 1, max: 1, tables: ['suspects'] },
    third: { min: 1, max: 1, tables: ['suspects'] },
    fourth: { min: 1, max: 1, tables: ['suspects'] },
  },

  run({ each, join, psi, reveal }) {
    // The first side leads: it is its rows that are looked for in the other lists.
    const asking = each('asking', ({ suspects }) => suspects.by('account', { columns: ['loss'] }));
    const second = each('second', ({ suspects }) => suspects.by('account'));
    const third = each('third', ({ suspects }) => suspects.by('account'));
    const fourth = each('fourth', ({ suspects }) => suspects.by('account'));
    psi(asking, second, third, fourth, { atLeast: 2, to: 'asking', name: 'common' });

    const common = join(asking, second, third, fourth, { matching: 'circuit', atLeast: 2 });
    const { n, loss } = reveal(
      { n: common.count(), loss: common.column('asking', 'loss').sum() },
      { to: 'analyst', minGroupSize: 10 },
    );
    return { accounts: n, meanLoss: mean(loss, n) };
  },
});
