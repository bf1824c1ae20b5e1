/**
 * GF(2^128) by its definition: GF(2)[x] / (x^128 + x^7 + x^2 + x + 1), bit i of the integer is the coefficient of x^i.
 * The yardstick for the kernels. Slow, and its time depends on its arguments: never for secrets.
 * @module
 */
const MODULUS = (1n << 128n) | 0x87n;

export function multiplyReference(a: bigint, b: bigint): bigint {
  let sum = 0n;
  let power = a;
  for (let rest = b; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum ^= power;
    power <<= 1n;
    if (power >> 128n) power ^= MODULUS;
  }
  return sum;
}

/** Little-endian blocks of 16 bytes. */
export function blocksToIntegers(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from(
    { length: bytes.length / 16 },
    (_, i) => view.getBigUint64(16 * i, true) | (view.getBigUint64(16 * i + 8, true) << 64n),
  );
}
