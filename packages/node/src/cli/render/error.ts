/** An error as a person reads it: what, why, and what to do. @module */
import { isNodeError } from '@2pm/core';
import { type Paint, plain } from './terminal.ts';

interface Told {
  code: string;
  message: string;
  fix?: string | undefined;
  /** For the eyes of this node's operator. */
  privateDetail?: string | undefined;
  cause?: unknown;
}

export function renderError(error: Told, paint: Paint): string {
  const [first = '', ...more] = error.message.split('\n').map(plain);
  const reasons = [error.privateDetail, causeOf(error.cause)].filter((text) => text !== undefined && text !== '');
  return [
    `${paint.red('✗')} ${paint.bold(plain(error.code))}  ${first}\n`,
    ...more.map((text) => `  ${text}\n`),
    ...reasons.map((text) => `  ${paint.dim('cause')}  ${plain(text ?? '')}\n`),
    error.fix === undefined ? '' : `  ${paint.cyan('fix')}    ${plain(error.fix)}\n`,
  ].join('');
}

/** The innermost reason; `fetch failed` and the like say nothing. */
function causeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const deeper = causeOf(cause.cause);
  if (deeper !== undefined) return deeper;
  if (isNodeError(cause)) return `${cause.code}: ${cause.message}`;
  if (cause.name === 'ZodError') return undefined;
  return cause.message || ('code' in cause ? String(cause.code) : cause.name);
}
