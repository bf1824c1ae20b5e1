/** Questions to the person at the terminal, on stderr, so that stdout stays the answer's. @module */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { NodeError } from '@2pm/core';
import type { Context } from './context.ts';

export function canAsk({ stdin }: Context): boolean {
  return 'isTTY' in stdin && stdin.isTTY === true;
}

export function ask(context: Context, question: string): Promise<string> {
  return read(context, question, true);
}

/** Without an echo. */
export async function askSecret(context: Context, question: string): Promise<string> {
  const secret = await read(context, question, false);
  context.err.write('\n');
  return secret;
}

async function read({ stdin, err }: Context, question: string, echo: boolean): Promise<string> {
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (echo) err.write(chunk.toString());
      done();
    },
  });
  using reader = Object.assign(createInterface({ input: stdin, output, terminal: true }), {
    [Symbol.dispose](this: { close(): void }) {
      this.close();
    },
  });
  if (!echo) err.write(question);
  try {
    return (await reader.question(echo ? question : '')).trim();
  } catch (cause) {
    err.write('\n');
    throw new NodeError('USAGE_INTERRUPTED', 'no answer was given', { fault: 'caller', cause });
  }
}
