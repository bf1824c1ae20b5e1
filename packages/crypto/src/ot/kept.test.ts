import { type Rng, sha256Bytes, toHex } from '@2pm/core';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { type Group, loadGroup } from '../group/ristretto255.ts';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { type KeptOtReceiver, type KeptOtSender, keptOtReceiver, keptOtSender } from './kept.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const code = (code: string) => expect.objectContaining({ code });
const bitOf = (bits: Uint8Array, i: number) => (bits[i >> 3]! >> (i & 7)) & 1;

let group: Group;
let kernels: Kernels;
beforeAll(async () => {
  group = await loadGroup();
});
beforeEach(async () => {
  kernels = await loadKernels();
});

function setup(sessions = [sha256Bytes(random(4))]): { sender: KeptOtSender; receiver: KeptOtReceiver } {
  const receiver = keptOtReceiver({ group, rng: nodeRng, session: sessions[0]! });
  const sender = keptOtSender({ group, rng: nodeRng, session: sessions.at(-1)! });
  return { sender: sender.finish(receiver.offer), receiver: receiver.finish(sender.answer) };
}

/** Every AES key that extension draws a stream under, as the provider sees it. */
function tapped() {
  const streams: string[] = [];
  const crypto: typeof nodeCrypto = {
    ...nodeCrypto,
    aes128Ctr: (key, nonce, counter, length) => {
      streams.push(`${toHex(key)} ${toHex(nonce)} ${counter}`);
      return nodeCrypto.aes128Ctr(key, nonce, counter, length);
    },
  };
  return { streams, crypto };
}

function session(
  { sender, receiver }: ReturnType<typeof setup>,
  sid: Uint8Array,
  { crypto } = tapped(),
  rng = nodeRng,
) {
  const choices = random(16);
  const context = { kernels, crypto, rng, session: sid };
  const [give, take] = [sender.session(context), receiver.session(context, choices)];
  const answer = take.respond(give.offer);
  return { choices, offer: give.offer, answer, pairs: give.keys(answer), chosen: take.keys() };
}

test('every session gives the chosen key of each pair, of keys that are all different', () => {
  const kept = setup();
  expect(kept.sender.id).toEqual(kept.receiver.id);
  const seen: string[] = [];
  for (let run = 0; run < 3; run++) {
    const { choices, pairs, chosen } = session(kept, random(32));
    for (const [i, pair] of pairs.entries()) expect(chosen[i]).toEqual(pair[bitOf(choices, i)]);
    seen.push(...pairs.flat().map(toHex));
  }
  expect(new Set(seen).size).toBe(3 * 256);
});

test('no stream is drawn twice, not even in sessions of one name', () => {
  const kept = setup();
  const tap = tapped();
  const sid = random(32);
  for (let run = 0; run < 20; run++) session(kept, run % 2 === 0 ? sid : random(32), tap);
  // The choosing end draws both streams of 128 pairs, the other end one of each of the same.
  expect(tap.streams.length).toBe(20 * 3 * 128);
  expect(new Set(tap.streams).size).toBe(20 * 2 * 128);
});

test('a peer that repeats its first message gets new streams all the same', () => {
  const { receiver, sender } = setup();
  const sid = random(32);
  const { offer } = sender.session({ kernels, crypto: nodeCrypto, rng: nodeRng, session: sid });
  const tap = tapped();
  const choices = random(16);
  const answers = [0, 1].map(() =>
    receiver.session({ kernels, crypto: tap.crypto, rng: nodeRng, session: sid }, choices).respond(offer),
  );
  expect(new Set(tap.streams).size).toBe(2 * 256);
  // Under one pair of streams the difference of two corrections is that of the choices: here it would be zero.
  const rows = answers.map((answer) => toHex(answer.subarray(32)).slice(2).match(/.{32}/g)!);
  expect(rows[0]!.filter((row, i) => row === rows[1]![i])).toEqual([]);
});

test('an end whose randomness repeats itself refuses, at either end', () => {
  const { receiver, sender } = setup();
  const stuck: Rng = { fill: (bytes) => bytes.fill(7) as typeof bytes };
  const context = { kernels, crypto: nodeCrypto, rng: stuck, session: random(32) };
  const give = sender.session(context);
  const take = receiver.session(context, random(16));
  const answer = take.respond(give.offer);
  expect(() => take.respond(give.offer)).toThrow(code('OT_STREAM_REUSED'));
  expect(() => receiver.session(context, random(16)).respond(give.offer)).toThrow(code('OT_STREAM_REUSED'));
  give.keys(answer);
  expect(() => sender.session(context).keys(answer)).toThrow(code('OT_STREAM_REUSED'));
});

test('two setups have two names, and their ends do not fit', () => {
  const [one, other] = [setup(), setup()];
  expect(one.sender.id).not.toEqual(other.sender.id);
  const { pairs, chosen } = session({ sender: one.sender, receiver: other.receiver }, random(32));
  expect(chosen.filter((key, i) => pairs[i]!.some((mine) => toHex(mine) === toHex(key)))).toEqual([]);
});

test('messages of a wrong length are refused with a code', () => {
  const { receiver, sender } = setup();
  const context = { kernels, crypto: nodeCrypto, rng: nodeRng, session: random(32) };
  expect(() => sender.session(context).keys(random(2079))).toThrow(code('OT_BAD_LENGTH'));
  expect(() => receiver.session(context, random(16)).respond(random(31))).toThrow(code('OT_BAD_LENGTH'));
});
