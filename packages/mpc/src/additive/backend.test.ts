import { type Channel, type Hash, Plan } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Circuit, CircuitBuilder, type Gate } from '../circuit.ts';
import { evaluatePlain } from '../plain/plain.ts';
import { type Simulation, simulateSeats } from '../simulate.ts';
import { additiveSemiHonest, runAdditiveCircuit } from './backend.ts';
import { additiveDealerSemiHonest, runDealtCircuit } from './dealer/backend.ts';
import { dealerTraffic } from './dealer/traffic.ts';
import { open } from './outputs.ts';
import { additiveTraffic } from './traffic.ts';

const SID = `0x${'ab'.repeat(32)}` as Hash;
const EDGE = 2n ** 62n;

/** A plan of one holder with two vectors, whose operations stand for themselves. */
function planOf(
  length: number,
  bound: bigint,
  operations: readonly [op: string, attrs?: Record<string, number>][],
): Plan {
  const range = { fractionBits: 0, lo: `${-bound}`, hi: `${bound}` };
  const nodes: unknown[] = [];
  const node = (op: string, args: number[], type: object, attrs = {}) =>
    nodes.push({ op, args, attrs, type, line: nodes.length + 1 }) - 1;
  const inputs = [0, 1].map(() => {
    const local = node('count/1', [], { kind: 'local', role: 'h', length, ...range });
    return node('total/1', [local], { kind: 'shared', length, dtype: 'int', ...range });
  });
  for (const [op, attrs] of operations) {
    const bool = ['lt/1', 'eq/1'].includes(op);
    const type = bool
      ? { length, fractionBits: 0, lo: '0', hi: '1' }
      : { length, fractionBits: 0, lo: `${-bound * bound}`, hi: `${bound * bound}` };
    const value = node(op, inputs, { kind: 'shared', dtype: bool ? 'bool' : 'int', ...type }, attrs);
    node('reveal/1', [value], { kind: 'opened', to: 'analyst', ...type }, { name: 'r', to: 'analyst' });
  }
  return Plan.parse({
    ...{ v: 1, language: '2pm/1', name: 'test', tables: {}, recipients: ['analyst'], nodes, result: 5 },
    roles: { h: { min: 1, max: 1, tables: [] } },
  });
}

const PLAN = planOf(3, 2n ** 30n, [['suppress/1', { min: 5 }], ['mul/1'], ['lt/1'], ['eq/1']]);
const ROWS = [BigInt64Array.of(11n, 12n, -13n), BigInt64Array.of(4n, 12n, 6n)];

/** Where correlations come from. */
const SOURCES = {
  pairs: { backend: additiveSemiHonest, run: runAdditiveCircuit, dealers: 0 },
  dealer: { backend: additiveDealerSemiHonest, run: runDealtCircuit, dealers: 1 },
} as const;

/** `seats`: those that compute. */
type More = Partial<Simulation> & { from?: keyof typeof SOURCES };

function simulate(plan: Plan, rows: readonly BigInt64Array[], { from = 'pairs', seats = 2, ...more }: More = {}) {
  const { backend, dealers } = SOURCES[from];
  const inputs = new Map([['h', [rows]]]);
  const simulation = { plan, sid: SID, roles: { h: 1 }, inputs, rng: seededRng(1), crypto: nodeCrypto, ...more };
  return {
    result: simulateSeats(backend, { ...simulation, seats: seats + dealers }),
    expected: evaluatePlain(plan, { h: 1 }, inputs),
  };
}

