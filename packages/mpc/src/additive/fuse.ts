/**
 * Products of a bit and a word without the bit as a word: mul and dot of an injected bit take the bit itself as their first
 * argument. That costs two transfers in place of 129, and a round less.
 * @module
 */
import { type Circuit, type Gate, prune } from '../circuit.ts';

export function fuse({ gates, outputs, inputWords }: Circuit): Circuit {
  const fused = gates.map((gate): Gate => {
    const [x = -1, y = -1] = gate.args;
    if (gate.op !== 'mul' && gate.op !== 'dot') return gate;
    for (const [bit, word] of [
      [x, y],
      [y, x],
    ] as const) {
      const from = gates[bit];
      if (from?.op === 'inject') return { ...gate, args: [from.args[0] ?? -1, word] };
    }
    return gate;
  });
  return prune({ gates: fused, outputs, inputWords });
}
