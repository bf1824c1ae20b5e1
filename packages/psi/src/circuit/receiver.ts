/**
 * The leader of a match in a circuit, towards one member: it and the member get words by bin that add up to 0 where the
 * member holds the item of the bin, and others that then add up to what the member brings with it. Model, leakage and
 * deviations: `card.ts`.
 *
 * Construction: the leader has put its items into bins, one a bin (`bins.ts`); the member puts each of its items into all
 * three of its bins. For every bin b the member draws a target t_b and a pad s_b for each of its columns, and lets the leader
 * evaluate, at what its bin holds, a function that is (t_b, v − s_b, …) on the member's items of that bin, with v what it
 * brings, and random elsewhere: F_j(k) ⊕ Decode(D_j, k) with D_j = Encode({k → F_j(k) ⊕ words 2j and 2j + 1}), F the OPRF of
 * RR22, F_j its hash under a key for each store, k = item and position. The member's words are −t_b and s_b. The difference is
 * tested for 0 by whoever computes on shares of both: several leaders' pairs with the same placement make a match of many.
 *
 * Messages: offer → ← answer → r, choice → ← correction → P ⊕ A → ← D_0, D_1, … → done; about 1.7 elements of 8 to 13 bytes an
 * item of the leader, 3.9 · 8 bytes an item and word of the member, plus 0.5 to 0.7 MB.
 * @module
 */
import { okvsDecode, okvsEncode, okvsLength, okvsOrder, okvsRows } from '@2pm/crypto/okvs';
import { VoleReceiver, voleMessageBytes } from '@2pm/crypto/vole';
import { encodeDistinct, ITEM_BYTES } from '../items.ts';
import { forItems } from '../nparty/parameters.ts';
import { outputTags } from '../rr22/tags.ts';
import type { Placement } from './bins.ts';
import { type OpprfOptions, storeSession } from './parameters.ts';
import { openSession, receiveBlocks, sendBlocks } from './session.ts';

/**
 * Words of the leader, one vector over the bins for the difference and one for each of the member's `columns`.
 * @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, `GROUP_BAD_ELEMENT`, `OKVS_FAILED` (retry
 * with a new sid), and the channel's.
 */
export async function opprfReceiver(
  options: OpprfOptions & { columns: number },
  { r, keys }: Placement,
): Promise<BigUint64Array[]> {
  const { rng, crypto, onPhase, columns } = options;
  const { parameters, channel, vole: context } = await openSession(options, columns);
  const { kernels, session } = context;
  const { bins, query, hint, widths, vole: sizes } = parameters;
  const bytes = voleMessageBytes(sizes);
  const vole = new VoleReceiver(context);
  await channel.send(vole.offer);
  // The member has fixed its set before it answers, we ours before the offer: only now may it learn r.
  const answer = await channel.receive(bytes.answer);
  await channel.send(r);
  await channel.send(vole.choose(answer));
  onPhase?.('base transfers');

  const rows = okvsRows(kernels, query, r, keys);
  const p = encodeDistinct(() => okvsEncode(kernels, rng, rows, sizes.length));
  onPhase?.('encode');
  // From here on p holds P ⊕ A.
  const c = vole.finish(await channel.receive(bytes.correction), p);
  await sendBlocks(channel, kernels, p, okvsLength(query), sizes.valueBytes);
  onPhase?.('vole');

  const zeroed = () => {
    const at = kernels.alloc(ITEM_BYTES * bins);
    kernels.bytes(at, ITEM_BYTES * bins).fill(0);
    return at;
  };
  const [blocks, hashed] = [zeroed(), kernels.alloc(ITEM_BYTES * bins)];
  okvsDecode(kernels, rows, c, blocks);
  const order = okvsOrder(kernels, rows);
  const hints = okvsRows(kernels, forItems(hint, bins), r, keys);
  const hintOrder = okvsOrder(kernels, hints);
  const vector = kernels.alloc(ITEM_BYTES * okvsLength(hint));
  const words: BigUint64Array[] = [];
  for (const [store, width] of widths.entries()) {
    await receiveBlocks(channel, kernels, okvsLength(hint), width, (from, first, to) => {
      kernels
        .bytes(vector + ITEM_BYTES * first, ITEM_BYTES * (to - first))
        .set(kernels.bytes(from, ITEM_BYTES * (to - first)));
    });
    kernels.bytes(hashed, ITEM_BYTES * bins).set(kernels.bytes(blocks, ITEM_BYTES * bins));
    outputTags(kernels, crypto, storeSession(session, store), hashed, bins);
    const values = new Uint32Array(4 * bins);
    addInOrder(values, kernels.words(hashed, 4 * bins), order);
    kernels.bytes(hashed, ITEM_BYTES * bins).fill(0);
    okvsDecode(kernels, hints, vector, hashed);
    addInOrder(values, kernels.words(hashed, 4 * bins), hintOrder);
    const pairs = new BigUint64Array(values.buffer);
    for (let half = 0; half < width / 8; half++) words.push(pairs.filter((_, i) => i % 2 === half));
  }
  // Nothing else would tell the member that what it sent last arrived as it was.
  await channel.sendFrame(new Uint8Array(0));
  onPhase?.('stores');
  return words;
}

/** XORs the blocks onto those of the bins that they belong to. */
function addInOrder(values: Uint32Array, blocks: Uint32Array, order: Uint32Array): void {
  for (const [row, bin] of order.entries()) {
    for (let k = 0; k < 4; k++) values[4 * bin + k] = values[4 * bin + k]! ^ blocks[4 * row + k]!;
  }
}