/** Runs a circuit on the holder's words and adds the shares of its outputs up. */
async function runCircuit(
  circuit: Circuit,
  inputs: readonly bigint[],
  seed = 1,
  { from = 'pairs', seats: computing = 2, ...more }: More = {},
) {
  const { backend, run, dealers } = SOURCES[from];
  const widths = circuit.outputs.map(({ value }) => circuit.gates[value] as Gate);
  const { seats, opened } = await simulateSeats(
    {
      ...backend,
      check: () => {},
      runSeat: (context) => run(circuit, context),
      open: (_plan, _roles, node, shares) => {
        const { form, length } = widths[node] as Gate;
        expect(shares.slice(computing).map((share) => share.length)).toEqual(new Array(dealers).fill(0));
        const buffers = shares.slice(0, computing).map((share) => share.slice().buffer);
        if (form === 'bits') {
          const packed = buffers.map((buffer) => new Uint32Array(buffer));
          const all = (i: number) => packed.reduce((sum, share) => sum ^ share[i >> 5]!, 0);
          return Array.from({ length }, (_, i) => BigInt((all(i) >>> (i & 31)) & 1));
        }
        const words = buffers.map((buffer) => new BigUint64Array(buffer));
        return Array.from({ length }, (_, i) =>
          BigInt.asIntN(
            64,
            words.reduce((sum, share) => sum + share[i]!, 0n),
          ),
        );
      },
    },
    {
      ...{ plan: PLAN, sid: SID, roles: { h: 1 }, rng: seededRng(seed), crypto: nodeCrypto, ...more },
      seats: computing + dealers,
      inputs: new Map([['h', [[BigInt64Array.from(inputs)]]]]),
    },
  );
  return { seats, values: circuit.outputs.map((_, node) => (opened.get(node) ?? []).map((value) => value ?? 0n)) };
}

/** Gates one by one, on integers: what a circuit means. */
function evaluate(circuit: Circuit, inputs: readonly bigint[]): bigint[][] {
  const values: bigint[][] = [];
  for (const { op, args, length, constant = 0n, inner = 1, from = 1, offset = 0, step = 1, input } of circuit.gates) {
    const [x = [], y = []] = args.map((arg) => values[arg] ?? []);
    const each = (of: (i: number) => bigint | boolean) =>
      Array.from({ length }, (_, i) => BigInt.asIntN(64, BigInt(of(i))));
    const sum = (terms: bigint[]) => terms.reduce((total, term) => total + term, 0n);
    const block = (terms: bigint[], i: number) =>
      terms.slice((i * terms.length) / length, ((i + 1) * terms.length) / length);
    values.push(
      {
        total: () => each((i) => inputs[(input?.offset ?? 0) + i]!),
        stack: () => each((i) => inputs[(input?.offset ?? 0) + i]!),
        constant: () => each(() => constant),
        scale: () => each((i) => x[i]! * constant),
        add: () => each((i) => x[i]! + y[i]!),
        sub: () => each((i) => x[i]! - y[i]!),
        mul: () => each((i) => x[i]! * y[i]!),
        dot: () =>
          each((i) =>
            sum(
              block(
                x.map((factor, k) => factor * y[k]!),
                i,
              ),
            ),
          ),
        matmul: () => {
          const columns = y.length / inner;
          return each((i) => {
            const [row, column] = [Math.floor(i / columns), i % columns];
            return sum(Array.from({ length: inner }, (_, k) => x[row * inner + k]! * y[k * columns + column]!));
          });
        },
        sum: () => each((i) => sum(block(x, i))),
        repeat: () => each((i) => x[Math.floor((i * from) / length)]!),
        slice: () => each((i) => x[offset + i * step]!),
        concat: () => args.flatMap((arg) => values[arg] ?? []),
        transpose: () => each((i) => x[(i % inner) * (x.length / inner) + Math.floor(i / inner)]!),
        negative: () => each((i) => x[i]! < 0n),
        zero: () => each((i) => x[i] === 0n),
        parity: () => each((i) => x[i]! & 1n),
        xor: () => each((i) => x[i]! ^ y[i]!),
        and: () => each((i) => x[i]! & y[i]!),
        not: () => each((i) => 1n - x[i]!),
        inject: () => each((i) => x[i]!),
      }[op as 'total']?.() ?? [],
    );
  }
  return circuit.outputs.map(({ value }) => values[value] ?? []);
}

/** A circuit over one input vector; every gate's result is an output. */
function circuitOf(
  length: number,
  build: (b: CircuitBuilder, input: (offset: number, length: number) => number) => void,
) {
  const builder = new CircuitBuilder();
  const input = (offset: number, size: number) =>
    builder.add({ op: 'total', args: [], form: 'words', length: size, input: { role: 'h', offset, length: size } });
  build(builder, input);
  const { gates } = builder;
  return { gates, outputs: gates.map((_, value) => ({ node: value, value })), inputWords: new Map([['h', length]]) };
}

const word = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -2n, max: 2n }),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 32n, -(2n ** 32n), 2n ** 31n),
);

