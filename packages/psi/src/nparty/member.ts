/**
 * Every other party of n-party PSI (KMPRT, CCS 2017, augmented semi-honest). Construction and turns: `leader.ts`; model,
 * leakage and deviations: `card.ts`.
 * @module
 */
import {
  type OkvsParameters,
  okvsAssign,
  okvsDecode,
  okvsEncode,
  okvsLength,
  okvsOrder,
  okvsRows,
  okvsValues,
  ROW_BYTES,
  type Rows,
} from '@2pm/crypto/okvs';
import { VoleSender, voleMessageBytes } from '@2pm/crypto/vole';
import { type Kernels, pieces } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { encodeDistinct, ITEM_BYTES } from '../items.ts';
import { outputTags } from '../rr22/tags.ts';
import { sendHint } from './hints.ts';
import { badParties, elementsPerFrame, forItems, LEADER, type NpartyOptions } from './parameters.ts';
import { type NpartySetup, openSession } from './session.ts';
import { addShares, agreeKey } from './zero-shares.ts';

export interface NpartyMemberOptions extends NpartyOptions {
  /** The own number, from 1 on. */
  party: number;
}

/** Errors as of `npartyLeader`. Learns nothing. */
export async function npartyMember(options: NpartyMemberOptions): Promise<void> {
  const { party, rng } = options;
  if (!(party > LEADER)) throw badParties(`no member has the number ${party}`);
  return openSession(options, party, async (setup) => {
    const fellows = setup.peers.filter(({ number }) => number !== LEADER);
    const keys = Promise.all(fellows.map((peer) => agreeKey(peer, party, rng)));
    await Promise.all([serve(options, setup, keys), keys]);
  });
}

async function serve(
  { party, capacities, crypto, rng, onPhase }: NpartyMemberOptions,
  { parameters, set, peers, session: run, kernels, group }: NpartySetup,
  keys: Promise<Uint8Array[]>,
): Promise<void> {
  const { channel, session, setup } = peers.find(({ number }) => number === LEADER) as NpartySetup['peers'][number];
  const { query, vole: sizes } = parameters;
  const bytes = voleMessageBytes(sizes, setup !== undefined);
  const vole = new VoleSender(
    { kernels, group, crypto, rng, session, codeSession: run, parameters: sizes },
    setup?.role === 'sender' ? setup.kept : undefined,
  );
  onPhase?.('load');

  const offer = await channel.receive(bytes.offer);
  await channel.send(vole.respond(offer));
  const n = set.length / ITEM_BYTES;
  const shape = forItems(query, n);
  kernels.reserve((ROW_BYTES + 4) * shape.bins * shape.binCapacity + ITEM_BYTES * (3 * sizes.length + 3 * n));
  onPhase?.('reserve memory');
  const r = await channel.receive(32);
  onPhase?.('await r');
  const rows = okvsRows(kernels, shape, r, set);
  onPhase?.('hash items');
  const choice = await channel.receive(bytes.choice);
  onPhase?.('await choice');
  await channel.send(vole.expand(offer, choice));
  onPhase?.('expand');

  const [values, slots] = [kernels.alloc(ITEM_BYTES * n), kernels.alloc(ITEM_BYTES * n)];
  okvsValues(kernels, rows, values);
  const tables = kernels.alloc(8192);
  kernels.run.gf_tables(kernels.put(vole.delta), tables);
  const [packed, blocks] = [
    kernels.alloc(FRAME_BYTES + ITEM_BYTES),
    kernels.alloc(ITEM_BYTES * elementsPerFrame(sizes)),
  ];
  // Δ·H_B(y) for every row, H_B cut as the store is.
  for (const [from, to] of pieces(n, elementsPerFrame(sizes))) {
    kernels.run.pack_tags(values + ITEM_BYTES * from, to - from, sizes.valueBytes, packed);
    kernels.run.unpack_tags(packed, to - from, sizes.valueBytes, blocks);
    kernels.run.gf_multiply(tables, blocks, ITEM_BYTES, slots + ITEM_BYTES * from, to - from, 0);
  }
  onPhase?.('multiply');
  const k = vole.finish();
  onPhase?.('code');
  for (const [from, to] of pieces(okvsLength(query), elementsPerFrame(sizes))) {
    const frame = await channel.receiveFrame(sizes.valueBytes * (to - from));
    if (from === 0) onPhase?.('await vector');
    kernels.bytes(packed, frame.length).set(frame);
    kernels.run.unpack_tags(packed, to - from, sizes.valueBytes, blocks);
    kernels.run.gf_multiply(tables, blocks, ITEM_BYTES, k + ITEM_BYTES * from, to - from, 1);
  }
  onPhase?.('receive vector');

  okvsDecode(kernels, rows, k, slots);
  outputTags(kernels, crypto, session, slots, n);
  onPhase?.('decode');
  const shareKeys = await keys;
  onPhase?.('await keys');
  addShares(kernels, crypto, shareKeys, { values, n, out: slots });
  onPhase?.('shares');
  const hint = parameters.hints[party] as OkvsParameters;
  const store = storeOf(kernels, rows, { hint, set, r, slots, same: n === capacities[LEADER] });
  const vector = encodeDistinct(() => okvsEncode(kernels, rng, store));
  onPhase?.('encode');
  await sendHint(kernels, channel, hint, vector);
  onPhase?.('send hint');
}

/** Rows in the shape of the hint that carry the slots, which are in the order of `rows`: those themselves if they fit. */
function storeOf(kernels: Kernels, rows: Rows, { hint, same, set, r, slots }: Store): Rows {
  if (same) {
    okvsAssign(kernels, rows, slots);
    return rows;
  }
  const store = okvsRows(kernels, hint, r, set);
  const order = okvsOrder(kernels, rows);
  const rowOf = new Uint32Array(order.length);
  for (let row = 0; row < order.length; row++) rowOf[order[row]!] = row;
  const values = kernels.alloc(ITEM_BYTES * order.length);
  const [from, to] = [kernels.words(slots, 4 * order.length), kernels.words(values, 4 * order.length)];
  for (const [row, item] of okvsOrder(kernels, store).entries()) {
    for (let k = 0; k < 4; k++) to[4 * row + k] = from[4 * rowOf[item]! + k]!;
  }
  okvsAssign(kernels, store, values);
  return store;
}

interface Store {
  hint: OkvsParameters;
  /** Whether the rows at hand have the shape of the hint. */
  same: boolean;
  set: Uint8Array;
  r: Uint8Array;
  slots: number;
}
