/** `2pm peers`: who else is there. @module */
import type { PeerView } from '@2pm/core/api';
import type { Command } from 'commander';
import { answer, type Context, clientOf, globals } from './context.ts';
import { renderTable } from './render/table.ts';
import { type Paint, plain } from './render/terminal.ts';
import { milliseconds } from './render/units.ts';

export function registerPeers(program: Command, context: Context): void {
  program
    .command('peers')
    .description('list the nodes on the chain and which of them answer')
    .action(async (_options: object, command: Command) => {
      const options = globals(command, context);
      const peers = await (await clientOf(options)).peers();
      answer(context, options, peers, () => renderPeers(peers, context.out.paint));
    });
}

export function renderPeers(peers: readonly PeerView[], paint: Paint): string {
  if (peers.length === 0) return '  no nodes yet: give network.json of the founding node to the others\n';
  const rows = peers.map(({ node, org, addresses, status, self, reachable, rttMs }) => [
    plain(org),
    node,
    addresses.map(plain).join(', ') || paint.dim('dials out only'),
    self ? paint.dim('this node') : status !== 'active' ? paint.yellow(status) : reach(reachable, rttMs, paint),
  ]);
  return renderTable(
    [{ title: 'organisation' }, { title: 'node' }, { title: 'addresses' }, { title: 'state' }],
    rows,
    paint,
  );
}

function reach(reachable: boolean | null, rttMs: number | null, paint: Paint): string {
  if (reachable === null) return paint.dim('not tried');
  if (!reachable) return paint.red('✗ no answer');
  return paint.green(`✓${rttMs === null ? '' : ` ${milliseconds(rttMs)}`}`);
}
