/** Parameters of the silent VOLE. Part of every session's binding, so that both sides use the same. @module */
import { NodeError } from '@2pm/core';
import type { Forest } from '../ggm/pprf.ts';

/**
 * Code and noise against dual-LPN attacks at κ = 128: ExConv7x24 (Raghuraman, Rindal and Tanguy, CRYPTO 2023, eprint
 * 2023/882), rate 1/2, regular noise of weight 256. The weight follows from an assumed relative minimum distance of
 * 0.15, t ≥ κ / −log2(1 − 2·0.15) = 249; the distance is the authors' estimate, not a proof. Short vectors are not
 * analysed apart: the least length keeps the noise at one position in 32.
 */
export const CODE = 'exconv7x24/1';
export const NOISE_WEIGHT = 256;

export interface VoleParameters {
  code: typeof CODE;
  /** Correlations made: a multiple of 128, at least 4096, at least what was asked for. */
  length: number;
  /** Weight of the noise = number of trees; the code has 2·length positions. */
  noiseWeight: number;
  /** Whether both parties show that they kept to the protocol; see `check.ts`. */
  checked: boolean;
  /**
   * Elements of A, low bytes of a block, the others zero. They need only be closed under addition: the code is binary.
   * What they mask has to be added to them as well.
   */
  valueBytes: number;
}

/** @throws {NodeError} `VOLE_BAD_LENGTH` outside 1 to 2^25. */
export function voleParameters(
  atLeast: number,
  { checked = false, valueBytes = 16 }: Partial<Pick<VoleParameters, 'checked' | 'valueBytes'>> = {},
): VoleParameters {
  if (!Number.isInteger(atLeast) || atLeast < 1 || atLeast > 2 ** 25) {
    throw new NodeError('VOLE_BAD_LENGTH', `${atLeast} correlations asked for`, { fault: 'caller' });
  }
  const length = Math.max(4096, Math.ceil(atLeast / 128) * 128);
  return { code: CODE, length, noiseWeight: NOISE_WEIGHT, checked, valueBytes };
}

export function forestOf({ length, noiseWeight }: VoleParameters): Omit<Forest, 'tweak'> {
  return { trees: noiseWeight, leaves: (2 * length) / noiseWeight };
}
