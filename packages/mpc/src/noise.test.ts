import { type Attributes, type Hash, noiseDigits, Plan, type SharedBackend, type ValueType } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { additiveSemiHonest } from './additive/backend.ts';
import { additiveDealerSemiHonest } from './additive/dealer/backend.ts';
import { lower } from './lower/lower.ts';
import { type NoiseLaw, noiseLaw } from './noise.ts';
import { evaluatePlain } from './plain/plain.ts';
import { rep3SemiHonest } from './rep3/backend.ts';
import { runSession, type Variant } from './rep3/session.ts';
import { rep3Malicious, VARIANT } from './rep3-malicious/backend.ts';
import { simulateSeats } from './simulate.ts';

/** A fraction; never reduced. */
interface Ratio {
  over: bigint;
  under: bigint;
}

const abs = (x: bigint) => (x < 0n ? -x : x);

/** e^x for x = numerator / denominator > 0, from both sides: the series up to its 300th term, and what can follow. */
function exponential(numerator: bigint, denominator: bigint): { lo: Ratio; hi: Ratio } {
  const terms = 300n;
  let [sum, term] = [1n, 1n];
  for (let n = 1n; n <= terms; n++) {
    term *= numerator;
    sum = sum * denominator * n + term;
  }
  let under = 1n;
  for (let n = 1n; n <= terms; n++) under *= denominator * n;
  // Each further term is less than half of the one before, as x < 150, and the next less than the last one.
  return { lo: { over: sum, under }, hi: { over: sum + 2n * term, under } };
}

/** Probabilities by value, in units of 2^-unit. */
interface Distribution {
  of: Map<bigint, bigint>;
  unit: bigint;
}

const certain: Distribution = { of: new Map([[0n, 1n]]), unit: 0n };

/** The sum of independent variables, the second one times `factor`. */
function sum(x: Distribution, y: Distribution, factor = 1n): Distribution {
  const of = new Map<bigint, bigint>();
  for (const [i, p] of x.of) {
    for (const [j, q] of y.of) of.set(i + factor * j, (of.get(i + factor * j) ?? 0n) + p * q);
  }
  return { of, unit: x.unit + y.unit };
}

function coin(over: bigint, unit: bigint): Distribution {
  return {
    of: new Map([
      [0n, (1n << unit) - over],
      [1n, over],
    ]),
    unit,
  };
}

/** Of the difference of two variables with these digits. */
function noiseOf({ digits }: NoiseLaw): Distribution {
  const geometric = digits.reduce(
    (lower, bits, digit) =>
      sum(
        lower,
        coin(
          bits.reduce((all, t) => all * t),
          63n * BigInt(bits.length),
        ),
        1n << BigInt(digit),
      ),
    certain,
  );
  return sum(geometric, geometric, -1n);
}

/** Of what comes out for a value; without `uniform` no uniform number takes its place. */
function outputOf(law: NoiseLaw, noise: Distribution, value: bigint, uniform = law.uniform): Distribution {
  const anywhere = law.weights.reduce((all, weight) => sum(all, coin(1n, 1n), weight), certain);
  const of = new Map<bigint, bigint>();
  const add = (y: bigint, p: bigint) => of.set(y, (of.get(y) ?? 0n) + p);
  for (const [k, p] of noise.of) add(value + k, (p * ((1n << 63n) - uniform)) << anywhere.unit);
  for (const [k, p] of anywhere.of) add(law.least + k, (p * uniform) << noise.unit);
  return { of, unit: 63n + noise.unit + anywhere.unit };
}

const PURE = [
  { epsilonMicros: 20_000_000, sensitivity: 1n, lo: 0n, hi: 5n },
  { epsilonMicros: 3_300_000, sensitivity: 1n, lo: -2n, hi: 9n },
  { epsilonMicros: 1_000_000, sensitivity: 1n, lo: 0n, hi: 3n },
  { epsilonMicros: 4_100_000, sensitivity: 3n, lo: 0n, hi: 6n },
];

/** Whether no output is likelier by more than e^(εc/s) for one value than for another one, c apart. */
function hides({ epsilonMicros, sensitivity, lo, hi }: (typeof PURE)[number], output: (value: bigint) => Distribution) {
  const outputs = new Map<bigint, Distribution>();
  for (let value = lo; value <= hi; value++) outputs.set(value, output(value));
  for (let c = 1n; c <= sensitivity; c++) {
    // From below, so that what holds with it holds with e^(εc/s).
    const factor = exponential(BigInt(epsilonMicros) * c, 1_000_000n * sensitivity).lo;
    for (const [value, here] of outputs) {
      for (const there of [outputs.get(value - c), outputs.get(value + c)]) {
        if (there === undefined) continue;
        for (const [y, p] of here.of) if (p * factor.under > (there.of.get(y) ?? 0n) * factor.over) return false;
      }
    }
  }
  return true;
}

