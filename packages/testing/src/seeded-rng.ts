/** Deterministic randomness for tests: SHA-256 in counter mode. A failure replays from its seed. @module */
import { type Rng, sha256Bytes } from '@2pm/core';

/** Equal seeds give equal streams, whatever the sizes in which they are drawn. Never for anything but tests. */
export function seededRng(seed: string | number): Rng {
  const name = new TextEncoder().encode(`2pm/seeded-rng/1:${seed}:`);
  let block: Uint8Array = new Uint8Array(0);
  let counter = 0;
  return {
    fill(bytes) {
      for (let offset = 0; offset < bytes.length; ) {
        if (block.length === 0) {
          block = sha256Bytes(name, new Uint8Array(new BigUint64Array([BigInt(counter++)]).buffer));
        }
        const taken = block.subarray(0, bytes.length - offset);
        bytes.set(taken, offset);
        offset += taken.length;
        block = block.subarray(taken.length);
      }
      return bytes;
    },
  };
}
