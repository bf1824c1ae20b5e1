/** Bytes, hexadecimal, and little-endian 64-bit words. @module */
import { NodeError } from './errors.ts';

export type Hex = `0x${string}`;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(bytes: Uint8Array): Hex {
  let out = '';
  for (const byte of bytes) out += HEX[byte];
  return `0x${out}`;
}

/** @throws {NodeError} `BYTES_BAD_HEX` when `text` is not an even number of hexadecimal digits behind `0x`. */
export function fromHex(text: string): Uint8Array {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) {
    throw new NodeError('BYTES_BAD_HEX', 'not a 0x-prefixed hexadecimal string', { fault: 'caller' });
  }
  const out = new Uint8Array((text.length - 2) / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 + 2 * i, 4 + 2 * i), 16);
  return out;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Compares without a data-dependent early exit (length is public). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

const BIG_ENDIAN_HOST = new Uint8Array(new Uint16Array([1]).buffer)[0] === 0;
if (BIG_ENDIAN_HOST) throw new Error('big-endian machines are not supported: the wire format is little-endian words');

/** The bytes of a word array, without a copy. Wire format: little-endian u64. */
export function wordsToBytes(words: BigUint64Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** @throws {NodeError} `BYTES_BAD_LENGTH` when the length is no multiple of eight. */
export function bytesToWords(bytes: Uint8Array): BigUint64Array {
  if (bytes.length % 8 !== 0) {
    throw new NodeError('BYTES_BAD_LENGTH', `${bytes.length} bytes are no whole number of 64-bit words`, {
      fault: 'peer',
    });
  }
  if (bytes.byteOffset % 8 === 0) return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  return new BigUint64Array(new Uint8Array(bytes).buffer);
}

interface Port {
  close(): void;
  postMessage(message: unknown, transfer: readonly unknown[]): void;
}

/** Where buffers go that nobody needs: a message to nobody is dropped with all that it carries. */
let nobody: Port | undefined;

/**
 * Gives up the memory under `bytes`, all of it, at once: every view of it is empty from here on. Otherwise it stays until a
 * garbage collection, which large buffers bring about long before there is much else to collect.
 */
export function discard(bytes: Uint8Array): void {
  if (nobody === undefined) {
    const { MessageChannel } = globalThis as unknown as { MessageChannel: new () => { port1: Port } };
    nobody = new MessageChannel().port1;
    nobody.close();
  }
  nobody.postMessage(undefined, [bytes.buffer]);
}
