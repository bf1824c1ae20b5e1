import { sha256Bytes } from '@2pm/core';
import { expect, test } from 'vitest';
import { blocksToIntegers, multiplyReference } from '../gf128/reference.ts';
import { loadGroup } from '../group/ristretto255.ts';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { chachaBlock } from '../wasm/chacha-reference.ts';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { exConv } from './exconv.ts';
import { voleNoise } from './noise.ts';
import { voleParameters } from './parameters.ts';
import { spreadNoise, VoleReceiver, VoleSender, voleMessageBytes } from './silent.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

async function correlate(length: number, sessions: [Uint8Array, Uint8Array]) {
  const group = await loadGroup();
  const parameters = voleParameters(length);
  const context = async (session: Uint8Array) => {
    const kernels = await loadKernels();
    return { kernels, group, crypto: nodeCrypto, rng: nodeRng, session, parameters };
  };
  const [senderContext, receiverContext] = [await context(sessions[0]), await context(sessions[1])];
  const sender = new VoleSender(senderContext);
  const receiver = new VoleReceiver(receiverContext);
  const choice = receiver.choose(sender.answer);
  const correction = sender.expand(receiver.offer, choice);
  const onto = random(16 * parameters.length);
  const a = receiverContext.kernels.put(onto);
  const c = receiver.finish(correction, a);
  const b = sender.finish();
  const read = (kernels: Kernels, at: number) => blocksToIntegers(kernels.bytes(at, 16 * parameters.length).slice());
  const sum = read(receiverContext.kernels, a);
  const messages = { offer: receiver.offer, answer: sender.answer, choice, correction };
  return {
    parameters,
    messages,
    delta: blocksToIntegers(sender.delta)[0]!,
    a: blocksToIntegers(onto).map((value, i) => value ^ sum[i]!),
    b: read(senderContext.kernels, b),
    c: read(receiverContext.kernels, c),
  };
}

const holds = ({ a, b, c, delta }: Pick<Awaited<ReturnType<typeof correlate>>, 'a' | 'b' | 'c' | 'delta'>) =>
  c.filter((value, i) => value === (b[i]! ^ multiplyReference(a[i]!, delta))).length;

test.each([1, 5000])(
  'a VOLE of at least %i satisfies C = B + Δ·A everywhere, looks random, and sends what its parameters say',
  async (length) => {
    const session = random(32);
    const vole = await correlate(length, [session, session]);
    expect(vole.c.length).toBeGreaterThanOrEqual(length);
    const lengths = Object.fromEntries(Object.entries(vole.messages).map(([name, bytes]) => [name, bytes.length]));
    expect(lengths).toEqual(voleMessageBytes(vole.parameters));
    expect(holds(vole)).toBe(vole.c.length);
    for (const vector of [vole.a, vole.b, vole.c]) {
      expect(new Set(vector).size).toBe(vector.length);
      const ones = vector.reduce((sum, value) => sum + value.toString(2).replaceAll('0', '').length, 0);
      const bits = 128 * vector.length;
      expect(Math.abs(ones - bits / 2)).toBeLessThan(6 * Math.sqrt(bits / 4));
    }
  },
);

test('parties of two sessions get no correlation', async () => {
  const vole = await correlate(4096, [random(32), random(32)]);
  expect(holds(vole)).toBe(0);
});

test('one noise and one code give one A towards several senders, each with Δ and B of its own', async () => {
  const [group, codeSession] = [await loadGroup(), random(32)];
  const [parameters, rng, crypto] = [voleParameters(4096), nodeRng, nodeCrypto];
  const kernels = await loadKernels();
  const noise = voleNoise(rng, parameters);
  const at = kernels.put(new Uint8Array(16 * parameters.length));
  spreadNoise({ kernels, crypto, session: random(32), codeSession, parameters }, noise, at);
  const a = blocksToIntegers(kernels.bytes(at, 16 * parameters.length).slice());
  const deltas: bigint[] = [];
  for (let i = 0; i < 2; i++) {
    const own = await loadKernels();
    const shared = { group, crypto, rng, session: random(32), codeSession, parameters };
    const sender = new VoleSender({ ...shared, kernels: own });
    const receiver = new VoleReceiver({ ...shared, kernels }, noise);
    const mark = kernels.mark();
    const c = receiver.finish(sender.expand(receiver.offer, receiver.choose(sender.answer)));
    const [left, right] = [
      blocksToIntegers(kernels.bytes(c, 16 * parameters.length).slice()),
      blocksToIntegers(own.bytes(sender.finish(), 16 * parameters.length).slice()),
    ];
    const delta = blocksToIntegers(sender.delta)[0]!;
    expect(holds({ delta, a, b: right, c: left })).toBe(left.length);
    deltas.push(delta);
    kernels.release(mark);
  }
  expect(new Set(deltas).size).toBe(2);
});

