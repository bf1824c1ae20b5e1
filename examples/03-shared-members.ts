/**
 * Two airlines that honour each other's frequent flyers ask how many members they share, and how those fly with each. Rows
 * are matched by email under a key that only the two know, and stay secret-shared: the analyst reads totals. The partner
 * agreed that the host learns which of its own members are shared; that list stays on the host's node.
 */
import { category, defineTask, int, key, mean, table } from '@2pm/program';

const members = table(
  { miles: int({ min: 0, max: 1_000_000 }), tier: category(['blue', 'silver', 'gold']) },
  { maxRows: 25_000, keys: { email: key.email('email') } },
);

export default defineTask({
  name: 'shared-members',
  tables: { members },
  roles: {
    host: { min: 1, max: 1, tables: ['members'] },
    partner: { min: 1, max: 1, tables: ['members'] },
  },

  run({ each, join, psi, reveal }) {
    // Somebody who is a member twice counts once, by the first row.
    const host = each('host', ({ members }) =>
      members.by('email', { columns: ['miles', 'tier'], duplicates: 'first' }),
    );
    const partner = each('partner', ({ members }) => members.by('email', { columns: ['miles'], duplicates: 'first' }));
    psi(host, partner, { to: 'host', name: 'shared' });

    const shared = join(host, partner);
    const gold = shared.whereIs('host', 'tier', 'gold');
    const { n, hostMiles, partnerMiles, goldMembers, goldMiles } = reveal(
      {
        n: shared.count(),
        hostMiles: shared.column('host', 'miles').sum(),
        partnerMiles: shared.column('partner', 'miles').sum(),
        goldMembers: gold.count(),
        goldMiles: gold.column('partner', 'miles').sum(),
      },
      { to: 'analyst', minGroupSize: 20 },
    );
    return {
      members: n,
      meanMilesWithHost: mean(hostMiles, n),
      meanMilesWithPartner: mean(partnerMiles, n),
      goldMembers,
      meanGoldMilesWithPartner: mean(goldMiles, goldMembers),
    };
  },
});
