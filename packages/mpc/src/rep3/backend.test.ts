import { type Attributes, type Channel, type Hash, type Operation, Plan, type ValueType } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluatePlain, type PlainInputs } from '../plain/plain.ts';
import { type Simulation, simulateSeats } from '../simulate.ts';
import { rep3SemiHonest } from './backend.ts';

const SID = `0x${'ab'.repeat(32)}` as Hash;

type Shared = Extract<ValueType, { kind: 'shared' }>;

/** Writes plans by hand, with bounds as the tracer would derive them. */
class Draft {
  readonly nodes: Plan['nodes'] = [];
  readonly #roles: Plan['roles'] = {};

  role(name: string, max = 8): this {
    this.#roles[name] = { min: 1, max, tables: [] };
    return this;
  }

  node(op: Operation, args: number[], type: ValueType, attrs: Attributes = {}): number {
    return this.nodes.push({ op, args, attrs, type, line: this.nodes.length + 1 }) - 1;
  }

  /** A vector of every member of the role, added up or side by side. */
  input(op: 'total/1' | 'stack/1', role: string, length: number, bound: bigint, fractionBits = 0, members = 8): number {
    const range = { fractionBits, lo: `${-bound}`, hi: `${bound}` };
    const local = this.node('count/1', [], { kind: 'local', role, length, ...range });
    const most = op === 'total/1' ? bound * BigInt(members) : bound;
    return this.node(op, [local], {
      ...{ kind: 'shared', length, dtype: 'int', fractionBits, lo: `${-most}`, hi: `${most}` },
      ...(op === 'stack/1' ? { stacked: role } : {}),
    });
  }

  shared(op: Operation, args: number[], type: Partial<Shared> = {}, attrs: Attributes = {}): number {
    const base = this.#type(args.find((arg) => this.nodes[arg]?.type.kind === 'shared') ?? -1);
    return this.node(op, args, { ...base, ...type, kind: 'shared' }, attrs);
  }

  bool(op: Operation, args: number[]): number {
    return this.shared(op, args, { dtype: 'bool', fractionBits: 0, lo: '0', hi: '1' });
  }

  constant(value: bigint, fractionBits = 0): number {
    return this.node('constant/1', [], { kind: 'constant', fractionBits, value: `${value}` });
  }

  reveal(arg: number): number {
    const { dtype: _, ...type } = this.#type(arg);
    return this.node('reveal/1', [arg], { ...type, kind: 'opened', to: 'analyst' }, { name: 'r', to: 'analyst' });
  }

  #type(index: number): Shared {
    const type = this.nodes[index]?.type;
    if (type?.kind !== 'shared') throw new Error(`node ${index} is not shared`);
    return type;
  }

  plan(): Plan {
    const result = this.nodes.findIndex(({ op }) => op === 'reveal/1');
    return Plan.parse({
      ...{ v: 1, language: '2pm/1', name: 'test', tables: {}, roles: this.#roles, recipients: ['analyst'] },
      ...{ nodes: this.nodes, result },
    });
  }
}

function run(plan: Plan, inputs: Record<string, bigint[][][]>, more: Partial<Simulation> = {}) {
  const plain: PlainInputs = new Map(
    Object.entries(inputs).map(([role, members]) => [
      role,
      members.map((vectors) => vectors.map((vector) => BigInt64Array.from(vector))),
    ]),
  );
  const roles = Object.fromEntries(Object.entries(inputs).map(([role, members]) => [role, members.length]));
  const simulation = { plan, sid: SID, roles, inputs: plain, rng: seededRng(1), crypto: nodeCrypto, ...more };
  return { result: simulateSeats(rep3SemiHonest, simulation), expected: evaluatePlain(plan, roles, plain) };
}

/** Two stacked vectors of a single holder, `x` and `y`. */
function pair(length: number, bound: bigint) {
  const draft = new Draft().role('h');
  return { draft, x: draft.input('stack/1', 'h', length, bound), y: draft.input('stack/1', 'h', length, bound) };
}

const EDGE = 2n ** 62n - 1n;
const integer = fc.oneof(
  fc.bigInt({ min: -EDGE, max: EDGE }),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.constantFrom(0n, 1n, -1n, EDGE, -EDGE, 2n ** 32n, -(2n ** 32n), 2n ** 31n),
);

