/**
 * Parameters of the encryption under which products are made. The ring is Z[X] / (X^8192 + 1), the modulus q of 186 bits the
 * product of six primes, secrets are uniform in {-1, 0, 1}, errors binomial with a deviation of 3.24. For this degree and a
 * security of 128 bits the Homomorphic Encryption Standard (Albrecht et al., 2018, table 1) admits 218 bits of q, the
 * guidelines of Bossuat et al. (IACR ePrint 2024/463) 214.
 *
 * Plaintexts are words modulo 2^64 as residues modulo six more primes, two to a ciphertext, 183 bits in all: a product below
 * 2^128 and a mask fit, but for a part of 2^-55.
 * @module
 */

/** Products in a batch: coefficients of a polynomial. */
export const SLOTS = 8192;
/** Factors of q. All primes are 1 modulo 2 · SLOTS and below 2^31. */
export const LIMBS: readonly bigint[] = [2146418689n, 2146713601n, 2146959361n, 2147074049n, 2147205121n, 2147352577n];
/** Plaintext moduli of the ciphertexts that hold a batch; ascending throughout. */
export const GROUPS = [
  [1499447297n, 1499578369n],
  [1499791361n, 1499824129n],
  [1499922433n, 1499987969n],
] as const;
export const PLAIN: readonly bigint[] = GROUPS.flat();
export const Q = LIMBS.reduce((product, limb) => product * limb, 1n);
/**
 * Masks are below this: a quarter of q, so that mask and noise, below 2^146, never reach q/2, and 2^54 times what noise
 * usually comes to.
 */
export const MASK_BITS = 184;

export function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let out = 1n;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = (square * square) % modulus) {
    if (left & 1n) out = (out * square) % modulus;
  }
  return out;
}

/** Modulo a prime. */
export function inverse(x: bigint, prime: bigint): bigint {
  return power(x % prime, prime - 2n, prime);
}

/** An element of order 2 · SLOTS, the same at every party. */
export function rootOf(prime: bigint): bigint {
  for (let x = 2n; ; x++) {
    const root = power(x, (prime - 1n) / BigInt(2 * SLOTS), prime);
    if (power(root, BigInt(SLOTS), prime) === prime - 1n) return root;
  }
}
