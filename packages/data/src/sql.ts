/** The only way in which a name or a value becomes part of a statement. @module */
import { NodeError } from '@2pm/core';

/** A quoted identifier: whatever the name holds, it stays a name. @throws {NodeError} `DATA_BAD_NAME`. */
export function identifier(name: string): string {
  return `"${wellFormed(name).replaceAll('"', '""')}"`;
}

/** A quoted string literal. @throws {NodeError} `DATA_BAD_NAME`. */
export function literal(text: string): string {
  return `'${wellFormed(text).replaceAll("'", "''")}'`;
}

export function integer(value: bigint): string {
  // The digits of -2^63 without their sign are no BIGINT literal; a cast from text has no such edge.
  return value >= -(2n ** 62n) && value <= 2n ** 62n ? `(${value})` : `CAST('${value}' AS HUGEINT)`;
}

function wellFormed(text: string): string {
  if (text.includes('\0') || /\p{Surrogate}/u.test(text)) {
    throw new NodeError('DATA_BAD_NAME', 'a name or value holds a NUL or half a surrogate pair', { fault: 'caller' });
  }
  return text;
}