describe('a run opens to what the circuit says in the clear', () => {
  test.each([
    ['pairs', 2, 4],
    ['pairs', 3, 2],
    ['pairs', 4, 1],
    ['dealer', 2, 20],
    ['dealer', 3, 8],
    ['dealer', 4, 2],
  ] as const)('for random circuits of every exact gate, from %s, with %i seats', async (from, seats, numRuns) => {
    const step = fc.record({ op: fc.nat(), picks: fc.tuple(fc.nat(), fc.nat()), constant: word });
    const cases = fc.record({
      length: fc.integer({ min: 1, max: 70 }),
      steps: fc.array(step, { minLength: 30, maxLength: 40 }),
      seed: fc.nat(),
      values: fc.array(word, { minLength: 140, maxLength: 140 }),
    });
    const tried = new Set<string>();
    await fc.assert(
      fc.asyncProperty(cases, async ({ length, steps, seed, values }) => {
        const circuit = circuitOf(2 * length, (b, input) => {
          const words = [input(0, length), input(length, length)];
          const bits = [b.bits('negative', length, [words[0]!])];
          const one = [b.words('sum', 1, [words[0]!])];
          for (const { op, picks, constant } of steps) {
            const [x, y] = picks.map((pick) => words[pick % words.length]!) as [number, number];
            const [p, q] = picks.map((pick) => bits[pick % bits.length]!) as [number, number];
            const ways = [
              () => words.push(b.words('add', length, [x, y])),
              () => words.push(b.words('sub', length, [x, y])),
              () => words.push(b.words('mul', length, [x, y])),
              () => words.push(b.words('scale', length, [x], constant)),
              () => words.push(b.words('constant', length, [], constant)),
              () => words.push(b.words('inject', length, [p])),
              () => words.push(b.repeat(one[picks[0] % one.length]!, length)),
              () => words.push(b.words('mul', length, [x, b.words('inject', length, [p])])),
              () => one.push(b.words('dot', 1, [b.words('inject', length, [p]), x])),
              () => one.push(b.words('dot', 1, [x, y])),
              () => one.push(b.words('sum', 1, [x])),
              () => one.push(b.matmul(x, y, length)),
              () => words.push(b.matmul(x, one[picks[1] % one.length]!, 1)),
              () => words.push(b.slice(b.concat([x, y]), 0, length, 2)),
              () => words.push(b.slice(b.transpose(b.concat([x, y]), 2), length, length)),
              () => bits.push(b.bits('negative', length, [x])),
              () => bits.push(b.bits('zero', length, [x])),
              () => bits.push(b.bits('zero', length, [b.words('sub', length, [x, x])])),
              () => bits.push(b.bits('parity', length, [x])),
              () => bits.push(b.bits('xor', length, [p, q])),
              () => bits.push(b.bits('and', length, [p, q])),
              () => bits.push(b.bits('not', length, [p])),
            ];
            ways[op % ways.length]?.();
          }
        });
        for (const { op } of circuit.gates) tried.add(op);
        const { values: opened } = await runCircuit(circuit, values.slice(0, 2 * length), seed, { from, seats });
        expect(opened).toEqual(evaluate(circuit, values));
      }),
      { numRuns },
    );
    expect(tried.size).toBeGreaterThan(seats === 4 ? 12 : 15);
  });

  test.each([
    ['pairs', 2],
    ['pairs', 3],
    ['dealer', 2],
    ['dealer', 3],
  ] as const)('for matrices of any shape, from %s, with %i seats', async (from, seats) => {
    const shapes = [
      [1, 1, 1],
      [2, 3, 4],
      [5, 2, 1],
      [1, 4, 7],
      [3, 1, 3],
      [7, 5, 3],
    ] as const;
    const circuit = circuitOf(80, (b, input) => {
      for (const [rows, inner, columns] of shapes) {
        b.matmul(input(0, rows * inner), input(35, inner * columns), inner);
      }
    });
    const inputs = fc.sample(word, { numRuns: 80, seed: 3 });
    expect((await runCircuit(circuit, inputs, 1, { from, seats })).values).toEqual(evaluate(circuit, inputs));
  });

  test.each([
    ['pairs', 5],
    ['dealer', 5],
    ['dealer', 7],
  ] as const)('for what turns words to bits and back, from %s, with %i seats', async (from, seats) => {
    const edges = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n, -(2n ** 32n), 3n];
    const inputs = [...edges, ...fc.sample(word, { numRuns: 2, seed: seats })];
    const { length } = inputs;
    const circuit = circuitOf(length, (b, input) => {
      const x = input(0, length);
      b.bits('zero', length, [x]);
      b.words('inject', length, [b.bits('negative', length, [x])]);
    });
    const { seats: ran, values } = await runCircuit(circuit, inputs, 1, { from, seats });
    expect(values).toEqual(evaluate(circuit, inputs));
    expect(new Set(ran.map(({ transcript }) => transcript)).size).toBe(1);
  });

  // Before and after 1 each; products 2, transfers 3, and 1 where pairs adjust their bits, or a dealer's one. Then a comparison
  // and a choice.
  test.each([
    ['pairs', 2, 1 + 5 + 7 + 1],
    ['pairs', 3, 1 + 6 + 11 + 1],
    ['pairs', 4, 1 + 6 + 12 + 1],
    ['dealer', 2, 1 + 1 + 7 + 1],
    ['dealer', 3, 1 + 1 + 11 + 1],
    ['dealer', 4, 1 + 1 + 12 + 1],
  ] as const)('for the plan of a task, from %s, with %i seats', async (from, seatCount, rounds) => {
    const { result, expected } = simulate(PLAN, ROWS, { from, seats: seatCount });
    const { opened, seats } = await result;
    expect(opened).toEqual(expected);
    expect([...opened.values()][0]).toEqual([null, 12n, -13n]);
    expect(seats.map((seat) => seat.rounds)).toEqual(seats.map(() => rounds));
    expect(new Set(seats.map(({ transcript }) => transcript)).size).toBe(1);
  });

  test.each([
    ['pairs', [32, 32, 64, 64]],
    ['dealer', [...new Array(6).fill(48), ...new Array(6).fill(128)]],
  ] as const)('without a correlation from %s where no operation takes one', async (from, frames) => {
    const sent: number[] = [];
    const plan = planOf(3, 2n ** 30n, [['add/1']]);
    const { result, expected } = simulate(plan, ROWS, { from, wrap: traced(sent) });
    expect((await result).opened).toEqual(expected);
    expect(sent).toEqual(frames);
  });
});

