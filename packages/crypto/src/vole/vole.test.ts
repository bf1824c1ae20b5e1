import { expect, test } from 'vitest';
import { blocksToIntegers, multiplyReference } from '../gf128/reference.ts';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { loadRistretto } from '../ot/ristretto.ts';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { exConv } from './exconv.ts';
import { voleParameters } from './parameters.ts';
import { VoleReceiver, VoleSender, voleMessageBytes } from './silent.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

async function correlate(length: number, sessions: [Uint8Array, Uint8Array]) {
  const group = await loadRistretto();
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
  const { a, c } = receiver.finish(correction);
  const b = sender.finish();
  const read = (kernels: Kernels, at: number) => blocksToIntegers(kernels.bytes(at, 16 * parameters.length).slice());
  const messages = { offer: receiver.offer, answer: sender.answer, choice, correction };
  return {
    parameters,
    messages,
    delta: blocksToIntegers(sender.delta)[0]!,
    a: read(receiverContext.kernels, a),
    b: read(senderContext.kernels, b),
    c: read(receiverContext.kernels, c),
  };
}

const holds = ({ a, b, c, delta }: Awaited<ReturnType<typeof correlate>>) =>
  c.filter((value, i) => value === (b[i]! ^ multiplyReference(a[i]!, delta))).length;

test.each([1, 5000])('a VOLE of at least %i satisfies C = B + Δ·A everywhere, and looks random', async (length) => {
  const session = random(32);
  const vole = await correlate(length, [session, session]);
  expect(vole.c.length).toBeGreaterThanOrEqual(length);
  expect(holds(vole)).toBe(vole.c.length);
  for (const vector of [vole.a, vole.b, vole.c]) {
    expect(new Set(vector).size).toBe(vector.length);
    const ones = vector.reduce((sum, value) => sum + value.toString(2).replaceAll('0', '').length, 0);
    const bits = 128 * vector.length;
    expect(Math.abs(ones - bits / 2)).toBeLessThan(6 * Math.sqrt(bits / 4));
  }
});

test('the lengths of all messages follow from the parameters', async () => {
  const session = random(32);
  const { messages, parameters } = await correlate(4096, [session, session]);
  const lengths = Object.fromEntries(Object.entries(messages).map(([name, bytes]) => [name, bytes.length]));
  expect(lengths).toEqual(voleMessageBytes(parameters));
});

test('parties of two sessions get no correlation', async () => {
  const vole = await correlate(4096, [random(32), random(32)]);
  expect(holds(vole)).toBe(0);
});

test('messages of a wrong length and impossible sizes are refused with a code', async () => {
  const context = {
    kernels: await loadKernels(),
    group: await loadRistretto(),
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
  expect(() => receiver.finish(new Uint8Array(5))).toThrow(code('VOLE_BAD_LENGTH'));
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
  const taps = stream('expand/1', 28 * m);
  const step = Math.floor(m / 4);
  const scale = (word: number, size: number) => Number((BigInt(word) * BigInt(size)) >> 32n);
  return x.slice(0, m).map((value, i) => {
    const positions = taps.slice(7 * i, 7 * i + 7).map((w, j) => (j < 4 ? j * step + scale(w, step) : scale(w, m)));
    return positions.reduce((sum, position) => sum ^ upper[position]!, value);
  });
}

test.each([64, 333, 4096])('the code of length %i agrees with its definition', async (length) => {
  const kernels = await loadKernels();
  const seed = random(16);
  const x = random(32 * length);
  const at = kernels.put(x);
  exConv(kernels, nodeCrypto, { length, seed }, at);
  expect(blocksToIntegers(kernels.bytes(at, 16 * length).slice())).toEqual(exConvReference(blocksToIntegers(x), seed));
});

test('the code is linear across the chunks of its expander', async () => {
  const kernels = await loadKernels();
  const code = { length: 70_000, seed: random(16) };
  const [x, y] = [random(32 * code.length), random(32 * code.length)];
  const encoded = (input: Uint8Array) => {
    const mark = kernels.mark();
    const at = kernels.put(input);
    exConv(kernels, nodeCrypto, code, at);
    const out = kernels.bytes(at, 16 * code.length).slice();
    kernels.release(mark);
    return out;
  };
  const sum = encoded(x.map((byte, i) => byte ^ y[i]!));
  const [fx, fy] = [encoded(x), encoded(y)];
  expect(
    Buffer.compare(
      sum,
      fx.map((byte, i) => byte ^ fy[i]!),
    ),
  ).toBe(0);
});
