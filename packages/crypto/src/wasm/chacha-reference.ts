/** ChaCha by its definition: the slow yardstick of the tests. @module */

/** 16 words: RFC 8439 §2.3 with another number of rounds; of the nonce the last word is given, the others are zero. */
export function chachaBlock(key: Uint8Array, counter: number, nonce: number, rounds: number): Uint32Array {
  const words = new Uint32Array(key.slice().buffer);
  const first = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, ...words, counter, 0, 0, nonce);
  const v = first.slice();
  const add = (a: number, b: number) => {
    v[a] = v[a]! + v[b]!;
  };
  const mix = (a: number, b: number, by: number) => {
    const x = v[a]! ^ v[b]!;
    v[a] = (x << by) | (x >>> (32 - by));
  };
  const quarter = (a: number, b: number, c: number, d: number) => {
    for (const [far, near] of [
      [16, 12],
      [8, 7],
    ] as const) {
      add(a, b);
      mix(d, a, far);
      add(c, d);
      mix(b, c, near);
    }
  };
  for (let round = 0; round < rounds; round += 2) {
    for (let i = 0; i < 4; i++) quarter(i, i + 4, i + 8, i + 12);
    for (let i = 0; i < 4; i++) quarter(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  return v.map((word, i) => word + first[i]!);
}
