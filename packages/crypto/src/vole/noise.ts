/**
 * The receiver's A before the code: zero but for t points, one in each block of 2m/t positions.
 *
 * One noise may serve towards several senders, each with Δ and B of its own (programmable, Boyle et al., CRYPTO 2020, §6):
 * A is then the same in all of them. Senders that compare notes see transfers towards each of them that hide the same
 * choices, so A stays as it was: unknown to all. It is still good for one use: what masks one message may go to all senders.
 * Corruption model: semi-honest. A sender that cheats could probe some points; several could probe more.
 * @module
 */
import type { Rng } from '@2pm/core';
import type { Kernels } from '../wasm/kernels.ts';
import { forestOf, type VoleParameters } from './parameters.ts';

export interface VoleNoise {
  /** For each tree, the leaf that is not zero. */
  points: readonly number[];
  /** For each tree, the value there: 16 bytes, of which `valueBytes` are random and the others zero. */
  values: Uint8Array;
}

export function voleNoise(rng: Rng, parameters: VoleParameters): VoleNoise {
  const { trees, leaves } = forestOf(parameters);
  const points = Array.from({ length: trees }, () => below(rng, leaves));
  const values = rng.fill(new Uint8Array(16 * trees));
  for (let j = 0; j < trees; j++) values.fill(0, 16 * j + parameters.valueBytes, 16 * (j + 1));
  return { points, values };
}

/** Number of the leaf of tree j in a vector of 2m positions. */
export function placesOf({ points }: VoleNoise): number[] {
  return points.map((point, j) => point * points.length + j);
}

/** XORs the noise onto a vector: its lower half at `lower`, its upper half at `upper`, `stride` bytes from block to block. */
export function addNoise(
  kernels: Kernels,
  { length }: VoleParameters,
  noise: VoleNoise,
  { lower, upper, stride }: { lower: number; upper: number; stride: number },
): void {
  for (const [j, place] of placesOf(noise).entries()) {
    const block = kernels.bytes(place < length ? lower + 16 * place : upper + stride * (place - length), 16);
    for (let i = 0; i < 16; i++) block[i]! ^= noise.values[16 * j + i]!;
  }
}

/** Uniform below `bound` up to 2^-32: 64 random bits, scaled. */
function below(rng: Rng, bound: number): number {
  const word = new DataView(rng.fill(new Uint8Array(8)).buffer).getBigUint64(0, true);
  return Number((word * BigInt(bound)) >> 64n);
}