describe('truncation', () => {
  test.each([
    ['pairs', 2, 190, [1, 2, 13, 16, 31, 32, 40, 61, 62]],
    ['pairs', 3, 40, [1, 2, 16, 31, 62]],
    ['pairs', 4, 10, [1, 33, 62]],
    ['dealer', 2, 190, [1, 2, 13, 16, 31, 32, 40, 61, 62]],
    ['dealer', 3, 40, [1, 2, 16, 31, 62]],
    ['dealer', 4, 10, [1, 33, 62]],
  ] as const)(
    'rounds to a neighbour, never further, whatever is cut off, from %s, with %i seats',
    async (from, seats, numRuns, cuts) => {
      const inputs = [
        ...[0n, 1n, -1n, EDGE - 1n, -EDGE, EDGE - 2n ** 16n, -EDGE + 1n, 2n ** 16n, -(2n ** 16n), 2n ** 61n],
        ...fc.sample(fc.bigInt({ min: -EDGE, max: EDGE - 1n }), { numRuns, seed: 1 }),
      ];
      const circuit = circuitOf(inputs.length, (b, input) => {
        const x = input(0, inputs.length);
        for (const bits of cuts) b.truncate(x, bits);
        for (const bits of cuts)
          b.truncate(b.words('add', inputs.length, [x, b.words('constant', inputs.length, [])]), bits);
      });
      const { values } = await runCircuit(circuit, inputs, 1, { from, seats });
      let rounded = 0;
      for (const [index, { op, constant = 0n }] of circuit.gates.entries()) {
        if (op !== 'truncate') continue;
        for (const [i, value] of values[index]!.entries()) {
          const error = (value << constant) - inputs[i]!;
          expect(error > -(1n << constant) && error < 1n << constant, `${inputs[i]} cut by ${constant}`).toBe(true);
          rounded++;
        }
      }
      expect(rounded).toBe(2 * cuts.length * inputs.length);
    },
  );

  test.each([
    ['pairs', 2, 10_000],
    ['pairs', 3, 2_000],
    ['dealer', 2, 10_000],
    ['dealer', 3, 2_000],
  ] as const)('rounds up as often as the fraction says, from %s, with %i seats', async (from, seats, length) => {
    const circuit = circuitOf(length, (b, input) => void b.truncate(input(0, length), 16));
    const { values } = await runCircuit(circuit, new Array<bigint>(length).fill(-(5n << 16n) + 2n ** 14n), 1, {
      from,
      seats,
    });
    const up = values[1]!.filter((value) => value === -4n).length;
    expect(values[1]!.every((value) => value === -4n || value === -5n)).toBe(true);
    expect(Math.abs(up - length / 4)).toBeLessThan(6 * Math.sqrt((length * 3) / 16));
  });

  test.each([
    ['pairs', 2],
    ['pairs', 3],
    ['dealer', 2],
    ['dealer', 3],
  ] as const)('exactly, where the circuit asks for the floor, from %s, with %i seats', async (from, seats) => {
    const inputs = [0n, -1n, 1n, 2n ** 40n + 5n, -(2n ** 40n) - 5n, EDGE - 1n, 1n - EDGE];
    const circuit = circuitOf(inputs.length, (b, input) => void b.floor(input(0, inputs.length), 20));
    const { values } = await runCircuit(circuit, inputs, 1, { from, seats });
    expect(values.at(-1)).toEqual(inputs.map((x) => x >> 20n));
  });
});

