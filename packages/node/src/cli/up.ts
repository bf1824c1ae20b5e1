/** `2pm up`: run the node until it is told to stop. @module */
import { isIPv4 } from 'node:net';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { lockDirectory } from '../config/lock.ts';
import { answer, type Context, globals } from './context.ts';
import { type PassphraseOptions, passphraseToOpen, withPassphrase } from './passphrase.ts';
import { plain } from './render/terminal.ts';
import { renderStatus } from './status.ts';

export function registerUp(program: Command, context: Context): void {
  const command = program.command('up').description('run the node until Ctrl-C (again: at once)');
  withPassphrase(command).action(async (options: PassphraseOptions, self: Command) => {
    const global = globals(self, context);
    const { out, err } = context;
    const config = await loadConfig(global.dir);
    using lock = lockDirectory(config.layout, process.pid);
    const passphrase = await passphraseToOpen(options, config.layout, context);
    using stop = firstSignal(context);
    const log = (message: string) => err.write(`  ${err.paint.dim(plain(message))}\n`);
    if (!isLoopback(config.api.host))
      log(`the API answers on ${config.api.host} without TLS: its token can be read on the way`);
    const node = await context.engine.createNode(config, { passphrase, signal: stop.signal, log });
    try {
      lock.announce(node.apiUrl);
      const status = await node.status();
      answer(context, global, { api: node.apiUrl, ...status }, () => {
        return `${out.paint.green('✓')} ${renderStatus(status, out.paint)}  ${out.paint.dim('api       ')}  ${node.apiUrl}\n`;
      });
      await Promise.race([node.ended, stop.fired]);
    } finally {
      log('stopping');
      await node.stop();
    }
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Fires at the first SIGINT or SIGTERM and then steps aside, so that a second one ends the process. */
function firstSignal({ signals }: Context): Disposable & { signal: AbortSignal; fired: Promise<void> } {
  const controller = new AbortController();
  const fired = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()));
  const release = () => {
    signals.removeListener('SIGINT', fire);
    signals.removeListener('SIGTERM', fire);
  };
  const fire = () => {
    release();
    controller.abort();
  };
  signals.on('SIGINT', fire);
  signals.on('SIGTERM', fire);
  return { signal: controller.signal, fired, [Symbol.dispose]: release };
}