describe('ε', () => {
  test.each(PURE)('bounds the ratio of all probabilities exactly: $epsilonMicros, $sensitivity', (parameters) => {
    const law = noiseLaw(parameters);
    const noise = noiseOf(law);
    const outputs = outputOf(law, noise, parameters.lo);
    expect([...outputs.of.values()].reduce((all, p) => all + p)).toBe(1n << outputs.unit);
    expect(hides(parameters, (value) => outputOf(law, noise, value))).toBe(true);
  });

  test('would not, if no uniform number ever took the place of the value', () => {
    const [parameters] = PURE;
    if (parameters === undefined) throw new Error('no parameters');
    const law = noiseLaw(parameters);
    const noise = noiseOf(law);
    expect(hides(parameters, (value) => outputOf(law, noise, value, 0n))).toBe(false);
  });
});

describe('the law', () => {
  test('has digits of the stated probabilities, as exactly as the proof asks, and rare uniform numbers', () => {
    const parameters = fc.record({
      epsilonMicros: fc.oneof(fc.integer({ min: 1, max: 20_000_000 }), fc.constantFrom(1, 1_000, 500_000, 20_000_000)),
      sensitivity: fc.oneof(fc.bigInt({ min: 1n, max: 1n << 26n }), fc.constantFrom(1n, 2n, 100n)),
      lo: fc.bigInt({ min: -(1n << 60n), max: 0n }),
      hi: fc.bigInt({ min: 1n, max: 1n << 60n }),
    });
    fc.assert(
      fc.property(parameters, (given) => {
        const { epsilonMicros, sensitivity, lo, hi } = given;
        const law = noiseLaw(given);
        expect(law.digits).toHaveLength(noiseDigits(epsilonMicros, sensitivity));
        const slack = 1_000_000n * sensitivity <= BigInt(epsilonMicros) << 26n ? 34n : 49n;
        const [over, under] = [(BigInt(epsilonMicros) << slack) - 1_000_000n * sensitivity, 1_000_000n * sensitivity];
        for (const [i, bits] of law.digits.entries()) {
          if (i % 7 !== 0 && i < law.digits.length - 3) continue;
          // 1 - 2^-slack / 6 < p̃ (1 + e^x) ≤ 1: of the digits together, the code itself looks.
          const e = exponential(over << BigInt(i), under << slack);
          const one = 1n << (63n * BigInt(bits.length));
          const drawn = bits.reduce((all, t) => all * t);
          expect(drawn * (e.hi.under + e.hi.over) <= one * e.hi.under).toBe(true);
          const least = one * e.lo.under * ((6n << slack) - 1n);
          expect(drawn * (e.lo.under + e.lo.over) * (6n << slack) > least).toBe(true);
        }
        // 2 q^N ≤ η 2^-(r + 1)
        const count = BigInt(law.digits.length);
        const end = exponential(over << count, under << slack).lo;
        expect(end.under << (64n + BigInt(law.weights.length)) <= law.uniform * end.over).toBe(true);
        expect(law.uniform).toBeLessThanOrEqual(1n << 47n);
        // Uniform numbers lie where value and noise do, and reach both ends.
        expect(law.least).toBe(lo - (1n << count) + 1n);
        expect(law.least + law.weights.reduce((all, weight) => all + weight)).toBe(hi + (1n << count) - 1n);
      }),
      { numRuns: 60 },
    );
  });

  test('gives as many digits as leave out less than 2^-92, and no more', () => {
    expect(noiseDigits(1_000_000, 1n)).toBe(6);
    expect(noiseDigits(500_000, 3n)).toBe(9);
    expect(noiseDigits(20_000_000, 1n)).toBe(2);
    const { lo } = exponential(64n, 1n);
    expect(lo.over > lo.under << 92n).toBe(true);
  });

  test('is refused where its words are too short for it', () => {
    const parameters = { epsilonMicros: 1, sensitivity: 1n << 30n, lo: 0n, hi: 1n };
    expect(() => noiseLaw(parameters)).toThrow(expect.objectContaining({ code: 'MPC_NOISE_TOO_WIDE' }));
  });

  test('is the discrete Laplace law to within a millionth of a thousandth', () => {
    const { of, unit } = noiseOf(noiseLaw({ epsilonMicros: 1_000_000, sensitivity: 1n, lo: 0n, hi: 1n }));
    // P(k) = (1 - q) / (1 + q) q^|k| with q = 1/e, in units of 2^-200.
    const [fraction, { lo }] = [200n, exponential(1n, 1n)];
    const one = 1n << fraction;
    const q = (lo.under << fraction) / lo.over;
    const centre = ((one - q) << fraction) / (one + q);
    let [power, apart] = [one, 0n];
    for (let k = 0n; k < 64n; k++) {
      const law = (centre * power) >> fraction;
      const drawn = (of.get(k) ?? 0n) >> (unit - fraction);
      expect(of.get(-k)).toBe(of.get(k));
      apart += (k === 0n ? 1n : 2n) * abs(law - drawn);
      power = (power * q) >> fraction;
    }
    expect(apart < one / 1_000_000_000n).toBe(true);
  });
});

