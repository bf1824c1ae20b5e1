/**
 * Receiver of circuit PSI, semi-honest: both parties get shares of which of the receiver's items the sender holds, and of a
 * payload of the sender with each, and compute on them. Model, leakage and deviations: `card.ts`.
 *
 * Construction: the receiver puts its items into bins, one a bin (`cuckoo.ts`); the sender each of its items into all three
 * of its bins. For every bin b the sender draws a target t_b and a mask s_b, and lets the receiver evaluate, at what its
 * bin holds, a function that is (t_b, v − s_b) on the sender's items of that bin, with v their payload, and random
 * elsewhere: F(k) ⊕ Decode(D, k), D = Encode({k → F(k) ⊕ (t_b ‖ v − s_b)}), F the OPRF of RR22, k = item and position.
 * Then a bin matches if what the receiver has is t_b: the zero of a difference that the two share, which the back-end
 * `additive-semi-honest/1` tests, and goes on from.
 *
 * Messages before the circuit: offer → ← answer → r, choice → ← correction → P ⊕ A → ← D → done; about 1.7 store elements of 8 to
 * 13 bytes an item of the receiver, 62 bytes an item of the sender, plus 0.5 to 0.7 MB. In the circuit the test takes 126
 * bits and 126 transfers a bin, a sum over payloads 276 bytes a bin of each party.
 * @module
 */
import { okvsDecode, okvsEncode, okvsLength, okvsOrder, okvsRows } from '@2pm/crypto/okvs';
import { VoleReceiver, voleMessageBytes } from '@2pm/crypto/vole';
import { type Kernels, pieces } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { duplicateItem, encodeDistinct, ITEM_BYTES } from '../items.ts';
import { elementsPerFrame, forItems } from '../nparty/parameters.ts';
import { joinSlots, outputTags } from '../rr22/tags.ts';
import { type BinShares, compute, type Program, type ResultShare } from './compute.ts';
import { POSITIONS, placeItems, positionsOf } from './cuckoo.ts';
import { binKey, type CircuitPsiOptions, putKey } from './parameters.ts';
import { openSession } from './session.ts';

export interface CircuitPsiResult {
  /** One for each result of the program: the two parties' add up to it, or XOR for bits. */
  shares: ResultShare[];
  /** Of each bin the index of the own item in it, -1 where none. */
  itemOf: Int32Array;
}

/**
 * @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_DUPLICATE_ITEM`,
 * `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, `GROUP_BAD_ELEMENT`, `OKVS_FAILED` and `PSI_CUCKOO_FAILED` (retry with a new
 * sid), those of the back-end (`MPC_…`, `OT_BAD_LENGTH`), and the channel's.
 */
export async function circuitPsiReceiver(options: CircuitPsiOptions, program: Program): Promise<CircuitPsiResult> {
  const { itemOf, shares, session } = await look(options);
  options.onPhase?.('stores');
  const results = await compute(options, { seat: 0, session, shares }, program);
  options.onPhase?.('circuit');
  return { shares: results, itemOf };
}

async function look(
  options: CircuitPsiOptions,
): Promise<{ itemOf: Int32Array; shares: BinShares; session: Uint8Array }> {
  const { rng, crypto, onPhase } = options;
  const { parameters, items, payloads, channel, vole: context } = await openSession(options, 'receiver');
  const { kernels, session } = context;
  const { bins, query, hint, vole: sizes } = parameters;
  const bytes = voleMessageBytes(sizes);
  const vole = new VoleReceiver(context);
  await channel.send(vole.offer);
  // The sender has fixed its set before it answers, we ours before the offer: only now is r drawn.
  const answer = await channel.receive(bytes.answer);
  const r = rng.fill(new Uint8Array(32));
  await channel.send(r);
  await channel.send(vole.choose(answer));
  onPhase?.('base transfers');

  refuseDuplicates(kernels, items);
  const held = placeItems(positionsOf(crypto, binKey(r), items, bins), bins);
  const keys = rng.fill(new Uint8Array(ITEM_BYTES * bins));
  for (const [bin, number] of held.entries()) if (number >= 0) putKey(keys, bin, items, number);
  const rows = okvsRows(kernels, query, r, keys);
  const p = encodeDistinct(() => okvsEncode(kernels, rng, rows, sizes.length));
  onPhase?.('encode');
  // From here on p holds P ⊕ A.
  const c = vole.finish(await channel.receive(bytes.correction), p);
  const packed = kernels.alloc(FRAME_BYTES + ITEM_BYTES);
  for (const [from, to] of pieces(okvsLength(query), elementsPerFrame(sizes))) {
    kernels.run.pack_tags(p + ITEM_BYTES * from, to - from, sizes.valueBytes, packed);
    await channel.sendFrame(kernels.bytes(packed, sizes.valueBytes * (to - from)));
  }
  onPhase?.('vole');

  const values = new Uint32Array(4 * bins);
  const slots = zeroed(kernels, bins);
  okvsDecode(kernels, rows, c, slots);
  outputTags(kernels, crypto, session, slots, bins);
  addInOrder(values, kernels.words(slots, 4 * bins), okvsOrder(kernels, rows));
  const vector = kernels.alloc(ITEM_BYTES * okvsLength(hint));
  for (const [from, to] of pieces(ITEM_BYTES * okvsLength(hint), FRAME_BYTES)) {
    kernels.bytes(vector + from, to - from).set(await channel.receiveFrame(to - from));
  }
  // Nothing else would tell the sender that what it sent last arrived as it was.
  await channel.sendFrame(new Uint8Array(0));
  const hints = okvsRows(kernels, forItems(hint, bins), r, keys);
  const decoded = zeroed(kernels, bins);
  okvsDecode(kernels, hints, vector, decoded);
  addInOrder(values, kernels.words(decoded, 4 * bins), okvsOrder(kernels, hints));

  const shares = { difference: new BigUint64Array(bins), sender: new BigUint64Array(bins) };
  for (const [i, word] of new BigUint64Array(values.buffer).entries()) {
    shares[i % 2 === 0 ? 'difference' : 'sender'][i >> 1] = word;
  }
  const itemOf = held.map((number) => (number < 0 ? -1 : Math.floor(number / POSITIONS)));
  const receiver = BigUint64Array.from(itemOf, (item) => BigInt.asUintN(64, payloads?.[item] ?? 0n));
  return { itemOf, shares: { ...shares, receiver }, session };
}

/** The store would not notice: equal items may stand in different bins, under different positions. */
function refuseDuplicates(kernels: Kernels, items: Uint8Array): void {
  if (items.length === 0) return;
  const mark = kernels.mark();
  const n = items.length / ITEM_BYTES;
  if (joinSlots(kernels, kernels.put(items), n, ITEM_BYTES, true).repeated > 0) throw duplicateItem();
  kernels.release(mark);
}

/** XORs the blocks onto those of the bins that they belong to. */
function addInOrder(values: Uint32Array, blocks: Uint32Array, order: Uint32Array): void {
  for (const [row, bin] of order.entries()) {
    for (let k = 0; k < 4; k++) values[4 * bin + k] = values[4 * bin + k]! ^ blocks[4 * row + k]!;
  }
}

function zeroed(kernels: Kernels, blocks: number): number {
  const at = kernels.alloc(ITEM_BYTES * blocks);
  kernels.bytes(at, ITEM_BYTES * blocks).fill(0);
  return at;
}