function traced(sent: number[]): (channel: Channel) => Channel {
  return (channel) =>
    tampering(channel, (frame) => {
      sent.push(frame.length);
      return [frame];
    });
}

/** A channel whose sent frames go through `alter`. */
function tampering(channel: Channel, alter: (frame: Uint8Array) => Uint8Array[]): Channel {
  return {
    peer: channel.peer,
    stats: channel.stats,
    send: async (frame) => {
      for (const altered of alter(frame)) await channel.send(altered);
    },
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  };
}

test.each([
  ['pairs', 2],
  ['pairs', 3],
  ['dealer', 2],
  ['dealer', 3],
] as const)('nothing of the data shows in lengths or order of frames, from %s, with %i seats', async (from, seats) => {
  const trace = async (rows: BigInt64Array[], seed: number) => {
    const sent = new Map<string, number[]>();
    const wrap = (channel: Channel, seat: number, peer: number) => {
      const lengths: number[] = [];
      sent.set(`${seat} to ${peer}`, lengths);
      return traced(lengths)(channel);
    };
    await simulate(PLAN, rows, { from, wrap, rng: seededRng(seed), seats }).result;
    return sent;
  };
  const zeros = BigInt64Array.of(0n, 0n, 0n);
  expect(await trace([zeros, zeros], 1)).toEqual(await trace(ROWS, 2));
});

test('what a seat is sent and holds of an input is uniform: either message alone is any value’s', () => {
  const share = (value: bigint) =>
    additiveSemiHonest.shareInputs([BigInt64Array.of(value)], { sid: SID, rng: seededRng(1), crypto: nodeCrypto });
  const three = additiveSemiHonest.shareInputs([BigInt64Array.of(5n)], {
    ...{ sid: SID, rng: seededRng(1), crypto: nodeCrypto, seats: 3 },
  });
  expect(three.map((message) => message.length)).toEqual([16, 16, 8]);
  expect(String(three[0])).not.toBe(String(three[1]));
  const [five, other] = [share(5n), share(-5n)];
  expect(five[0]).toEqual(other[0]);
  expect(five.map((message) => message.length)).toEqual([16, 8]);
  const words = Array.from({ length: 200 }, (_, seed) =>
    additiveSemiHonest.shareInputs([BigInt64Array.of(5n)], { sid: SID, rng: seededRng(seed), crypto: nodeCrypto }),
  );
  expect(new Set(words.map(([, second]) => String(second))).size).toBe(200);
});