/** One holder's numbers, revealed under noise; and once more, under noise of their own. */
function planOf(length: number, attrs: Attributes): Plan {
  const range = { length, fractionBits: 0, lo: '-1000', hi: '1000' };
  const shared: ValueType = { kind: 'shared', dtype: 'int', ...range };
  const wide = { ...shared, lo: '-100000', hi: '100000' };
  const opened: ValueType = { kind: 'opened', to: 'analyst', ...range };
  const node = (op: string, args: number[], type: ValueType, own: Attributes = {}) => {
    return { op, args, attrs: own, type, line: 1 };
  };
  return Plan.parse({
    ...{ v: 1, language: '2pm/1', name: 'test', tables: {}, recipients: ['analyst'], result: 4 },
    roles: { h: { min: 1, max: 1, tables: [] } },
    nodes: [
      node('count/1', [], { kind: 'local', role: 'h', ...range }),
      node('total/1', [0], shared),
      node('noise/1', [1], wide, attrs),
      node('noise/1', [1], wide, attrs),
      node('reveal/1', [2], opened, { name: 'one', to: 'analyst' }),
      node('reveal/1', [3], opened, { name: 'other', to: 'analyst' }),
      node('reveal/1', [2], opened, { name: 'again', to: 'analyst' }),
    ],
  });
}

/** A malicious seat that would rather have other random words than those that it shares with the next seat. */
const rigged: SharedBackend = {
  ...rep3Malicious,
  runSeat(context) {
    const circuit = lower(context.plan, context.roles);
    const variant: Variant = {
      ...VARIANT,
      async start(...args) {
        const { engine, check } = await VARIANT.start(...args);
        return {
          ...(check === undefined ? {} : { check }),
          engine: {
            costs: engine.costs,
            interactive: (gate, shares) => engine.interactive(gate, shares),
            local(gate, shares) {
              const share = engine.local(gate, shares);
              return gate.op === 'random' && share.form === 'words'
                ? { ...share, b: new BigUint64Array(gate.length) }
                : share;
            },
          },
        };
      },
    };
    return runSession(context.seat === 1 ? variant : VARIANT, circuit, context);
  },
};

async function draw(backend: SharedBackend, length: number, attrs: Attributes, seed = 7) {
  const plan = planOf(length, attrs);
  const values = BigInt64Array.from({ length }, (_, i) => BigInt((i % 2001) - 1000));
  const inputs = new Map([['h', [[values]]]]);
  const { opened, seats } = await simulateSeats(backend, {
    ...{ plan, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { h: 1 }, inputs },
    ...{ rng: seededRng(seed), crypto: nodeCrypto },
  });
  const plain = evaluatePlain(plan, { h: 1 }, inputs);
  const noise = (reveal: number) =>
    (opened.get(reveal) ?? []).map((value, i) => Number((value ?? 0n) - (plain.get(reveal)?.[i] ?? 0n)));
  return { one: noise(4), other: noise(5), again: noise(6), rounds: seats[0]?.rounds };
}

/** χ² of the draws against the law; 11 classes of it have 10 degrees of freedom. */
function chiSquare(draws: readonly number[], alpha: number): number {
  const q = Math.exp(-alpha);
  const law = (k: number) => ((1 - q) / (1 + q)) * q ** Math.abs(k);
  const inner = [-4, -3, -2, -1, 0, 1, 2, 3, 4];
  const tail = q ** 5 / (1 + q);
  const classes = [
    ...inner.map((k) => ({ expected: law(k), seen: draws.filter((draw) => draw === k).length })),
    { expected: tail, seen: draws.filter((draw) => draw < -4).length },
    { expected: tail, seen: draws.filter((draw) => draw > 4).length },
  ];
  return classes.reduce(
    (sum, { expected, seen }) => sum + (seen - expected * draws.length) ** 2 / (expected * draws.length),
    0,
  );
}

/** Exceeded once in a thousand times. */
const CRITICAL = 29.59;

