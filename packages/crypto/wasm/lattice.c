// Arithmetic in Z_p[X] / (X^n + 1), n an odd power of two from 32 on, for primes p below 2^31 with p = 1 modulo 2n: see ole/. A
// polynomial is n words below p, as coefficients or as its values at the odd powers of a root of order 2n. A factor that is
// known before comes as two words, w and floor(w 2^32 / p) (Shoup). No branch and no address depends on secrets.
#include "kernel.h"

INLINE block high_words(block x, block y) {
  return wasm_i32x4_shuffle(wasm_u64x2_extmul_low_u32x4(x, y), wasm_u64x2_extmul_high_u32x4(x, y), 1, 3, 5, 7);
}
INLINE block add_mod(block x, block y, block p) {
  block sum = wasm_i32x4_add(x, y);
  return wasm_u32x4_min(sum, wasm_i32x4_sub(sum, p));
}
INLINE block sub_mod(block x, block y, block p) {
  block difference = wasm_i32x4_sub(x, y);
  return wasm_u32x4_min(difference, wasm_i32x4_add(difference, p));
}
// Any words x.
INLINE block times(block x, block w, block shoup, block p) {
  block rest = wasm_i32x4_sub(wasm_i32x4_mul(x, w), wasm_i32x4_mul(high_words(x, shoup), p));
  return wasm_u32x4_min(rest, wasm_i32x4_sub(rest, p));
}
INLINE block splat(u32 x) { return wasm_i32x4_splat((int)x); }
INLINE u32 shoup(u32 w, u32 p) { return (u32)(((u64)w << 32) / p); }

// roots[i] = root^j with j the log n bits of i reversed, root of order 2n or its inverse; behind them their second words.
EXPORT(ntt_roots) void ntt_roots(u32 root, u32 p, u32 n, u32 *roots) {
  u64 power = 1;
  for (u32 j = 0; j < n; j++, power = power * root % p) {
    u32 i = 0;
    for (u32 bit = 1, from = n >> 1; bit < n; bit <<= 1, from >>= 1) i |= j & bit ? from : 0;
    roots[i] = (u32)power, roots[n + i] = shoup((u32)power, p);
  }
}

