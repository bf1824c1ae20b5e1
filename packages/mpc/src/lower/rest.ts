/** Lowers what subtraction leaves of counts: `rest/1` and `beside/1` of core's plan.ts. @module */
import type { CircuitBuilder } from '../circuit.ts';

/** `whole` and `part` as words; as long as `whole`. */
export function restOf(b: CircuitBuilder, whole: number, part: number, min: bigint): number {
  const { left, none } = leftover(b, whole, part, min);
  const { length } = b.at(whole);
  return b.words('add', length, [left, b.words('scale', length, [b.asWords(none)], min)]);
}

export function besideOf(b: CircuitBuilder, slots: number, whole: number, min: bigint): number {
  const { length } = b.at(slots);
  const { left, none } = leftover(b, whole, slots, min);
  const outside = b.words('sub', 1, [whole, b.words('sum', 1, [slots])]);
  const next = b.concat([...(length > 1 ? [b.slice(slots, 1, length - 1)] : []), outside]);
  const fine = b.repeat(either(b, none, enough(b, left, min)), length);
  return b.words('scale', length, [b.asWords(either(b, fine, enough(b, next, min)))], min);
}

/** The whole less what is shown of its parts, and whether that is 0. */
function leftover(b: CircuitBuilder, whole: number, part: number, min: bigint): { left: number; none: number } {
  const [has, all] = [b.at(part).length, b.at(whole).length];
  const shown = b.words('mul', has, [part, b.asWords(enough(b, part, min))]);
  const left = b.words('sub', all, [whole, has === all ? shown : b.words('sum', all, [shown])]);
  return { left, none: b.bits('zero', all, [left]) };
}

function enough(b: CircuitBuilder, count: number, min: bigint): number {
  const { length } = b.at(count);
  const least = b.repeat(b.words('constant', 1, [], min), length);
  return b.bits('not', length, [b.bits('negative', length, [b.words('sub', length, [count, least])])]);
}

function either(b: CircuitBuilder, x: number, y: number): number {
  const { length } = b.at(x);
  return b.bits('xor', length, [b.bits('xor', length, [x, y]), b.bits('and', length, [x, y])]);
}
