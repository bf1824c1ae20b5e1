/** `2pm leave`: take the node out of the registry; `2pm up` joins again. @module */
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { lockDirectory } from '../config/lock.ts';
import { answer, type Context, globals } from './context.ts';
import { type PassphraseOptions, passphraseToOpen, withPassphrase } from './passphrase.ts';

export function registerLeave(program: Command, context: Context): void {
  const command = program.command('leave').description('take this node out of the network; 2pm up joins again');
  withPassphrase(command).action(async (options: PassphraseOptions, self: Command) => {
    const global = globals(self, context);
    const config = await loadConfig(global.dir);
    // A node that runs would go on answering for tasks.
    using _lock = lockDirectory(config.layout, process.pid);
    const node = await context.engine.leave(config, await passphraseToOpen(options, config.layout, context));
    answer(
      context,
      global,
      { node, left: true },
      () => `${context.out.paint.green('✓')} ${node} has left the network\n`,
    );
  });
}