describe('messages altered on their way end in an error, never in a wrong result', () => {
  const ways: Record<string, (frame: Uint8Array) => Uint8Array[]> = {
    'a flipped bit': (frame) => [frame.map((byte, i) => (i === frame.length >> 1 ? byte ^ 4 : byte))],
    truncation: (frame) => [frame.subarray(0, frame.length - 1)],
    'an oversized frame': (frame) => [new Uint8Array([...frame, 0])],
    'a frame twice': (frame) => [frame, frame],
    'an empty frame before': (frame) => [new Uint8Array(), frame],
  };
  test.each(Object.entries(ways))('%s', async (way, alter) => {
    let tried = 0;
    // Frames of both seats, others in each of the ways.
    for (let target = Object.keys(ways).indexOf(way); ; target += 13) {
      const [seat, place] = [target % 2, target >> 1];
      let [count, hit] = [0, false];
      const wrap = (channel: Channel, from: number) =>
        tampering(channel, (frame) => {
          if (from !== seat || count++ !== place) return [frame];
          hit = true;
          return alter(frame);
        });
      const { result, expected } = simulate(PLAN, ROWS, { wrap });
      const outcome = await result.then(
        ({ opened }) => opened,
        (error: { code?: string }) => error,
      );
      if (!hit) break;
      tried++;
      const code = expect.stringMatching(/^(MPC|CHANNEL|GROUP|OT|OLE)_/);
      if (outcome instanceof Error) expect(outcome).toHaveProperty('code', code);
      else expect(outcome).toEqual(expected);
    }
    expect(tried).toBeGreaterThan(1);
  });

  test('among three seats too: a bit of any one frame, or a frame cut short', async () => {
    let tried = 0;
    for (let target = 0; ; target += 17) {
      const [from, to] = (
        [
          [0, 1],
          [1, 2],
          [2, 0],
        ] as const
      )[target % 3]!;
      let [count, hit] = [0, false];
      const wrap = (channel: Channel, seat: number, peer: number) =>
        tampering(channel, (frame) => {
          if (seat !== from || peer !== to || count++ !== target >> 1) return [frame];
          hit = true;
          if (target % 2 === 1) return [frame.subarray(1)];
          return [frame.map((byte, i) => (i === frame.length >> 1 ? byte ^ 4 : byte))];
        });
      const outcome = await simulate(PLAN, ROWS, { wrap, seats: 3 }).result.catch((error: Error) => error);
      if (!hit) break;
      tried++;
      expect(outcome).toHaveProperty('code', expect.stringMatching(/^(MPC|CHANNEL|GROUP|OT|OLE)_/));
    }
    expect(tried).toBeGreaterThan(1);
  });

  test('a seat that falls silent ends the other when the caller’s signal does, with its reason', async () => {
    const timeout = new Error('deadline');
    for (const target of [0, 3, 6]) {
      const controller = new AbortController();
      let count = 0;
      const wrap = (channel: Channel, from: number) =>
        tampering(channel, (frame) => {
          if (from !== 1 || count++ < target) return [frame];
          queueMicrotask(() => controller.abort(timeout));
          return [];
        });
      await expect(simulate(PLAN, ROWS, { wrap, signal: controller.signal }).result).rejects.toBe(timeout);
    }
  });
});

test.each([
  [2, 2],
  [3, 6],
])('of %i seats, those about to run different plans stop before the first transfer', async (seats, frames) => {
  const sent: number[] = [];
  const mixed = {
    ...additiveSemiHonest,
    runSeat: (context: Parameters<typeof additiveSemiHonest.runSeat>[0]) =>
      additiveSemiHonest.runSeat({ ...context, plan: context.seat === 1 ? { ...PLAN, name: 'another' } : PLAN }),
  };
  const simulation = {
    ...{ plan: PLAN, sid: SID, roles: { h: 1 }, rng: seededRng(1), crypto: nodeCrypto, wrap: traced(sent), seats },
    inputs: new Map([['h', [ROWS]]]),
  };
  await expect(simulateSeats(mixed, simulation)).rejects.toMatchObject({ code: 'MPC_SCHEDULE_MISMATCH' });
  expect(sent).toEqual(new Array(frames).fill(32));
});

test('an aborted signal stops a seat before it says anything', async () => {
  const sent: number[] = [];
  const signal = AbortSignal.abort(new Error('stop'));
  await expect(simulate(PLAN, ROWS, { signal, wrap: traced(sent) }).result).rejects.toThrow('stop');
  expect(sent).toEqual([]);
});

test.each([0, 1])('an input message of the wrong length to seat %i names the party', async (seat) => {
  const backend = {
    ...additiveSemiHonest,
    shareInputs: (...args: Parameters<typeof additiveSemiHonest.shareInputs>) =>
      additiveSemiHonest.shareInputs(...args).map((one, at) => (at === seat ? one.subarray(1) : one)),
  };
  const simulation = { plan: PLAN, sid: SID, roles: { h: 1 }, rng: seededRng(1), crypto: nodeCrypto };
  await expect(simulateSeats(backend, { ...simulation, inputs: new Map([['h', [ROWS]]]) })).rejects.toMatchObject({
    code: 'MPC_BAD_INPUT',
    message: expect.stringContaining('member 1 of role h'),
  });
});

