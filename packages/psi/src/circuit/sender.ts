/** Sender of circuit PSI, semi-honest. Construction and turns: `receiver.ts`; model, leakage and deviations: `card.ts`. @module */
import { okvsAssign, okvsDecode, okvsEncode, okvsLength, okvsOrder, okvsRows, okvsValues } from '@2pm/crypto/okvs';
import { VoleSender, voleMessageBytes } from '@2pm/crypto/vole';
import { pieces } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { encodeDistinct, ITEM_BYTES } from '../items.ts';
import { elementsPerFrame, forItems } from '../nparty/parameters.ts';
import { outputTags } from '../rr22/tags.ts';
import { type BinShares, compute, type Program, type ResultShare } from './compute.ts';
import { POSITIONS, positionsOf } from './cuckoo.ts';
import { binKey, type CircuitPsiOptions, putKey } from './parameters.ts';
import { openSession } from './session.ts';

/** Errors as of `circuitPsiReceiver`. This party's share of each result of the program. */
export async function circuitPsiSender(options: CircuitPsiOptions, program: Program): Promise<ResultShare[]> {
  const { shares, session } = await serve(options);
  options.onPhase?.('stores');
  const results = await compute(options, { seat: 1, session, shares }, program);
  options.onPhase?.('circuit');
  return results;
}

async function serve(options: CircuitPsiOptions): Promise<{ shares: BinShares; session: Uint8Array }> {
  const { rng, crypto, onPhase } = options;
  const { parameters, items, payloads, channel, vole: context } = await openSession(options, 'sender');
  const { kernels, session } = context;
  const { bins, query, hint, vole: sizes } = parameters;
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
  for (let number = 0; number < n; number++) putKey(keys, number, items, number);
  const rows = okvsRows(kernels, forItems(query, n), r, keys);
  const [values, slots] = [kernels.alloc(ITEM_BYTES * n), kernels.alloc(ITEM_BYTES * n)];
  okvsValues(kernels, rows, values);
  const tables = kernels.alloc(8192);
  kernels.run.gf_tables(kernels.put(vole.delta), tables);
  const perFrame = elementsPerFrame(sizes);
  const [packed, blocks] = [kernels.alloc(FRAME_BYTES + ITEM_BYTES), kernels.alloc(ITEM_BYTES * perFrame)];
  // Δ·H_B(k) for every row, H_B cut as the store is.
  for (const [from, to] of pieces(n, perFrame)) {
    kernels.run.pack_tags(values + ITEM_BYTES * from, to - from, sizes.valueBytes, packed);
    kernels.run.unpack_tags(packed, to - from, sizes.valueBytes, blocks);
    kernels.run.gf_multiply(tables, blocks, ITEM_BYTES, slots + ITEM_BYTES * from, to - from, 0);
  }
  const k = vole.finish();
  onPhase?.('vole');
  for (const [from, to] of pieces(okvsLength(query), perFrame)) {
    const frame = await channel.receiveFrame(sizes.valueBytes * (to - from));
    kernels.bytes(packed, frame.length).set(frame);
    kernels.run.unpack_tags(packed, to - from, sizes.valueBytes, blocks);
    kernels.run.gf_multiply(tables, blocks, ITEM_BYTES, k + ITEM_BYTES * from, to - from, 1);
  }
  okvsDecode(kernels, rows, k, slots);
  outputTags(kernels, crypto, session, slots, n);
  onPhase?.('decode');

  const random = () => new BigUint64Array(rng.fill(new Uint8Array(8 * bins)).buffer);
  const [targets, masks] = [random(), random()];
  // What each key is to decode to, in the order of the keys: its function's value and what the bin's item should give.
  const programmed = new BigUint64Array(2 * n);
  const functions = new BigUint64Array(kernels.bytes(slots, ITEM_BYTES * n).slice().buffer);
  for (const [row, number] of okvsOrder(kernels, rows).entries()) {
    const bin = positions[number]!;
    const payload = payloads?.[Math.floor(number / POSITIONS)] ?? 0n;
    programmed[2 * number] = functions[2 * row]! ^ targets[bin]!;
    programmed[2 * number + 1] = functions[2 * row + 1]! ^ BigInt.asUintN(64, payload - masks[bin]!);
  }
  const store = okvsRows(kernels, hint, r, keys);
  const inOrder = new BigUint64Array(2 * n);
  for (const [row, number] of okvsOrder(kernels, store).entries()) {
    inOrder.set(programmed.subarray(2 * number, 2 * number + 2), 2 * row);
  }
  okvsAssign(kernels, store, kernels.put(new Uint8Array(inOrder.buffer)));
  const vector = encodeDistinct(() => okvsEncode(kernels, rng, store));
  onPhase?.('encode');
  for (const [from, to] of pieces(ITEM_BYTES * okvsLength(hint), FRAME_BYTES)) {
    await channel.sendFrame(kernels.bytes(vector + from, to - from));
  }
  await channel.receiveFrame(0);
  const difference = targets.map((target) => -target);
  return { shares: { difference, sender: masks, receiver: new BigUint64Array(bins) }, session };
}
