/** Where the keystore's passphrase comes from: a file, a variable, the file that `init` left, or a person. @module */
import { readFile } from 'node:fs/promises';
import { NodeError } from '@2pm/core';
import type { Command } from 'commander';
import type { Layout } from '../config/layout.ts';
import type { Context } from './context.ts';
import { askSecret, canAsk } from './prompt.ts';

export interface PassphraseOptions {
  passphraseFile?: string;
  passphraseEnv?: string;
}

export function withPassphrase(command: Command): Command {
  return command
    .option('--passphrase-file <file>', 'read the passphrase of the keys from this file')
    .option('--passphrase-env <name>', 'read the passphrase of the keys from this environment variable');
}

/** Undefined where neither option is given. @throws {NodeError} `CONFIG_NO_PASSPHRASE`. */
export async function givenPassphrase(
  { passphraseFile, passphraseEnv }: PassphraseOptions,
  { env }: Context,
): Promise<string | undefined> {
  if (passphraseFile !== undefined) return nonEmpty(await read(passphraseFile), `the file ${passphraseFile}`);
  if (passphraseEnv !== undefined) return nonEmpty(env[passphraseEnv], `the variable ${passphraseEnv}`);
  return undefined;
}

/** To open what is there. */
export async function passphraseToOpen(options: PassphraseOptions, places: Layout, context: Context): Promise<string> {
  const given = (await givenPassphrase(options, context)) ?? (await read(places.passphrase));
  if (given !== undefined) return nonEmpty(given, `the file ${places.passphrase}`);
  if (canAsk(context)) return nonEmpty(await askSecret(context, 'Passphrase of the keys: '), 'the answer');
  throw new NodeError('CONFIG_NO_PASSPHRASE', 'the keys need a passphrase, and nobody is there to ask', {
    fault: 'caller',
    fix: 'give --passphrase-file FILE or --passphrase-env NAME',
  });
}

async function read(path: string): Promise<string | undefined> {
  return (await readFile(path, 'utf8').catch(() => undefined))?.replace(/\r?\n$/, '');
}

function nonEmpty(passphrase: string | undefined, where: string): string {
  if (passphrase) return passphrase;
  throw new NodeError('CONFIG_NO_PASSPHRASE', `${where} holds no passphrase`, {
    fault: 'caller',
    fix: 'put the passphrase there, in one line',
  });
}
