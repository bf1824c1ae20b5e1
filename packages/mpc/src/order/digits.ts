/** Numbers below 2^bits as digits of one key, the last digit first, and the words that hold them. @module */
import type { CircuitBuilder } from '../circuit.ts';

export interface Digit {
  /** Words in [0, 2^bits). */
  gate: number;
  bits: number;
}

/** What a digit is cut into that is too long for a word: a comparison each. */
const PART_BITS = 31;

/** As few words of at most `most` bits as hold the digits in this order, the last of them first. */
export function packed(b: CircuitBuilder, digits: readonly Digit[], most: number): Digit[] {
  const words: Digit[] = [];
  for (const { gate, bits } of digits.flatMap((digit) => (digit.bits > most ? halves(b, digit) : [digit]))) {
    const { length } = b.at(gate);
    const last = words.at(-1);
    if (last === undefined || last.bits + bits > most) words.push({ gate, bits });
    else {
      const above = b.words('scale', length, [gate], 1n << BigInt(last.bits));
      words[words.length - 1] = { gate: b.words('add', length, [last.gate, above]), bits: last.bits + bits };
    }
  }
  return words;
}

function halves(b: CircuitBuilder, { gate, bits }: Digit): Digit[] {
  const { length } = b.at(gate);
  const high = b.floor(gate, PART_BITS);
  const low = b.words('sub', length, [gate, b.words('scale', length, [high], 1n << BigInt(PART_BITS))]);
  return [
    { gate: low, bits: PART_BITS },
    { gate: high, bits: bits - PART_BITS },
  ];
}
