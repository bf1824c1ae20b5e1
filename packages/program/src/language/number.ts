/** JavaScript numbers as exact scaled integers: the integer v with f fraction bits stands for v / 2^f. @module */
import { fail } from './program-error.ts';

/** Every integer of a plan stays strictly inside ±2^62, so that differences fit a signed 64-bit word. */
export const LIMIT = 2n ** 62n;

/** Nearest integer to value · 2^fractionBits, halves to even. Scaling by a power of two is exact in double precision. */
export function scale(value: number | bigint, fractionBits: number): bigint {
  if (typeof value === 'bigint') return value << BigInt(fractionBits);
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    fail('PROGRAM_CONSTANT', 'expected a finite number', 'Pass a number or a bigint');
  }
  const scaled = value * 2 ** fractionBits;
  if (!Number.isFinite(scaled)) fail('PROGRAM_OVERFLOW', `the constant ${value} lies beyond ±2^62`);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  return BigInt(rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor);
}

/** The number itself where at most 62 fraction bits hold it, with the fewest bits; else the nearest at 62 bits. */
export function dyadic(value: number | bigint): { fractionBits: number; value: bigint } {
  let fractionBits = 0;
  if (typeof value === 'number') {
    while (fractionBits < 62 && Number.isFinite(value) && !Number.isInteger(value * 2 ** fractionBits)) fractionBits++;
  }
  return { fractionBits, value: scale(value, fractionBits) };
}

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar written YYYY-MM-DD. */
export function days(text: string): bigint {
  const match = typeof text === 'string' ? /^(\d{4})-(\d\d)-(\d\d)$/.exec(text) : null;
  if (match === null) fail('PROGRAM_CONSTANT', 'expected a date like 2001-12-31');
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  if (month < 1 || month > 12 || day < 1 || day > (lengths[month - 1] ?? 0)) {
    fail('PROGRAM_CONSTANT', `there is no day ${text}`);
  }
  // Leap days before this year, counted from year 1; 719162 days lie between 0001-01-01 and 1970-01-01.
  const before = year - 1;
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400);
  const inYear = lengths.slice(0, month - 1).reduce((sum, length) => sum + length, 0) + day - 1;
  return BigInt(before * 365 + leapDays + inYear - 719162);
}