// Coefficients to values, in place (Longa and Naehrig, CANS 2016, algorithm 1), in the order that `ntt_inverse` takes. Two
// layers a pass.
EXPORT(ntt) void ntt(u32 *x, u32 n, u32 prime, const u32 *roots) {
  const u32 *more = roots + n;
  block p = splat(prime);
  for (u32 j = 0; j < n / 2; j += 4) {
    block u = load(x + j), v = times(load(x + n / 2 + j), splat(roots[1]), splat(more[1]), p);
    store(x + j, add_mod(u, v, p)), store(x + n / 2 + j, sub_mod(u, v, p));
  }
  for (u32 groups = 2, half = n / 4; half >= 8; groups *= 4, half /= 4)
    for (u32 g = 0; g < groups; g++) {
      u32 a = groups + g, b = 2 * a, c = b + 1, quarter = half / 2;
      block wa = splat(roots[a]), ma = splat(more[a]), wb = splat(roots[b]), mb = splat(more[b]);
      block wc = splat(roots[c]), mc = splat(more[c]);
      u32 *y = x + 2 * g * half;
      for (u32 j = 0; j < quarter; j += 4) {
        block x0 = load(y + j), x1 = load(y + quarter + j);
        block x2 = times(load(y + half + j), wa, ma, p), x3 = times(load(y + half + quarter + j), wa, ma, p);
        block y0 = add_mod(x0, x2, p), y1 = times(add_mod(x1, x3, p), wb, mb, p);
        block y2 = sub_mod(x0, x2, p), y3 = times(sub_mod(x1, x3, p), wc, mc, p);
        store(y + j, add_mod(y0, y1, p)), store(y + quarter + j, sub_mod(y0, y1, p));
        store(y + half + j, add_mod(y2, y3, p)), store(y + half + quarter + j, sub_mod(y2, y3, p));
      }
    }
  for (u32 i = 0; i < n; i += 8) {
    block x0 = load(x + i), x1 = load(x + i + 4), w = wasm_v128_load64_zero(roots + n / 4 + i / 4);
    block m = wasm_v128_load64_zero(more + n / 4 + i / 4);
    block u = wasm_i64x2_shuffle(x0, x1, 0, 2), v = wasm_i64x2_shuffle(x0, x1, 1, 3);
    v = times(v, wasm_i32x4_shuffle(w, w, 0, 0, 1, 1), wasm_i32x4_shuffle(m, m, 0, 0, 1, 1), p);
    block a = add_mod(u, v, p), b = sub_mod(u, v, p);
    u = wasm_i32x4_shuffle(a, b, 0, 4, 2, 6), v = wasm_i32x4_shuffle(a, b, 1, 5, 3, 7);
    v = times(v, load(roots + n / 2 + i / 2), load(more + n / 2 + i / 2), p);
    a = add_mod(u, v, p), b = sub_mod(u, v, p);
    store(x + i, wasm_i32x4_shuffle(a, b, 0, 4, 1, 5)), store(x + i + 4, wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  }
}

// The way back, times a factor: `roots` those of the inverse root; `factor` f / n and f roots[1] / n, two words each.
EXPORT(ntt_inverse) void ntt_inverse(u32 *x, u32 n, u32 prime, const u32 *roots, const u32 *factor) {
  const u32 *more = roots + n;
  block p = splat(prime);
  for (u32 i = 0; i < n; i += 8) {
    block x0 = load(x + i), x1 = load(x + i + 4);
    block u = wasm_i32x4_shuffle(x0, x1, 0, 2, 4, 6), v = wasm_i32x4_shuffle(x0, x1, 1, 3, 5, 7);
    block a = add_mod(u, v, p);
    block b = times(sub_mod(u, v, p), load(roots + n / 2 + i / 2), load(more + n / 2 + i / 2), p);
    u = wasm_i32x4_shuffle(a, b, 0, 4, 2, 6), v = wasm_i32x4_shuffle(a, b, 1, 5, 3, 7);
    block w = wasm_v128_load64_zero(roots + n / 4 + i / 4), m = wasm_v128_load64_zero(more + n / 4 + i / 4);
    a = add_mod(u, v, p);
    b = times(sub_mod(u, v, p), wasm_i32x4_shuffle(w, w, 0, 0, 1, 1), wasm_i32x4_shuffle(m, m, 0, 0, 1, 1), p);
    store(x + i, wasm_i64x2_shuffle(a, b, 0, 2)), store(x + i + 4, wasm_i64x2_shuffle(a, b, 1, 3));
  }
  for (u32 groups = n / 16, quarter = 4; quarter < n / 4; groups /= 4, quarter *= 4)
    for (u32 g = 0; g < groups; g++) {
      u32 a = groups + g, b = 2 * a, c = b + 1, half = 2 * quarter;
      block wa = splat(roots[a]), ma = splat(more[a]), wb = splat(roots[b]), mb = splat(more[b]);
      block wc = splat(roots[c]), mc = splat(more[c]);
      u32 *y = x + 2 * g * half;
      for (u32 j = 0; j < quarter; j += 4) {
        block y0 = load(y + j), y1 = load(y + quarter + j), y2 = load(y + half + j), y3 = load(y + half + quarter + j);
        block x0 = add_mod(y0, y1, p), x1 = times(sub_mod(y0, y1, p), wb, mb, p);
        block x2 = add_mod(y2, y3, p), x3 = times(sub_mod(y2, y3, p), wc, mc, p);
        store(y + j, add_mod(x0, x2, p)), store(y + quarter + j, add_mod(x1, x3, p));
        store(y + half + j, times(sub_mod(x0, x2, p), wa, ma, p));
        store(y + half + quarter + j, times(sub_mod(x1, x3, p), wa, ma, p));
      }
    }
  for (u32 j = 0; j < n / 2; j += 4) {
    block u = load(x + j), v = load(x + n / 2 + j);
    store(x + j, times(add_mod(u, v, p), splat(factor[0]), splat(factor[1]), p));
    store(x + n / 2 + j, times(sub_mod(u, v, p), splat(factor[2]), splat(factor[3]), p));
  }
}

// One term of a sum: words x, times w.
typedef struct {
  const u32 *x;
  u32 w, shoup;
} Term;

// out[i] = sum of the terms' x[i] w modulo p. The words may be any; n is a multiple of 16.
EXPORT(combine) void combine(const Term *terms, u32 count, u32 n, u32 prime, u32 *out) {
  block p = splat(prime);
  for (u32 i = 0; i < n; i += 16) {
    block sum[4] = {zero(), zero(), zero(), zero()};
    for (u32 k = 0; k < count; k++) {
      block w = splat(terms[k].w), m = splat(terms[k].shoup);
#pragma unroll
      for (u32 j = 0; j < 4; j++) sum[j] = add_mod(sum[j], times(load(terms[k].x + i + 4 * j), w, m, p), p);
    }
#pragma unroll
    for (u32 j = 0; j < 4; j++) store(out + i + 4 * j, sum[j]);
  }
}

// out = x y / 2^32 + z modulo p (Montgomery, with 1 / p modulo 2^32), or without z where that is 0.
EXPORT(multiply_add)
void multiply_add(const u32 *x, const u32 *y, const u32 *z, u32 n, u32 prime, u32 inverse, u32 *out) {
  block p = splat(prime), factor = splat(inverse);
  for (u32 i = 0; i < n; i += 4) {
    block u = load(x + i), v = load(y + i);
    block low = wasm_i32x4_mul(wasm_i32x4_mul(u, v), factor);
    block product = sub_mod(high_words(u, v), high_words(low, p), p);
    store(out + i, z ? add_mod(product, load(z + i), p) : product);
  }
}

// The first n of the public random words at `from` that are below p without their top bit. Returns how many there were.
EXPORT(uniform) u32 uniform(const u32 *from, u32 words, u32 n, u32 p, u32 *out) {
  u32 found = 0;
  for (u32 i = 0; i < words && found < n; i++) {
    out[found] = from[i] & 0x7fffffff;
    found += out[found] < p;
  }
  return found;
}

// The upper bits alone, in place.
EXPORT(shift_down) void shift_down(u32 *x, u32 n, u32 by) {
  for (u32 i = 0; i < n; i += 4) store(x + i, wasm_u32x4_shr(load(x + i), by));
}

// Ones among 21 and among 21 further of each eight random bytes: their difference is binomial with variance 10.5.
EXPORT(binomial) void binomial(const u64 *from, u32 n, u32 *ones, u32 *others) {
  for (u32 i = 0; i < n; i++) {
    ones[i] = (u32)__builtin_popcountll(from[i] & 0x1fffff);
    others[i] = (u32)__builtin_popcountll(from[i] >> 21 & 0x1fffff);
  }
}

// One of three, up to 2^-30, for each random word: neither, a one in `ones`, or one in `others`.
EXPORT(ternary) void ternary(const u32 *from, u32 n, u32 *ones, u32 *others) {
  for (u32 i = 0; i < n; i++) {
    u32 digit = reduce(from[i], 3);
    ones[i] = digit & 1, others[i] = digit >> 1;
  }
}

// Lower and upper halves of n words of 64 bits.
EXPORT(halves) void halves(const u32 *x, u32 n, u32 *low, u32 *high) {
  for (u32 i = 0; i < n; i += 4) {
    block a = load(x + 2 * i), b = load(x + 2 * i + 4);
    store(low + i, wasm_i32x4_shuffle(a, b, 0, 2, 4, 6)), store(high + i, wasm_i32x4_shuffle(a, b, 1, 3, 5, 7));
  }
}

// out[i] = x[i] > bound.
EXPORT(above) void above(const u32 *x, u32 n, u32 bound, u32 *out) {
  for (u32 i = 0; i < n; i += 4) store(out + i, wasm_u32x4_shr(wasm_u32x4_gt(load(x + i), splat(bound)), 31));
}

// out[i] = the integer next to the sum over `count` polynomials of x[i] / p. Exact unless that is within 2^-18 of a half.
EXPORT(quotients) void quotients(const u32 *x, u32 count, u32 n, const u32 *primes, u32 *out) {
  for (u32 i = 0; i < n; i += 4) {
    block sum = wasm_f32x4_splat(0.5f);
    for (u32 k = 0; k < count; k++)
      sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(load(x + k * n + i)),
                                               wasm_f32x4_splat(1.0f / (float)primes[k])));
    store(out + i, wasm_i32x4_trunc_sat_f32x4(sum));
  }
}

// Of integers below the product of `count` ascending primes, polynomial k their residues modulo prime k: the integers modulo
// 2^64, negated if asked for. Mixed radix (Garner): `inverses` has 1 / primes[j] modulo primes[k] at k count + j,
// two words each, `places` the product of the primes before k, modulo 2^64. Polynomials are used up.
EXPORT(garner)
void garner(u32 *x, u32 count, u32 n, const u32 *primes, const u32 *inverses, const u64 *places, u32 negate, u64 *out) {
  for (u32 k = 1; k < count; k++)
    for (u32 i = 0; i < n; i += 4) {
      block p = splat(primes[k]), digit = load(x + k * n + i);
      for (u32 j = 0; j < k; j++) {
        const u32 *inverse = inverses + 2 * (k * count + j);
        digit = times(sub_mod(digit, load(x + j * n + i), p), splat(inverse[0]), splat(inverse[1]), p);
      }
      store(x + k * n + i, digit);
    }
  for (u32 i = 0; i < n; i++) {
    u64 sum = 0;
    for (u32 k = 0; k < count; k++) sum += x[k * n + i] * places[k];
    out[i] = negate ? -sum : sum;
  }
}
