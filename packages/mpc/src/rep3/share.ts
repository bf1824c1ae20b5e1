/**
 * Replicated shares: a value is x0 + x1 + x2 mod 2^64, or x0 ⊕ x1 ⊕ x2 bit by bit; seat i holds a = x(i) and
 * b = x(i+1). Component k is held by seat k (as a) and seat k-1 (as b): any two seats hold all three.
 * Bits are packed, bit i of a vector in word i >> 5 at place i & 31; what lies beyond the length is arbitrary.
 * @module
 */
import { bytesToWords } from '@2pm/core';

export interface WordShare {
  form: 'words';
  a: BigUint64Array;
  b: BigUint64Array;
}

export interface BitShare {
  form: 'bits';
  a: Uint32Array;
  b: Uint32Array;
}

export type Share = WordShare | BitShare;

/** 32-bit words that hold `bits` packed bits. */
export function packedLength(bits: number): number {
  return Math.ceil(bits / 32);
}

/** The bytes of an array, without a copy. */
export function bytesOf(array: BigUint64Array | Uint32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export const toWords = bytesToWords;

/** Without a copy where the bytes are aligned. */
export function toPacked(bytes: Uint8Array): Uint32Array {
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return new Uint32Array(new Uint8Array(bytes).buffer);
}
