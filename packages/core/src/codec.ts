/**
 * Canonical encoding: deterministic CBOR (RFC 8949 §4.2), strict on the way in. The same value always has the same
 * bytes, and bytes that are not canonical are refused, so that a hash of the bytes is a name of the value.
 * @module
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { decode as cborDecode, encode as cborEncode, rfc8949EncodeOptions } from 'cborg';
import { z } from 'zod';
import { concatBytes, equalBytes, type Hex, toHex } from './bytes.ts';
import { canonicalBytes } from './canonical.ts';
import { NodeError } from './errors.ts';

/** A byte string in a schema. */
export const Bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);

const utf8 = new TextEncoder();

/** Plain data only: null, booleans, safe integers, bigints, strings, Uint8Array, arrays, string-keyed records. */
export function encode(value: unknown): Uint8Array {
  return canonicalBytes(value, (other) => cborEncode(other, rfc8949EncodeOptions));
}

/**
 * Decodes and checks against `schema`.
 * @throws {NodeError} `CODEC_MALFORMED` (not canonical CBOR) or `CODEC_SCHEMA` (not the expected shape). The message
 * names the path of the first problem, never a value.
 */
export function decode<T>(bytes: Uint8Array, schema: z.ZodType<T>, what: string): T {
  let value: unknown;
  try {
    value = cborDecode(bytes, { strict: true, rejectDuplicateMapKeys: true, allowUndefined: false });
    if (!equalBytes(encode(value), bytes)) throw new Error('not canonical');
  } catch (cause) {
    throw new NodeError('CODEC_MALFORMED', `${what} is not canonical CBOR`, { fault: 'peer', cause });
  }
  return parse(value, schema, what);
}

/** @throws {NodeError} `CODEC_SCHEMA`, as `decode`. */
export function parse<T>(value: unknown, schema: z.ZodType<T>, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.join('.') || '(top)';
  const problem = issue?.code === 'unrecognized_keys' ? `unknown key ${issue.keys.join(', ')}` : (issue?.message ?? '');
  throw new NodeError('CODEC_SCHEMA', `${what} is malformed at ${path}: ${problem}`, { fault: 'peer' });
}

export function sha256Bytes(...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(concatBytes(...parts));
}

/** SHA-256 under a domain-separation tag: SHA-256(len(tag) ‖ tag ‖ bytes), injective by the length prefix. */
export function taggedHash(tag: string, ...parts: readonly Uint8Array[]): Hex {
  const tagBytes = utf8.encode(tag);
  if (tagBytes.length > 255) throw new NodeError('CODEC_TAG', 'tag longer than 255 bytes', { fault: 'node' });
  return toHex(sha256Bytes(new Uint8Array([tagBytes.length]), tagBytes, ...parts));
}

/** Name of a value: tagged hash of its canonical bytes. */
export function hashValue(tag: string, value: unknown): Hex {
  return taggedHash(tag, encode(value));
}
