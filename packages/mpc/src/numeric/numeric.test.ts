import { type Attributes, type Hash, type Operation, Plan, type SharedBackend, type ValueType } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sharedBackends } from '../backends.ts';
import { evaluatePlain } from '../plain/plain.ts';
import { rep3SemiHonest } from '../rep3/backend.ts';
import { simulateSeats } from '../simulate.ts';
import { clearly } from './clear.ts';
import { absolute, greater, greatest, least, lesser } from './extrema.ts';

type Shared = Extract<ValueType, { kind: 'shared' }>;

interface Step {
  op: Operation;
  /** 0, 1, … are the inputs, then the steps. */
  args: number[];
  attrs?: Attributes;
  type: Partial<Shared>;
}

const shared = (type: Partial<Shared>): Shared => ({
  ...{ kind: 'shared', dtype: 'int', fractionBits: 0, length: 1, lo: `${-(2n ** 61n)}`, hi: `${2n ** 61n}` },
  ...type,
});

/** Computes the steps on vectors of a single holder, and opens each of them: by the seats of a back-end, and in the clear. */
async function run(
  vectors: readonly { values: bigint[]; type?: Partial<Shared> }[],
  steps: readonly Step[],
  backend: SharedBackend = rep3SemiHonest,
) {
  const nodes: Plan['nodes'] = [];
  const node = (op: Operation, args: number[], type: ValueType, attrs: Attributes = {}) =>
    nodes.push({ op, args, attrs, type, line: nodes.length + 1 }) - 1;
  const places = vectors.map(({ values, type = {} }) => {
    const { dtype: _, ...own } = shared({ length: values.length, ...type });
    const local = node('count/1', [], { ...own, kind: 'local', role: 'h' });
    return node('total/1', [local], shared({ length: values.length, ...type }));
  });
  const steady = steps.map(({ op, args, attrs, type }) => {
    const place = node(
      op,
      args.map((arg) => places[arg] ?? -1),
      shared(type),
      attrs,
    );
    places.push(place);
    return place;
  });
  const reveals = steady.map((place, i) => {
    const { dtype: _, ...type } = (nodes[place] as Plan['nodes'][number]).type as Shared;
    return node('reveal/1', [place], { ...type, kind: 'opened', to: 'analyst' }, { name: `r${i}`, to: 'analyst' });
  });
  const plan = Plan.parse({
    ...{ v: 1, language: '2pm/1', name: 'test', tables: {}, recipients: ['analyst'] },
    ...{ roles: { h: { min: 1, max: 1, tables: [] } }, nodes, result: reveals[0] },
  });
  const inputs = new Map([['h', [vectors.map(({ values }) => BigInt64Array.from(values))]]]);
  const { opened, seats } = await simulateSeats(backend, {
    ...{ plan, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { h: 1 }, inputs },
    ...{ rng: seededRng(1), crypto: nodeCrypto },
  });
  const plain = evaluatePlain(plan, { h: 1 }, inputs);
  return {
    opened: reveals.map((reveal) => opened.get(reveal)),
    plain: reveals.map((reveal) => plain.get(reveal)),
    rounds: seats[0]?.rounds,
  };
}

const backends = sharedBackends.map((backend) => [backend.card.id, backend] as const);