test('messages of a wrong length and impossible sizes are refused with a code', async () => {
  const context = {
    kernels: await loadKernels(),
    group: await loadGroup(),
    crypto: nodeCrypto,
    rng: nodeRng,
    session: random(32),
    parameters: voleParameters(4096),
  };
  const sender = new VoleSender(context);
  const receiver = new VoleReceiver(context);
  const code = (code: string) => expect.objectContaining({ code });
  expect(() => receiver.choose(sender.answer.subarray(1))).toThrow(code('OT_BAD_LENGTH'));
  const choice = receiver.choose(sender.answer);
  expect(() => sender.expand(receiver.offer, choice.subarray(16))).toThrow(code('VOLE_BAD_LENGTH'));
  expect(() => receiver.finish(new Uint8Array(5), 0)).toThrow(code('VOLE_BAD_LENGTH'));
  for (const bad of [0, 1.5, 2 ** 26]) expect(() => voleParameters(bad)).toThrow(code('VOLE_BAD_LENGTH'));
});

/** The code by its definition, on integers. */
function exConvReference(x: bigint[], seed: Uint8Array): bigint[] {
  const m = x.length / 2;
  const stream = (nonce: string, length: number) => {
    const bytes = nodeCrypto.aes128Ctr(seed, new TextEncoder().encode(nonce), 0n, length);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return Array.from({ length: length / 4 }, (_, i) => view.getUint32(4 * i, true));
  };
  const upper = x.slice(m);
  for (const pass of ['conv/1/0', 'conv/1/1']) {
    const bits = stream(pass, 4 * m);
    // As scatters: position i is final when its turn comes.
    for (let i = 0; i < m; i++) {
      for (let k = 1; k <= 25; k++) {
        const to = (i + k) % m;
        if (k === 25 || (bits[to]! >>> (k - 1)) & 1) upper[to]! ^= upper[i]!;
      }
    }
  }
  const key = sha256Bytes(new TextEncoder().encode('2pm/exconv/expand/1'), seed);
  const step = Math.floor(m / 4);
  const scale = (word: number, size: number) => Number((BigInt(word) * BigInt(size)) >> 32n);
  return x.slice(0, m).map((value, i) => {
    const positions = [...chachaBlock(key, i >> 1, 0, 8)]
      .slice(7 * (i & 1), 7 * (i & 1) + 7)
      .map((w, j) => (j < 4 ? j * step + scale(w, step) : scale(w, m)));
    return positions.reduce((sum, position) => sum ^ upper[position]!, value);
  });
}

test.each([64, 333, 4096])(
  'the code of length %i agrees with its definition, on one vector and on two',
  async (length) => {
    const kernels = await loadKernels();
    const seed = random(16);
    const inputs = [random(32 * length), random(32 * length)];
    const expected = inputs.map((x) => exConvReference(blocksToIntegers(x), seed));
    const read = (at: number) => blocksToIntegers(kernels.bytes(at, 16 * length).slice());
    const [x, y] = inputs.map((input) => kernels.put(input)) as [number, number];
    const both = kernels.alloc(32 * length);
    for (let i = 0; i < length; i++) {
      for (const [lane, input] of inputs.entries()) {
        kernels.bytes(both + 32 * i + 16 * lane, 16).set(input.subarray(16 * (length + i), 16 * (length + i + 1)));
      }
    }
    const [lowX, lowY] = inputs.map((input) => kernels.put(input.subarray(0, 16 * length))) as [number, number];
    exConv(kernels, nodeCrypto, { length, seed }, both, [lowX, lowY]);
    expect([read(lowX), read(lowY)]).toEqual(expected);
    exConv(kernels, nodeCrypto, { length, seed }, x + 16 * length, [x]);
    exConv(kernels, nodeCrypto, { length, seed }, y + 16 * length, [y]);
    expect([read(x), read(y)]).toEqual(expected);
  },
);