describe('a run opens to what the plan says in the clear', () => {
  test('for comparisons of any operands within ±2^62, in eight rounds each', async () => {
    const comparisons = ['lt/1', 'le/1', 'gt/1', 'ge/1', 'eq/1', 'ne/1'] as const;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(integer, integer), { minLength: 1, maxLength: 80 }), async (rows) => {
        const { draft, x, y } = pair(rows.length, EDGE);
        for (const op of comparisons) draft.reveal(draft.bool(op, [x, y]));
        draft.reveal(draft.bool('lt/1', [x, draft.constant(0n)]));
        draft.reveal(draft.bool('le/1', [draft.constant(EDGE), y]));
        draft.reveal(draft.bool('eq/1', [x, x]));
        const values = [rows.map(([left]) => left), rows.map(([, right]) => right)];
        const { result, expected } = run(draft.plan(), { h: [values] });
        const { opened, seats } = await result;
        expect(opened).toEqual(expected);
        expect(seats.map(({ rounds }) => rounds)).toEqual([10, 10, 10]);
      }),
      { numRuns: 25 },
    );
  });

  test('for random plans and inputs', async () => {
    const step = fc.record({
      op: fc.constantFrom<Operation>(
        ...(['add/1', 'sub/1', 'mul/1', 'neg/1', 'sum/1', 'lt/1', 'le/1', 'gt/1', 'ge/1', 'eq/1', 'ne/1'] as const),
        ...(['and/1', 'or/1', 'not/1', 'select/1', 'suppress/1'] as const),
      ),
      picks: fc.tuple(fc.nat(), fc.nat(), fc.nat()),
      constant: fc.option(fc.bigInt({ min: -5n, max: 5n })),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 14 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        async (steps, members, length, seed) => {
          const draft = new Draft().role('h', members);
          const ints = [
            draft.input('total/1', 'h', length, 9n, 0, members),
            draft.input('total/1', 'h', 1, 9n, 2, members),
            draft.input('total/1', 'h', length, 9n, 2, members),
          ];
          const bools: number[] = [draft.bool('lt/1', [ints[0] ?? 0, ints[1] ?? 0])];
          for (const one of steps) grow(draft, ints, bools, one);
          for (const value of [...ints, ...bools].slice(-8)) draft.reveal(value);
          const bytes = seededRng(seed);
          const small = (count: number) => [...bytes.fill(new Uint8Array(count))].map((byte) => BigInt(byte % 19) - 9n);
          const inputs = { h: Array.from({ length: members }, () => [small(length), small(1), small(length)]) };
          const { result, expected } = run(draft.plan(), inputs);
          expect((await result).opened).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('for totals over members and for vectors side by side in roster order', async () => {
    const draft = new Draft().role('h').role('k');
    const total = draft.input('total/1', 'h', 2, 100n);
    const stacked = draft.input('stack/1', 'k', 2, 100n);
    const [sum, all] = [draft.reveal(total), draft.reveal(stacked)];
    const one = draft.reveal(draft.shared('sum/1', [stacked], { length: 1, stacked: undefined as never }));
    const inputs = { h: [[[1n, 2n]], [[3n, -4n]], [[5n, 6n]]], k: [[[7n, 8n]], [[9n, 10n]]] };
    const { opened } = await run(JSON.parse(JSON.stringify(draft.plan())), inputs).result;
    expect(opened.get(sum)).toEqual([9n, 4n]);
    expect(opened.get(all)).toEqual([7n, 8n, 9n, 10n]);
    expect(opened.get(one)).toEqual([34n]);
  });

  test('one count for each member guards that member’s whole block, one count for all guards everything', async () => {
    for (const length of [3, 40]) {
      const draft = new Draft().role('h');
      const blocks = draft.input('stack/1', 'h', length, 100n);
      const each = draft.input('stack/1', 'h', 1, 100n);
      const all = draft.input('total/1', 'h', 1, 100n);
      const guardedBlocks = draft.reveal(draft.shared('suppress/1', [blocks, each], {}, { min: 5 }));
      const guardedAll = draft.reveal(draft.shared('suppress/1', [blocks, all, each], {}, { min: 10 }));
      const positive = draft.bool('gt/1', [blocks, draft.constant(0n)]);
      draft.reveal(draft.shared('suppress/1', [positive, each], {}, { min: 5 }));
      const block = (value: bigint) => new Array<bigint>(length).fill(value);
      const inputs = {
        h: [
          [block(1n), [4n], [4n]],
          [block(-2n), [5n], [5n]],
          [block(3n), [12n], [0n]],
        ],
      };
      const { result, expected } = run(draft.plan(), inputs);
      const { opened } = await result;
      expect(opened).toEqual(expected);
      expect(opened.get(guardedBlocks)).toEqual([...block(0n).map(() => null), ...block(-2n), ...block(3n)]);
      expect(opened.get(guardedAll)?.every((value) => value === null)).toBe(true);
    }
  });

  test('withheld values open as null and their shares hold a zero', async () => {
    const { draft, x, y } = pair(5, 1000n);
    const revealed = draft.reveal(draft.shared('suppress/1', [x, y], {}, { min: 5 }));
    const { opened, seats } = await run(draft.plan(), {
      h: [
        [
          [11n, 12n, 13n, 14n, 15n],
          [4n, 5n, 6n, 0n, -9n],
        ],
      ],
    }).result;
    expect(opened.get(revealed)).toEqual([null, 12n, 13n, null, null]);
    const first = seats.map(({ outputs }) => new DataView((outputs.get(revealed) ?? new Uint8Array()).slice().buffer));
    const sum = first.reduce((total, view) => total + view.getBigUint64(0, true), 0n);
    expect(BigInt.asUintN(64, sum)).toBe(0n);
  });
});

function grow(
  draft: Draft,
  ints: number[],
  bools: number[],
  { op, picks, constant }: { op: Operation; picks: [number, number, number]; constant: bigint | null },
): void {
  const of = (pool: number[], pick: number) => pool[pick % pool.length] ?? 0;
  const typeOf = (index: number) => {
    const type = draft.nodes[index]?.type;
    if (type?.kind === 'shared') return { ...type, lo: BigInt(type.lo), hi: BigInt(type.hi) };
    if (type?.kind === 'constant')
      return { length: 1, fractionBits: type.fractionBits, lo: BigInt(type.value), hi: BigInt(type.value) };
    throw new Error('no such value');
  };
  const x = of(ints, picks[0]);
  const y = constant === null ? of(ints, picks[1]) : draft.constant(constant);
  const [p, q] = [of(bools, picks[0]), of(bools, picks[1])];
  const bound = (index: number, scale: number) => {
    const { lo, hi, fractionBits } = typeOf(index);
    return larger(-lo, hi) << BigInt(scale - fractionBits);
  };
  const integers = (args: number[], fractionBits: number, most: bigint, length?: number) => {
    if (most >= 2n ** 61n) return;
    const type = { dtype: 'int' as const, fractionBits, lo: `${-most}`, hi: `${most}` };
    ints.push(
      draft.shared(op, args, { ...type, length: length ?? Math.max(...args.map((arg) => typeOf(arg).length)) }),
    );
  };
  const bits = (args: number[]) => {
    const length = Math.max(...args.map((arg) => typeOf(arg).length));
    const type = { dtype: 'bool' as const, fractionBits: 0, lo: '0', hi: '1', length };
    bools.push(draft.shared(op, args, type));
  };
  const scale = Math.max(typeOf(x).fractionBits, typeOf(y).fractionBits);
  const room = bound(x, scale) < 2n ** 61n && bound(y, scale) < 2n ** 61n;
  if (op === 'add/1' || op === 'sub/1') {
    if (room) integers([x, y], scale, bound(x, scale) + bound(y, scale));
  } else if (op === 'mul/1') {
    const product = bound(x, typeOf(x).fractionBits) * bound(y, typeOf(y).fractionBits);
    const bitsOf = typeOf(x).fractionBits + typeOf(y).fractionBits;
    if (bitsOf <= 30) integers([x, y], bitsOf, product);
  } else if (op === 'neg/1') integers([x], typeOf(x).fractionBits, bound(x, typeOf(x).fractionBits));
  else if (op === 'sum/1') {
    integers([x], typeOf(x).fractionBits, bound(x, typeOf(x).fractionBits) * BigInt(typeOf(x).length), 1);
  } else if (op === 'not/1') bits([p]);
  else if (op === 'and/1' || op === 'or/1') bits([p, q]);
  else if (op === 'select/1') {
    if (room) integers([p, x, y], scale, larger(bound(x, scale), bound(y, scale)));
  } else if (op === 'suppress/1') {
    const support = ints.filter((index) => [1, typeOf(x).length].includes(typeOf(index).length));
    draft.reveal(draft.shared(op, [x, of(support, picks[1]), of(support, picks[2])], {}, { min: 2 }));
  } else if (room) bits([x, y]);
}

describe('rounds', () => {
  test('independent operations share them: depth counts, not size', async () => {
    const { draft, x, y } = pair(3, 100n);
    let chain = x;
    for (let depth = 0; depth < 4; depth++)
      chain = draft.shared('mul/1', [chain, y], { lo: '-10000000000', hi: '10000000000' });
    draft.reveal(chain);
    for (let i = 0; i < 20; i++)
      draft.reveal(draft.shared('mul/1', [x, draft.shared('add/1', [y, draft.constant(BigInt(i))])]));
    const { seats } = await run(draft.plan(), {
      h: [
        [
          [1n, 2n, 3n],
          [4n, 5n, 6n],
        ],
      ],
    }).result;
    expect(seats[0]?.rounds).toBe(2 + 4);
  });

  test('a suppressed reveal takes eleven, a multiplication in the open none beyond set-up and agreement', async () => {
    const { draft, x, y } = pair(3, 100n);
    draft.reveal(draft.shared('suppress/1', [x, y], {}, { min: 5 }));
    const rows = {
      h: [
        [
          [1n, 2n, 3n],
          [4n, 5n, 6n],
        ],
      ],
    };
    expect((await run(draft.plan(), rows).result).seats[0]?.rounds).toBe(2 + 8 + 2 + 1);
    const local = pair(3, 100n);
    local.draft.reveal(local.draft.shared('mul/1', [local.x, local.draft.constant(3n)]));
    expect((await run(local.draft.plan(), rows).result).seats[0]?.rounds).toBe(2);
  });

  test('a sum of products is one word on the wire', async () => {
    const bytes = async (length: number) => {
      const { draft, x, y } = pair(length, 100n);
      draft.reveal(draft.shared('sum/1', [draft.shared('mul/1', [x, y])], { length: 1, stacked: undefined as never }));
      const sent: number[] = [];
      const { result, expected } = run(
        JSON.parse(JSON.stringify(draft.plan())),
        { h: [[Array.from({ length }, (_, i) => BigInt(i % 100)), new Array(length).fill(3n)]] },
        { wrap: traced(sent) },
      );
      expect((await result).opened).toEqual(expected);
      return sent;
    };
    expect(await bytes(10)).toEqual(await bytes(1000));
  });
});

test('rounds larger than a frame are cut and joined', async () => {
  const length = 150_000;
  const { draft, x, y } = pair(length, 2n ** 30n);
  draft.reveal(draft.shared('mul/1', [x, y], { lo: `${-(2n ** 60n)}`, hi: `${2n ** 60n}` }));
  const sent: number[] = [];
  const values = [1n, -1n].map((sign) => Array.from({ length }, (_, i) => sign * BigInt(i * 7919)));
  const { result, expected } = run(draft.plan(), { h: [values] }, { wrap: traced(sent) });
  expect((await result).opened).toEqual(expected);
  expect(Math.max(...sent)).toBe(2 ** 20);
});

describe('nothing of the data shows', () => {
  test('in lengths or order of frames', async () => {
    const trace = async (rows: bigint[][], seed: number) => {
      const { draft, x, y } = pair(4, EDGE);
      draft.reveal(draft.shared('suppress/1', [x, y], {}, { min: 5 }));
      draft.reveal(draft.bool('eq/1', [x, y]));
      const sent: number[] = [];
      await run(draft.plan(), { h: [rows] }, { wrap: traced(sent), rng: seededRng(seed) }).result;
      return sent;
    };
    const zeros = [0n, 0n, 0n, 0n];
    expect(await trace([zeros, zeros], 1)).toEqual(
      await trace(
        [
          [EDGE, -EDGE, 1n, 2n],
          [9n, 8n, 7n, 1n],
        ],
        2,
      ),
    );
  });

  test('in one seat’s view: the same randomness with other inputs leaves what seats 0 and 1 hold of a holder’s x0 and x1 alone', () => {
    const share = (value: bigint) =>
      rep3SemiHonest.shareInputs([BigInt64Array.of(value)], { sid: SID, rng: seededRng(1), crypto: nodeCrypto });
    const [a, b] = [share(5n), share(-5n)];
    expect(a[0]).toEqual(b[0]);
    expect(a[1]?.subarray(0, 16)).toEqual(b[1]?.subarray(0, 16));
    expect(a.map((message) => message.length)).toEqual([32, 24, 24]);
  });
});

function larger(x: bigint, y: bigint): bigint {
  return x > y ? x : y;
}

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

function guarded() {
  const { draft, x, y } = pair(3, 1000n);
  draft.reveal(draft.shared('suppress/1', [x, y], {}, { min: 5 }));
  draft.reveal(draft.shared('mul/1', [x, y], { lo: '-1000000', hi: '1000000' }));
  return draft.plan();
}
const ROWS = {
  h: [
    [
      [11n, 12n, 13n],
      [4n, 5n, 6n],
    ],
  ],
};

describe('messages altered on their way end in an error, never in a wrong result', () => {
  const ways: Record<string, (frame: Uint8Array) => Uint8Array[]> = {
    'a flipped bit': (frame) => {
      const altered = frame.slice();
      const place = ((altered.length * 7) % 13) % altered.length;
      altered[place] = (altered[place] ?? 0) ^ 4;
      return [altered];
    },
    'a flipped last bit': (frame) => {
      const altered = frame.slice();
      altered[altered.length - 1] = (altered[altered.length - 1] ?? 0) ^ 128;
      return [altered];
    },
    truncation: (frame) => [frame.subarray(0, frame.length - 1)],
    'an oversized frame': (frame) => [new Uint8Array([...frame, 0])],
    'a frame twice': (frame) => [frame, frame],
    'an empty frame before': (frame) => [new Uint8Array(), frame],
  };
  test.each(Object.entries(ways))('%s, in any frame of any seat', async (_, alter) => {
    const plan = guarded();
    let tried = 0;
    for (let seat = 0; seat < 3; seat++) {
      for (let target = 0; ; target++) {
        let [count, hit] = [0, false];
        const wrap = (channel: Channel, from: number) =>
          tampering(channel, (frame) => {
            if (from !== seat || count++ !== target) return [frame];
            hit = true;
            return alter(frame);
          });
        const { result, expected } = run(plan, ROWS, { wrap });
        const outcome = await result.then(
          ({ opened }) => opened,
          (error: { code?: string }) => error,
        );
        if (!hit) break;
        tried++;
        if (outcome instanceof Error) expect(outcome).toHaveProperty('code', expect.stringMatching(/^(MPC|CHANNEL)_/));
        else expect(outcome).toEqual(expected);
      }
    }
    expect(tried).toBeGreaterThan(30);
  });

  test('a seat that falls silent ends the others when the caller’s signal does, with its reason', async () => {
    const timeout = new Error('deadline');
    for (let target = 0; target < 12; target += 3) {
      const controller = new AbortController();
      let count = 0;
      const wrap = (channel: Channel, from: number) =>
        tampering(channel, (frame) => {
          if (from !== 1 || count++ < target) return [frame];
          queueMicrotask(() => controller.abort(timeout));
          return [];
        });
      await expect(run(guarded(), ROWS, { wrap, signal: controller.signal }).result).rejects.toBe(timeout);
    }
  });

  test('a single dropped frame ends in an error', async () => {
    for (let target = 0; target < 12; target++) {
      const controller = new AbortController();
      let count = 0;
      const wrap = (channel: Channel, from: number) =>
        tampering(channel, (frame) => {
          if (from !== 0 || count++ !== target) return [frame];
          setTimeout(() => controller.abort(new Error('deadline')), 10);
          return [];
        });
      const outcome = await run(guarded(), ROWS, { wrap, signal: controller.signal }).result.catch((error) => error);
      expect(count).toBeGreaterThan(target);
      expect(outcome).toBeInstanceOf(Error);
    }
  });

  test('an altered round is blamed on the pair between whom it was altered', async () => {
    let count = 0;
    const wrap = (channel: Channel, from: number, to: number) =>
      tampering(channel, (frame) => {
        if (from !== 2 || to !== 1 || count++ !== 5) return [frame];
        return [frame.map((byte) => byte ^ 1)];
      });
    await expect(run(guarded(), ROWS, { wrap }).result).rejects.toMatchObject({
      code: 'MPC_TRANSCRIPT_MISMATCH',
      message: expect.stringContaining('seats 1 and 2'),
    });
  });
});

test('all seats end with the same transcript, and another session has another', async () => {
  const { seats } = await run(guarded(), ROWS).result;
  const other = await run(guarded(), ROWS, { sid: `0x${'cd'.repeat(32)}` as Hash }).result;
  expect(new Set(seats.map(({ transcript }) => transcript)).size).toBe(1);
  expect(other.seats[0]?.transcript).not.toBe(seats[0]?.transcript);
});

test('an aborted signal stops a seat before it says anything', async () => {
  const sent: number[] = [];
  const signal = AbortSignal.abort(new Error('stop'));
  await expect(run(guarded(), ROWS, { signal, wrap: traced(sent) }).result).rejects.toThrow('stop');
  expect(sent).toEqual([]);
});

describe('output shares', () => {
  async function outputs() {
    const plan = guarded();
    const { seats } = await run(plan, ROWS).result;
    const [node = -1] = seats[0]?.outputs.keys() ?? [];
    return { plan, node, shares: seats.map((seat) => seat.outputs.get(node) ?? new Uint8Array()) };
  }
  const open = ({ plan, node, shares }: { plan: Plan; node: number; shares: Uint8Array[] }) =>
    rep3SemiHonest.open(plan, { h: 1 }, node, shares);

  test('any bit that a single seat changes is found', async () => {
    const honest = await outputs();
    expect(open(honest)).toEqual([null, 12n, 13n]);
    for (let seat = 0; seat < 3; seat++) {
      for (let bit = 0; bit < 8 * (honest.shares[seat]?.length ?? 0); bit += 5) {
        const shares = honest.shares.map((share) => share.slice());
        const share = shares[seat] ?? new Uint8Array();
        share[bit >> 3] = (share[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => open({ ...honest, shares })).toThrow(expect.objectContaining({ code: 'MPC_INCONSISTENT_SHARES' }));
      }
    }
  });

  test('a seat that changes both of its components is named', async () => {
    const honest = await outputs();
    for (let seat = 0; seat < 3; seat++) {
      const shares = honest.shares.map((share, at) => (at === seat ? share.map((byte) => byte ^ 1) : share));
      expect(() => open({ ...honest, shares })).toThrow(
        expect.objectContaining({ message: expect.stringContaining(`it is seat ${seat}`) }),
      );
    }
  });

  test('a share that is missing, short or long is refused with its seat', async () => {
    const honest = await outputs();
    for (const bad of [new Uint8Array(), honest.shares[1]?.subarray(1), new Uint8Array(1000)]) {
      const shares = [honest.shares[0], bad, honest.shares[2]].map((share) => share ?? new Uint8Array());
      expect(() => open({ ...honest, shares })).toThrow(
        expect.objectContaining({ code: 'MPC_INCONSISTENT_SHARES', message: expect.stringContaining('seat 1') }),
      );
    }
  });
});

describe('bad inputs', () => {
  const backendWith = (alter: (messages: Uint8Array[]) => Uint8Array[]) => ({
    ...rep3SemiHonest,
    shareInputs: (...args: Parameters<typeof rep3SemiHonest.shareInputs>) => alter(rep3SemiHonest.shareInputs(...args)),
  });
  const runWith = (backend: typeof rep3SemiHonest) =>
    simulateSeats(backend, {
      ...{ plan: guarded(), sid: SID, roles: { h: 1 }, rng: seededRng(1), crypto: nodeCrypto },
      inputs: new Map([['h', [[BigInt64Array.of(1n, 2n, 3n), BigInt64Array.of(4n, 5n, 6n)]]]]),
    });

  test.each([0, 1, 2])('a message of the wrong length to seat %i names the party', async (seat) => {
    const backend = backendWith((messages) => messages.map((one, at) => (at === seat ? one.subarray(1) : one)));
    await expect(runWith(backend)).rejects.toMatchObject({
      code: 'MPC_BAD_INPUT',
      message: expect.stringContaining('member 1 of role h'),
    });
  });

  test.each([0, 1, 2])('a holder that tells seat %i something else than the others is named', async (seat) => {
    const backend = backendWith((messages) =>
      messages.map((one, at) => (at === seat ? one.map((byte, i) => (i === one.length - 1 ? byte ^ 1 : byte)) : one)),
    );
    await expect(runWith(backend)).rejects.toMatchObject({
      code: 'MPC_BAD_INPUT',
      message: expect.stringContaining('member 1 of role h'),
    });
  });
});

test('seats that are about to run different plans stop before the first round', async () => {
  const [one, other] = [guarded(), { ...guarded(), name: 'another' }];
  const sent: number[] = [];
  const mixed = {
    ...rep3SemiHonest,
    runSeat: (context: Parameters<typeof rep3SemiHonest.runSeat>[0]) =>
      rep3SemiHonest.runSeat({ ...context, plan: context.seat === 2 ? other : one }),
  };
  const simulation = {
    ...{ plan: one, sid: SID, roles: { h: 1 }, rng: seededRng(1), crypto: nodeCrypto, wrap: traced(sent) },
    inputs: new Map([['h', [[BigInt64Array.of(1n, 2n, 3n), BigInt64Array.of(4n, 5n, 6n)]]]]),
  };
  await expect(simulateSeats(mixed, simulation)).rejects.toMatchObject({ code: 'MPC_SCHEDULE_MISMATCH' });
  expect(sent.length).toBeLessThanOrEqual(7);
});

test('more members than the plan allows are refused: its bounds would not hold', async () => {
  const draft = new Draft().role('h', 2);
  draft.reveal(draft.input('total/1', 'h', 1, 5n, 0, 2));
  await expect(run(draft.plan(), { h: [[[1n]], [[2n]], [[3n]]] }).result).rejects.toMatchObject({
    code: 'MPC_BAD_ROLES',
  });
});

describe('check refuses, with the line', () => {
  const refused = (draft: Draft, problem: string) =>
    expect(() => rep3SemiHonest.check(draft.plan())).toThrow(
      expect.objectContaining({ code: 'MPC_UNSUPPORTED', message: expect.stringMatching(problem) }),
    );

  test('comparisons of values that may reach 2^62', () => {
    const { draft, x, y } = pair(1, EDGE + 1n);
    draft.reveal(draft.bool('lt/1', [x, y]));
    refused(draft, '^line 5: lt/1 .*2\\^62');
  });

  test('products that may leave 64 bits', () => {
    const { draft, x, y } = pair(1, 2n ** 40n);
    draft.reveal(draft.shared('mul/1', [x, y], { lo: `${-(2n ** 80n)}`, hi: `${2n ** 80n}` }));
    refused(draft, 'line 5: mul/1 may leave');
  });

  test('arithmetic on suppressed values', () => {
    const { draft, x, y } = pair(1, 10n);
    const kept = draft.shared('suppress/1', [x, y], {}, { min: 5 });
    draft.reveal(draft.shared('add/1', [kept, y], { lo: '-20', hi: '20' }));
    refused(draft, 'line 6: add/1 computes on a suppressed value');
  });

  test('vectors of different lengths', () => {
    const draft = new Draft().role('h');
    const [x, y] = [draft.input('total/1', 'h', 2, 10n), draft.input('total/1', 'h', 3, 10n)];
    draft.reveal(draft.shared('add/1', [x, y], { lo: '-200', hi: '200' }));
    refused(draft, 'line 5: add/1 .*length');
  });
});
