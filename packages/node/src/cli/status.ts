/** `2pm status`: the node itself. @module */
import type { NodeStatusView } from '@2pm/core/api';
import type { Command } from 'commander';
import { answer, type Context, clientOf, globals } from './context.ts';
import { type Paint, plain } from './render/terminal.ts';

export function registerStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('show the running node: identity, addresses, chain, tasks')
    .action(async (_options: object, command: Command) => {
      const options = globals(command, context);
      const status = await (await clientOf(options)).status();
      answer(context, options, status, () => renderStatus(status, context.out.paint));
    });
}

export function renderStatus(
  { did, org, listen, chain, registered, peers, tasks }: NodeStatusView,
  paint: Paint,
): string {
  const reach = chain.reachable
    ? `block ${chain.block}${chain.lag > 0 ? `, ${chain.lag} behind` : ''}`
    : paint.red('unreachable');
  const facts = [
    ['node', did],
    ['listens', listen],
    ['chain', `${chain.driver} ${chain.caip2}, ${reach}`],
    ['registered', registered ? 'yes' : paint.yellow('not yet')],
    ['peers', String(peers)],
    ['tasks', `${tasks.running} running, ${tasks.ended} ended`],
  ];
  return `${paint.bold(plain(org))}\n${facts.map(([name = '', value]) => `  ${paint.dim(name.padEnd(10))}  ${value}\n`).join('')}`;
}