describe('what the seats draw', () => {
  test.each([
    { name: 'rep3', backend: rep3SemiHonest, length: 4000 },
    { name: 'rep3, malicious', backend: rep3Malicious, length: 500 },
    { name: 'additive', backend: additiveSemiHonest, length: 250 },
    { name: 'additive, with a dealer', backend: additiveDealerSemiHonest, length: 2000 },
  ])('$name: follows the law, independently in each element and node, once for each node', async (given) => {
    const { one, other, again } = await draw(given.backend, given.length, { epsilonMicros: 500_000, sensitivity: '1' });
    expect(one).toHaveLength(given.length);
    expect(chiSquare(one, 0.5)).toBeLessThan(CRITICAL);
    expect(chiSquare(other, 0.5)).toBeLessThan(CRITICAL);
    // Differences of independent draws are not those of equal ones; the variance of a draw is 2q / (1 - q)².
    const variance = (2 * Math.exp(-0.5)) / (1 - Math.exp(-0.5)) ** 2;
    const spread = (of: readonly number[]) => of.reduce((sum, d) => sum + d * d, 0) / of.length / variance;
    expect(Math.abs(spread(one.map((d, i) => d - (other[i] ?? 0))) - 2)).toBeLessThan(0.6);
    expect(Math.abs(spread(one.slice(1).map((d, i) => d - (one[i] ?? 0))) - 2)).toBeLessThan(0.6);
    expect(again).toEqual(one);
  });

  test('is as wide as ε and sensitivity ask, and other in another session', async () => {
    const attrs = { epsilonMicros: 1_000_000, sensitivity: '4' };
    const { one, rounds } = await draw(rep3SemiHonest, 3000, attrs);
    expect(chiSquare(one, 0.25)).toBeLessThan(CRITICAL);
    expect((await draw(rep3SemiHonest, 3000, attrs, 8)).one).not.toEqual(one);
    // One before, twelve for all elements together, one after: the rarest digit is an AND of two bits.
    expect(rounds).toBe(14);
  });

  test('is not for a malicious seat to choose: nothing opens', async () => {
    const attrs = { epsilonMicros: 1_000_000, sensitivity: '1' };
    await expect(draw(rigged, 20, attrs)).rejects.toMatchObject({ code: expect.stringMatching(/^MPC_/) });
  });

  test.each([rep3SemiHonest, rep3Malicious, additiveSemiHonest, additiveDealerSemiHonest])(
    '$card.id: takes nothing from the masks of what else is computed in the same rounds',
    async (backend) => {
      const plan = planOf(40, { epsilonMicros: 1_000_000, sensitivity: '1' });
      const [shared, opened] = [plan.nodes[1]?.type, plan.nodes[4]?.type];
      if (shared?.kind !== 'shared' || opened?.kind !== 'opened') throw new Error('not the plan that it was');
      // Masks are drawn for roundings before and after the words of the noise.
      const rounded = plan.nodes.flatMap((node): Plan['nodes'] => {
        const finer = { ...node, type: { ...node.type, fractionBits: 8 } as ValueType };
        return [node.op === 'reveal/1' ? { ...finer, args: node.args.map((arg) => arg + 1) } : finer];
      });
      const rescale = { op: 'rescale/1' as const, args: [1], attrs: { fractionBits: 4 }, line: 1 };
      const type = { ...shared, fractionBits: 4 };
      rounded.splice(2, 0, { ...rescale, type });
      for (const node of rounded.slice(3, 5)) node.args = [1];
      rounded.push(
        { ...rescale, attrs: { fractionBits: 5 }, type: { ...type, fractionBits: 5 } },
        ...[2, 8].map((arg) => ({
          ...{ op: 'reveal/1' as const, args: [arg], line: 1, attrs: { name: `rounded${arg}`, to: 'analyst' } },
          type: { ...opened, fractionBits: arg === 2 ? 4 : 5 },
        })),
      );
      const values = BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i * 16));
      const result = await simulateSeats(backend, {
        ...{ plan: { ...plan, nodes: rounded, result: 5 }, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { h: 1 } },
        ...{ inputs: new Map([['h', [[values]]]]), rng: seededRng(3), crypto: nodeCrypto },
      });
      expect(result.opened.get(9)).toEqual([...values].map((value) => value >> 4n));
      expect(result.opened.get(10)).toEqual([...values].map((value) => value >> 3n));
      const noise = (result.opened.get(5) ?? []).map((value, i) => Number((value ?? 0n) - (values[i] ?? 0n)));
      expect(Math.max(...noise.map(Math.abs))).toBeLessThan(25);
    },
  );

  test('is what the oracle is told', () => {
    const plan = planOf(3, { epsilonMicros: 1, sensitivity: '1' });
    const inputs = new Map([['h', [[BigInt64Array.of(5n, 6n, 7n)]]]]);
    const plain = evaluatePlain(plan, { h: 1 }, inputs, (node, element) => BigInt(100 * node + element));
    expect([4, 5, 6].map((reveal) => plain.get(reveal))).toEqual([
      [205n, 207n, 209n],
      [305n, 307n, 309n],
      [205n, 207n, 209n],
    ]);
  });
});