describe('output shares', () => {
  test('of a wrong length are refused with their seat', () => {
    const node = PLAN.nodes.findIndex(({ op }) => op === 'reveal/1');
    const good = new Uint8Array(3 * 8 + 4);
    expect(() => open(PLAN, { h: 1 }, node, [good])).toThrow(
      expect.objectContaining({ code: 'MPC_INCONSISTENT_SHARES' }),
    );
    for (const bad of [new Uint8Array(), good.subarray(1), new Uint8Array(100)]) {
      expect(() => open(PLAN, { h: 1 }, node, [good, bad])).toThrow(
        expect.objectContaining({ code: 'MPC_INCONSISTENT_SHARES', message: expect.stringContaining('seat 1') }),
      );
    }
  });

  test('have no redundancy, as the card says: what a seat adds to its share shifts the result', async () => {
    const plan = planOf(3, 2n ** 30n, [['add/1']]);
    const { seats } = await simulate(plan, ROWS).result;
    const [node = -1] = seats[0]?.outputs.keys() ?? [];
    const shares = seats.map(({ outputs }) => new BigUint64Array(outputs.get(node)!.slice().buffer));
    shares[0]![0]! += 7n;
    const altered = shares.map((share) => new Uint8Array(share.buffer));
    expect(open(plan, { h: 1 }, node, altered)).toEqual([15n + 7n, 24n, -7n]);
    expect(additiveSemiHonest.card.learns.join(' ')).toContain('shift a result unnoticed');
  });
});

describe('what it cannot do it refuses', () => {
  test.each([1, 9])('%i seats', async (seats) => {
    const context = {
      plan: PLAN,
      sid: SID,
      seat: 0,
      roles: { h: 1 },
      inputs: new Map(),
      channels: new Map(Array.from({ length: seats - 1 }, (_, i) => [i + 1, {} as Channel])),
      matchers: new Map(),
    };
    const more = { rng: seededRng(1), crypto: nodeCrypto, signal: new AbortController().signal };
    await expect(additiveSemiHonest.runSeat({ ...context, ...more })).rejects.toMatchObject({ code: 'MPC_BAD_SEAT' });
  });

  test('a gate that it does not know, before it says anything', async () => {
    const sent: number[] = [];
    const circuit = circuitOf(2, (b, input) => {
      b.add({ op: 'shuffle' as 'add', args: [input(0, 2)], form: 'words', length: 2 });
    });
    await expect(runCircuit(circuit, [1n, 2n], 1, { wrap: traced(sent) })).rejects.toMatchObject({
      code: 'MPC_UNSUPPORTED',
      message: expect.stringContaining('shuffle'),
    });
    expect(sent).toEqual([]);
  });
});

describe('what a plan costs is known before it runs', () => {
  const plans = {
    'comparisons and products': PLAN,
    sums: planOf(3, 2n ** 30n, [['add/1']]),
    'products alone': planOf(40, 2n ** 30n, [['mul/1']]),
  };
  test.each(
    Object.entries(plans).flatMap(([name, plan]) =>
      (['pairs', 'dealer'] as const).flatMap((from) => [2, 3].map((seats) => [name, from, seats, plan] as const)),
    ),
  )('%s, from %s, with %i seats', async (_, from, seats, plan) => {
    const { length } = plan.nodes[0]!.type as { length: number };
    const rows = [1, 2].map((factor) => BigInt64Array.from({ length }, (_, i) => BigInt(factor * i)));
    const all = seats + SOURCES[from].dealers;
    const sent = new Array<number>(all).fill(0);
    const wrap = (channel: Channel, seat: number) =>
      tampering(channel, (frame) => {
        sent[seat] = sent[seat]! + frame.length;
        return [frame];
      });
    const { seats: ran } = await simulate(plan, rows, { from, wrap, seats }).result;
    const told = from === 'pairs' ? additiveTraffic(plan, { h: 1 }, all) : dealerTraffic(plan, { h: 1 }, all);
    expect(told.seats).toEqual(sent);
    expect(ran.map(({ rounds }) => rounds)).toEqual(ran.map(() => told.rounds));
    const handed = ran.flatMap(({ outputs }) => [...outputs.values()]).reduce((sum, share) => sum + share.length, 0);
    expect(told.outputs).toBe(handed);
    expect(told.holders).toEqual({ h: 16 * (seats - 1) + 8 * 2 * length });
  });
});
