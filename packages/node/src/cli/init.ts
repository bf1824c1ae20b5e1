/** `2pm init`: a directory with keys, configuration and API token. @module */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { NodeError, type NodeId, toHex } from '@2pm/core';
import { type Command, Option } from 'commander';
import { type Layout, layout } from '../config/layout.ts';
import { readNetwork } from '../config/network.ts';
import { parseConfig } from '../config/parse.ts';
import { configTemplate } from '../config/template.ts';
import { answer, type Context, globals } from './context.ts';
import { type Endpoint, endpoint } from './options.ts';
import { givenPassphrase, type PassphraseOptions, passphraseToOpen, withPassphrase } from './passphrase.ts';
import { ask, askSecret, canAsk } from './prompt.ts';

interface InitOptions extends PassphraseOptions {
  org?: string;
  listen?: Endpoint;
  api?: Endpoint;
  rpc?: Endpoint;
  network?: string;
  embedded?: boolean;
  yes?: boolean;
}

interface Made {
  dir: string;
  /** Null where the keystore was there before. */
  node: NodeId | null;
  /** What was written now. */
  wrote: string[];
  /** The passphrase lies there in the clear. */
  passphraseFile: string | null;
}

export function registerInit(program: Command, context: Context): void {
  const command = program
    .command('init')
    .description('make a node: keys, 2pm.yaml and API token in its directory')
    .option('--org <name>', 'your organisation, as people read it')
    .option('--listen <host:port>', 'where peers connect (default: 127.0.0.1:7420)', endpoint)
    .option('--api <host:port>', 'where the HTTP API answers (default: loopback, one port above --listen)', endpoint)
    .option(
      '--rpc <host:port>',
      'where the embedded chain answers (default: loopback, two ports above --listen)',
      endpoint,
    )
    .addOption(
      new Option('--network <file>', "join the network of this file (the founder's network.json)").conflicts(
        'embedded',
      ),
    )
    .option('--embedded', 'found a network, with a chain that this node hosts (default)')
    .option('-y, --yes', 'ask nothing: take the defaults', false);
  withPassphrase(command).action(async (options: InitOptions, self: Command) => {
    const global = globals(self, context);
    const made = await init(layout(global.dir), options, context);
    answer(context, global, made, () => told(made, context));
  });
}

async function init(places: Layout, options: InitOptions, context: Context): Promise<Made> {
  const configured = existsSync(places.config);
  if (configured && (options.org ?? options.listen ?? options.api ?? options.rpc ?? options.network) !== undefined) {
    throw new NodeError('CONFIG_EXISTS', `${places.config} is there already`, {
      fault: 'caller',
      fix: 'edit that file, or name another directory with --dir',
    });
  }
  // Everything that may be wrong is found before anything is written.
  const config = configured ? undefined : await draft(places, options, context);
  const made: Made = { dir: places.dir, node: null, wrote: [], passphraseFile: null };
  const write = async (path: string, text: string, mode: number) => {
    await writeFile(path, text, { mode, flag: 'wx' });
    made.wrote.push(path);
  };

  await mkdir(places.dir, { recursive: true, mode: 0o700 });
  await mkdir(join(places.dir, 'data'), { recursive: true, mode: 0o700 });
  if (!existsSync(join(places.keystore, 'node.json'))) {
    let passphrase = (await givenPassphrase(options, context)) ?? (await chosenPassphrase(options, context));
    let ours = false;
    if (passphrase === undefined) {
      made.passphraseFile = places.passphrase;
      ours = !existsSync(places.passphrase);
      if (ours) await write(places.passphrase, `${random(context)}\n`, 0o600);
      passphrase = await passphraseToOpen(options, places, context);
    }
    made.node = await context.engine.createKeystore(places.keystore, passphrase, context.engine.rng, {
      random: ours,
    });
    made.wrote.push(places.keystore);
  }
  if (!existsSync(places.apiToken)) await write(places.apiToken, `${random(context)}\n`, 0o600);
  if (options.network !== undefined && resolve(options.network) !== places.network) {
    await copyFile(options.network, places.network);
    made.wrote.push(places.network);
  }
  // Last, because its presence says that the node is whole.
  if (config !== undefined) await write(places.config, config, 0o644);
  return made;
}

async function draft(places: Layout, options: InitOptions, context: Context): Promise<string> {
  if (options.network !== undefined) await readNetwork(options.network);
  const listen = options.listen ?? { host: '127.0.0.1', port: 7420 };
  const above = (step: number) => ({
    host: '127.0.0.1',
    port: listen.port === 0 ? 0 : Math.min(listen.port + step, 65_535),
  });
  const text = configTemplate({
    org: options.org ?? (await chosenOrg(options, context)),
    listen,
    api: options.api ?? above(1),
    rpc: options.network === undefined ? (options.rpc ?? above(2)) : undefined,
  });
  parseConfig(text, places.config);
  return text;
}

async function chosenOrg({ yes }: InitOptions, context: Context): Promise<string> {
  const org = yes ? hostname() : canAsk(context) ? await ask(context, 'Name of your organisation: ') : '';
  if (org !== '') return org;
  throw new NodeError('USAGE_NO_ORG', 'the node needs the name of its organisation', {
    fault: 'caller',
    fix: 'give --org NAME, or --yes for the name of this machine',
  });
}

/** Undefined: nobody to ask, or an empty answer; then one is made. */
async function chosenPassphrase({ yes }: InitOptions, context: Context): Promise<string | undefined> {
  if (yes || !canAsk(context)) return undefined;
  const first = await askSecret(context, 'Passphrase for the keys (empty: make one and keep it in a file): ');
  if (first === '') return undefined;
  if (first === (await askSecret(context, 'Once more: '))) return first;
  throw new NodeError('USAGE_PASSPHRASES_DIFFER', 'the two passphrases differ', { fault: 'caller', fix: 'try again' });
}

/** 256 bits in hexadecimal. */
function random({ engine }: Context): string {
  return toHex(engine.rng.fill(new Uint8Array(32))).slice(2);
}

function told({ dir, node, wrote, passphraseFile }: Made, { out, env }: Context): string {
  const { paint } = out;
  if (wrote.length === 0) return `${paint.green('✓')} nothing to do: ${dir} holds a whole node\n`;
  const flag = env['TWOPM_DIR'] === dir ? '' : ` --dir ${dir}`;
  return [
    `${paint.green('✓')} ${node === null ? 'completed the node' : `made node ${paint.bold(node)}`} in ${dir}\n`,
    ...wrote.map((path) => `  ${paint.dim('wrote')} ${path}\n`),
    passphraseFile === null
      ? ''
      : `\n${paint.yellow('!')} Nobody gave a passphrase, so one was made; it lies in ${passphraseFile}, readable by you alone.\n` +
        '  It protects a copy of keystore/ taken without that file. It does not protect against whoever\n' +
        '  reads this whole directory, nor against this account or the administrator of this machine.\n',
    `\n  ${paint.dim('Keep a copy of keystore/ and its passphrase elsewhere: nobody can restore them.')}\n`,
    `  ${paint.dim('keystore/controller.json can revoke this node. After the first start, move it to another machine.')}\n`,
    `  ${paint.dim('next')}  2pm data add FILE${flag}\n        2pm up${flag}\n`,
  ].join('');
}
