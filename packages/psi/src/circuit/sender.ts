/** A member of a match in a circuit, towards the leader. Construction and turns: `receiver.ts`; model, leakage: `card.ts`. @module */
import { BIN_POSITIONS, NodeError } from '@2pm/core';
import { okvsAssign, okvsDecode, okvsEncode, okvsLength, okvsOrder, okvsRows, okvsValues } from '@2pm/crypto/okvs';
import { VoleSender, voleMessageBytes } from '@2pm/crypto/vole';
import { pieces } from '@2pm/crypto/wasm';
import { encodeDistinct, ITEM_BYTES, paddedItems } from '../items.ts';
import { elementsPerFrame, forItems } from '../nparty/parameters.ts';
import { outputTags } from '../rr22/tags.ts';
import { binKey, positionsOf, putKey } from './bins.ts';
import { type OpprfOptions, storeSession } from './parameters.ts';
import { openSession, receiveBlocks, sendBlocks } from './session.ts';

export interface MemberRows {
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  /** What to bring along: a number for each item. */
  columns: readonly BigInt64Array[];
}

/**
 * Words of the member, to go with those of `opprfReceiver`.
 * @throws {NodeError} as it, and `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_DUPLICATE_ITEM`.
 */
export async function opprfSender(options: OpprfOptions, own: MemberRows): Promise<BigUint64Array[]> {
  const { rng, crypto, onPhase } = options;
  if (own.columns.some(({ length }) => length !== own.items.length / ITEM_BYTES)) {
    throw new NodeError('PSI_BAD_ITEMS', 'a column holds values for another number of items', { fault: 'caller' });
  }
  // Copies, fixed before the first frame: stores are sound only for sets that do not follow from r.
  const items = paddedItems(own.items, options.capacity.sender, rng);
  const columns = own.columns.map((column) => {
    const padded = new BigInt64Array(options.capacity.sender);
    padded.set(column);
    return new Uint32Array(padded.buffer);
  });
  const { parameters, channel, vole: context } = await openSession(options, columns.length);
  const { kernels, session } = context;
  const { bins, query, hint, widths, vole: sizes } = parameters;
  const bytes = voleMessageBytes(sizes);
  const vole = new VoleSender(context);
  const offer = await channel.receive(bytes.offer);
  await channel.send(vole.respond(offer));
  const r = await channel.receive(32);
  const choice = await channel.receive(bytes.choice);
  await channel.send(vole.expand(offer, choice));
  onPhase?.('base transfers');

  const positions = positionsOf(crypto, binKey(r), items, bins);
  const n = positions.length;
  const keys = new Uint8Array(ITEM_BYTES * n);
  const [names, digests] = [new Uint32Array(keys.buffer), new Uint32Array(items.buffer)];
  for (let number = 0; number < n; number++) putKey(names, number, digests, number);
  const rows = okvsRows(kernels, forItems(query, n), r, keys);
  const [values, slots] = [kernels.alloc(ITEM_BYTES * n), kernels.alloc(ITEM_BYTES * n)];
  okvsValues(kernels, rows, values);
  const tables = kernels.alloc(8192);
  kernels.run.gf_tables(kernels.put(vole.delta), tables);
  const perFrame = elementsPerFrame(sizes);
  const mark = kernels.mark();
  const [packed, blocks] = [
    kernels.alloc(sizes.valueBytes * perFrame + ITEM_BYTES),
    kernels.alloc(ITEM_BYTES * perFrame),
  ];
  // Δ·H_B(k) for every row, H_B cut as the store is.
  for (const [from, to] of pieces(n, perFrame)) {
    kernels.run.pack_tags(values + ITEM_BYTES * from, to - from, sizes.valueBytes, packed);
    kernels.run.unpack_tags(packed, to - from, sizes.valueBytes, blocks);
    kernels.run.gf_multiply(tables, blocks, ITEM_BYTES, slots + ITEM_BYTES * from, to - from, 0);
  }
  kernels.release(mark);
  const k = vole.finish();
  onPhase?.('vole');
  await receiveBlocks(channel, kernels, okvsLength(query), sizes.valueBytes, (from, first, to) => {
    kernels.run.gf_multiply(tables, from, ITEM_BYTES, k + ITEM_BYTES * first, to - first, 1);
  });
  okvsDecode(kernels, rows, k, slots);
  const order = okvsOrder(kernels, rows);
  onPhase?.('decode');

  // The target of each bin, and the pads.
  const random = [0, ...columns].map(() => new BigUint64Array(rng.fill(new Uint8Array(8 * bins)).buffer));
  const drawn = random.map((words) => new Uint32Array(words.buffer));
  const store = okvsRows(kernels, hint, r, keys);
  const rowOf = new Uint32Array(n);
  for (const [row, number] of okvsOrder(kernels, store).entries()) rowOf[number] = row;
  for (const [index, width] of widths.entries()) {
    const before = kernels.mark();
    const at = kernels.alloc(ITEM_BYTES * n);
    kernels.bytes(at, ITEM_BYTES * n).set(kernels.bytes(slots, ITEM_BYTES * n));
    outputTags(kernels, crypto, storeSession(session, index), at, n);
    // What each key is to decode to: its function's value and what the bin's item should give.
    const functions = kernels.words(at, 4 * n).slice();
    const programmed = kernels.words(at, 4 * n);
    for (let half = 0; half < 2; half++) {
      const [mask, column] = [drawn[2 * index + half], columns[2 * index + half - 1]];
      for (let row = 0; row < n; row++) {
        const number = order[row]!;
        const from = 4 * row + 2 * half;
        const to = 4 * rowOf[number]! + 2 * half;
        const bin = 2 * positions[number]!;
        let low = mask === undefined ? 0 : mask[bin]!;
        let high = mask === undefined ? 0 : mask[bin + 1]!;
        if (column !== undefined) {
          const item = 2 * Math.floor(number / BIN_POSITIONS);
          low = column[item]! - low;
          high = column[item + 1]! - high - (low < 0 ? 1 : 0);
        }
        programmed[to] = functions[from]! ^ low;
        programmed[to + 1] = functions[from + 1]! ^ high;
      }
    }
    okvsAssign(kernels, store, at);
    const vector = encodeDistinct(() => okvsEncode(kernels, rng, store));
    await sendBlocks(channel, kernels, vector, okvsLength(hint), width);
    kernels.release(before);
  }
  onPhase?.('encode');
  await channel.receiveFrame(0);
  return random.map((drawn, word) => (word === 0 ? drawn.map((target) => -target) : drawn));
}
