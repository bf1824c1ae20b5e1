/**
 * Leader of n-party PSI (KMPRT, CCS 2017: the protocol of the augmented semi-honest model). Model, leakage and deviations: `card.ts`.
 *
 * Members hold shares s_i(x) that XOR to zero (`zero-shares.ts`). Each lets the leader evaluate a function on its items that
 * is s_i on the member's set and random elsewhere, and that shows the leader nothing else: F_i(x) ⊕ Decode(D_i, x), with
 * the hint D_i = Encode({y → F_i(y) ⊕ s_i(y)}) and F_i the OPRF of RR22,
 * F_i(y) = H(Decode(K_i, y) − Δ_i·H_B(y, r)) = H(Decode(C_i, x)) for the leader's x. An item that all hold sums to zero.
 *
 * One store for all: the leader sends each member the same P ⊕ A. Members' views of it are one masked vector and transfers
 * that hide A's noise, so that together they learn no more of P than one alone: nothing, under dual LPN. For the leader,
 * F_i at y outside its set is H at a point shifted by Δ_i·(Decode(P, y) ⊕ H_B(y, r)): pseudo-random for each Δ_i by
 * itself unless the bracket is zero, which happens for any item of any member with probability below 2^-40 / n_leader,
 * however many members share P.
 * Hints: given what the leader may know, each is a uniform vector (`okvsAssign`), so that it hides the member's set; those
 * in stores of one shape add up before they are decoded, once.
 *
 * Messages with each member: offer → ← answer → r, choice → ← correction → P ⊕ A → ← hint; about 116 bits an item of the
 * leader and 84 of the member, plus 0.5 to 0.7 MB.
 * @module
 */
import {
  type OkvsParameters,
  okvsDecode,
  okvsEncode,
  okvsLength,
  okvsMarked,
  okvsOrder,
  okvsRows,
  ROW_BYTES,
  type Rows,
} from '@2pm/crypto/okvs';
import { spreadNoise, VoleReceiver, voleMessageBytes, voleNoise } from '@2pm/crypto/vole';
import { type Kernels, pieces } from '@2pm/crypto/wasm';
import { encodeDistinct, ITEM_BYTES } from '../items.ts';
import { outputTags } from '../rr22/tags.ts';
import { receiveHints } from './hints.ts';
import { elementsPerFrame, forItems, LEADER, type NpartyOptions, SHARE_BYTES } from './parameters.ts';
import { type NpartySetup, openSession } from './session.ts';

const SHARE_WORDS = SHARE_BYTES / 4;

/**
 * Returns the ascending indices of the own items that all the other parties hold.
 * @throws {NodeError} `PSI_BAD_PARTIES`, `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_BAD_SETUP`,
 * `PSI_DUPLICATE_ITEM`, `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, `GROUP_BAD_ELEMENT`, `OKVS_FAILED` (retry with a new
 * sid), and the channels'.
 */
export function npartyLeader(options: NpartyOptions): Promise<Uint32Array> {
  return openSession(options, LEADER, (session) => lead(options, session));
}