describe.each(backends)('seats of %s open what the plan says in the clear', (id, backend) => {
  test('of the operations that are exact', async () => {
    const [x, y] = [
      [5n, -3n, 0n, 7n, 7n, -9n],
      [4n, -3n, 1n, -7n, 8n, 2n],
    ];
    const like = { length: 6 };
    const { opened, plain } = await run(
      [{ values: x }, { values: y }, { values: [3n, -2n] }],
      [
        { op: 'minimum/1', args: [0, 1], type: like },
        { op: 'maximum/1', args: [0, 1], type: like },
        { op: 'abs/1', args: [0], type: like },
        { op: 'min/1', args: [0], type: {} },
        { op: 'max/1', args: [0], type: {} },
        { op: 'argmax/1', args: [0], type: {} },
        { op: 'dot/1', args: [0, 1, 0], type: { length: 2 } },
        { op: 'combine/1', args: [2, 0, 1], type: like },
        { op: 'slice/1', args: [0], attrs: { offset: 2, length: 3 }, type: { length: 3 } },
        { op: 'concat/1', args: [0, 2, 1], type: { length: 14 } },
        { op: 'transpose/1', args: [0], attrs: { rows: 2 }, type: like },
        { op: 'matmul/1', args: [0, 1], attrs: { inner: 3 }, type: { length: 4 } },
        { op: 'repeat/1', args: [6], attrs: { length: 4 }, type: { length: 4 } },
        { op: 'lt/1', args: [0, 1], type: { ...like, dtype: 'bool' } },
        { op: 'as-int/1', args: [16], type: like },
      ],
      backend,
    );
    expect(opened).toEqual(plain);
  });

  test('of functions up to their errors, all in the rounds of the longest', async () => {
    const values = Array.from({ length: 60 }, (_, i) => BigInt(1 + i * i * 40));
    const type = { fractionBits: 8, lo: '1', hi: '150000', length: 60 };
    const wide = { length: 60, fractionBits: 12 };
    const attrs = { fractionBits: 12 };
    const { opened, plain, rounds } = await run(
      [
        { values, type },
        { values: values.map((_, i) => BigInt(i * 47 - 1000)), type: { ...type, lo: '-1000', hi: '1800' } },
      ],
      [
        { op: 'reciprocal/1', args: [0], attrs, type: wide },
        { op: 'sqrt/1', args: [0], attrs, type: wide },
        { op: 'log/1', args: [0], attrs, type: wide },
        { op: 'exp/1', args: [1], attrs, type: wide },
        { op: 'sigmoid/1', args: [1], attrs, type: wide },
        { op: 'div/1', args: [1, 0], attrs, type: wide },
        { op: 'rescale/1', args: [0], attrs: { fractionBits: 3 }, type: { length: 60, fractionBits: 3 } },
      ].map((step) => step as Step),
      backend,
    );
    const reals = [1, 1, 1, 2, 1, 1, 1];
    for (const [i, allowed] of reals.entries()) {
      for (const [j, value] of (opened[i] ?? []).entries()) {
        const exact = Number(plain[i]?.[j]);
        expect(Math.abs(Number(value) - exact)).toBeLessThanOrEqual(1 + allowed + Math.abs(exact) * 2 ** -27);
      }
    }
    if (id === rep3SemiHonest.card.id) expect(rounds).toBeLessThanOrEqual(35);
  });

  test('and refuse a function on a range where it is not defined', async () => {
    const build = run([{ values: [5n] }], [{ op: 'log/1', args: [0], attrs: { fractionBits: 4 }, type: {} }]);
    await expect(build).rejects.toThrow('that range');
  });
});

test('extrema are those of the values, the first place among equals', async () => {
  const vector = fc.array(fc.bigInt({ min: -4n, max: 4n }), { minLength: 1, maxLength: 20 });
  const extremes = fc.array(fc.bigInt({ min: 1n - 2n ** 61n, max: 2n ** 61n - 1n }), { minLength: 1, maxLength: 9 });
  await fc.assert(
    fc.asyncProperty(fc.oneof(vector, extremes), async (x) => {
      const y = [...x].reverse();
      const ascending = [...x].sort((a, b) => (a < b ? -1 : 1));
      const built = await clearly([x, y], (b, [one = -1, other = -1]) => {
        const { value, place } = greatest(b, one);
        const pairwise = [lesser(b, one, other), greater(b, one, other), absolute(b, one)];
        return b.concat([value, place, least(b, one), ...pairwise]);
      });
      const [most = 0n] = ascending.slice(-1);
      expect(built.values).toEqual([
        ...[most, BigInt(x.indexOf(most)), ascending[0]],
        ...x.map((value, i) => (value < (y[i] ?? 0n) ? value : y[i])),
        ...x.map((value, i) => (value < (y[i] ?? 0n) ? y[i] : value)),
        ...x.map((value) => (value < 0n ? -value : value)),
      ]);
    }),
    { numRuns: 60 },
  );
});