async function lead(options: NpartyOptions, own: NpartySetup): Promise<Uint32Array> {
  const { capacities, rng, crypto, onPhase } = options;
  const { parameters, set, peers, session, kernels, group } = own;
  const { query, vole } = parameters;
  const context = { kernels, group, crypto, rng, session, codeSession: session, parameters: vole };
  const noise = voleNoise(rng, vole);
  const members = peers.map((peer) => ({
    ...peer,
    bytes: voleMessageBytes(vole, peer.setup !== undefined),
    vole: new VoleReceiver(
      { ...context, session: peer.session },
      noise,
      peer.setup?.role === 'receiver' ? peer.setup.kept : undefined,
    ),
  }));
  onPhase?.('load');
  await Promise.all(members.map((member) => member.channel.send(member.vole.offer)));
  const n = set.length / ITEM_BYTES;
  kernels.reserve((ROW_BYTES + 4) * query.bins * query.binCapacity + 3 * ITEM_BYTES * (vole.length + n));
  onPhase?.('reserve memory');

  // All members have fixed their sets before they answer, we ours before the offers: only now is r drawn.
  const answers = await Promise.all(members.map(({ channel, bytes }) => channel.receive(bytes.answer)));
  onPhase?.('await answers');
  const r = rng.fill(new Uint8Array(32));
  await Promise.all(members.map((member) => member.channel.send(r)));
  for (const [i, member] of members.entries()) {
    await member.channel.send(member.vole.choose(answers[i] as Uint8Array));
  }
  onPhase?.('base transfers');

  const rows = okvsRows(kernels, query, r, set);
  onPhase?.('hash items');
  const p = encodeDistinct(() => okvsEncode(kernels, rng, rows, vole.length));
  onPhase?.('encode');
  spreadNoise(context, noise, p);
  // From here on p holds P ⊕ A, each element cut to its bytes.
  const { valueBytes } = vole;
  for (const [from, to] of pieces(okvsLength(query))) {
    kernels.run.pack_tags(p + ITEM_BYTES * from, to - from, valueBytes, p + valueBytes * from);
  }
  onPhase?.('code');
  const corrections = await Promise.all(
    members.map(async ({ channel, bytes }) => {
      const correction = await channel.receive(bytes.correction);
      for (const [from, to] of pieces(okvsLength(query), elementsPerFrame(vole))) {
        await channel.sendFrame(kernels.bytes(p + valueBytes * from, valueBytes * (to - from)));
      }
      return correction;
    }),
  );
  onPhase?.('send vector');

  const [totals, slots] = [kernels.alloc(ITEM_BYTES * n), kernels.alloc(ITEM_BYTES * n)];
  kernels.bytes(totals, ITEM_BYTES * n).fill(0);
  for (const [i, member] of members.entries()) {
    const mark = kernels.mark();
    const c = member.vole.finish(corrections[i] as Uint8Array);
    kernels.bytes(slots, ITEM_BYTES * n).fill(0);
    okvsDecode(kernels, rows, c, slots);
    outputTags(kernels, crypto, member.session, slots, n);
    for (const [from, to] of pieces(n)) {
      const [at, size] = [totals + ITEM_BYTES * from, to - from];
      kernels.run.xor_blocks(at, slots + ITEM_BYTES * from, at, size);
    }
    kernels.release(mark);
    onPhase?.('vole and decode');
  }
  for (const capacity of new Set(members.map(({ number }) => capacities[number] as number))) {
    const alike = members.filter(({ number }) => capacities[number] === capacity);
    const shape = parameters.hints[alike[0]?.number ?? LEADER] as OkvsParameters;
    const mark = kernels.mark();
    const channels = alike.map(({ channel }) => channel);
    const vector = await receiveHints(kernels, channels, shape);
    onPhase?.('await hints');
    if (capacity === n) okvsDecode(kernels, rows, vector, totals);
    else addDecoded(kernels, okvsRows(kernels, forItems(shape, n), r, set), vector, rows, totals);
    kernels.release(mark);
  }
  const matches = okvsMarked(kernels, rows, zeros(kernels, totals, n), options.items.length / ITEM_BYTES);
  onPhase?.('join');
  return matches;
}

/** Adds what the items, here as `rows` of another shape, decode to onto their totals, which are in the order of `as`. */
function addDecoded(kernels: Kernels, rows: Rows, vector: number, as: Rows, totals: number): void {
  const order = okvsOrder(kernels, rows);
  const slots = kernels.alloc(ITEM_BYTES * order.length);
  kernels.bytes(slots, ITEM_BYTES * order.length).fill(0);
  okvsDecode(kernels, rows, vector, slots);
  const rowOf = new Uint32Array(order.length);
  for (let row = 0; row < order.length; row++) rowOf[order[row]!] = row;
  const [from, to] = [kernels.words(slots, 4 * order.length), kernels.words(totals, 4 * order.length)];
  for (const [row, item] of okvsOrder(kernels, as).entries()) {
    for (let k = 0; k < SHARE_WORDS; k++) to[4 * row + k]! ^= from[4 * rowOf[item]! + k]!;
  }
}

/** The address of marks: 1 for each of the blocks whose share is zero. */
function zeros(kernels: Kernels, totals: number, n: number): number {
  const at = kernels.alloc(n);
  const [marks, words] = [kernels.bytes(at, n), kernels.words(totals, 4 * n)];
  for (let row = 0; row < n; row++) {
    let any = 0;
    for (let k = 0; k < SHARE_WORDS; k++) any |= words[4 * row + k]!;
    marks[row] = any === 0 ? 1 : 0;
  }
  return at;
}
