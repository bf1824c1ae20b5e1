import {
  type Attributes,
  type Channel,
  type Hash,
  type KeyType,
  nodesOf,
  type Operation,
  Plan,
  type SeatContext,
  type ValueType,
} from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { additiveSemiHonest } from '../additive/backend.ts';
import { additiveDealerSemiHonest } from '../additive/dealer/backend.ts';
import { dealerTraffic } from '../additive/dealer/traffic.ts';
import { additiveTraffic } from '../additive/traffic.ts';
import { sharedBackends } from '../backends.ts';
import { showsSlots } from '../lower/joins.ts';
import { lower } from '../lower/lower.ts';
import { evaluatePlain, type PlainInputs } from '../plain/plain.ts';
import { rep3Malicious } from '../rep3-malicious/backend.ts';
import { maliciousTraffic } from '../rep3-malicious/traffic.ts';
import { schedule } from '../schedule.ts';
import { type Simulation, simulateSeats } from '../simulate.ts';
import { rep3SemiHonest } from './backend.ts';
import { ROUND_COSTS } from './engine.ts';
import { readPartners } from './join.ts';
import { Masks } from './masks.ts';
import { matchTags } from './matching.ts';
import { uniformOrder } from './permutation.ts';

const SID = `0x${'cd'.repeat(32)}` as Hash;

interface Relation {
  capacity: number;
  columns: string[];
  /** Person in each row and pass; undefined: the row has no key. */
  rows: { keys: (number | undefined)[]; values: bigint[] }[];
}

/** A plan over rows of one holder each, matched by keys. */
class Draft {
  readonly nodes: Plan['nodes'] = [];
  readonly #tables: Plan['tables'] = {};
  readonly #roles: Plan['roles'] = {};

  node(op: Operation, args: number[], type: ValueType, attrs: Attributes = {}): number {
    return this.nodes.push({ op, args, attrs, type, line: this.nodes.length + 1 }) - 1;
  }

  keyed(role: string, { capacity, columns }: Relation, passes: number): number {
    const key: KeyType = Array.from({ length: passes }, () => [{ column: 'mail', rule: 'email/v1' }]);
    const int = { type: 'int', min: '-1000', max: '1000', nullable: false } as const;
    this.#tables[role] = {
      maxRows: 1000,
      columns: Object.fromEntries(columns.map((name) => [name, int])),
      keys: { key },
    };
    this.#roles[role] = { min: 1, max: 1, tables: [role] };
    const table = this.node('input/1', [], { kind: 'table', role, table: role }, { table: role });
    const type = { kind: 'keyed', role, table: role, key: 'key', length: capacity } as const;
    return this.node('keyed/1', [table], type, { key: 'key', columns, capacity, duplicates: 'error' });
  }

  shared(op: Operation, args: number[], length: number, dtype: 'int' | 'bool' = 'int', attrs: Attributes = {}): number {
    const range = dtype === 'bool' ? { lo: '0', hi: '1' } : { lo: '-1000000', hi: '1000000' };
    return this.node(op, args, { kind: 'shared', length, dtype, fractionBits: 0, ...range }, attrs);
  }

  reveal(arg: number, length: number): number {
    const type = { kind: 'opened', length, to: 'analyst', fractionBits: 0, lo: '-1000000', hi: '1000000' } as const;
    return this.node('reveal/1', [arg], type, { name: `r${this.nodes.length}`, to: 'analyst' });
  }

  plan(): Plan {
    const head = { v: 1, language: '2pm/1', name: 'test', recipients: ['analyst'] };
    const result = this.nodes.findIndex(({ op }) => op === 'reveal/1');
    return Plan.parse({ ...head, tables: this.#tables, roles: this.#roles, nodes: this.nodes, result });
  }
}

/** Two words of 59 and 62 bits for a person in a pass, the same at every holder. */
function tagOf(person: number, pass: number): [bigint, bigint] {
  const bytes = nodeCrypto.sha256();
  bytes.update(new Uint8Array([person & 255, person >> 8, pass]));
  const words = new BigUint64Array(bytes.digest().slice(0, 16).buffer);
  return [(words[0] ?? 0n) >> 5n, (words[1] ?? 0n) >> 2n];
}

/** What the holder shares: see `keyedColumns`. Of one pass, rows in the order of their tags. */
function vectorOf({ capacity, columns, rows }: Relation, passes: number, seed: number): BigInt64Array {
  const vector = new BigInt64Array(capacity * (2 * passes + columns.length));
  const random = new BigUint64Array(seededRng(seed).fill(new Uint8Array(8 * vector.length)).buffer);
  for (let i = 0; i < capacity * 2 * passes; i++) vector[i] = (random[i] ?? 0n) >> 5n;
  for (const [row, { keys, values }] of rows.entries()) {
    for (let pass = 0; pass < passes; pass++) {
      const person = keys[pass];
      if (person === undefined) continue;
      for (const [half, word] of tagOf(person, pass).entries()) vector[(2 * pass + half) * capacity + row] = word;
    }
    for (const c of columns.keys()) vector[(2 * passes + c) * capacity + row] = values[c] ?? 0n;
  }
  if (passes > 1) return vector;
  const order = count(capacity).sort((i, j) => ((vector[i] ?? 0n) < (vector[j] ?? 0n) ? -1 : 1));
  return BigInt64Array.from(vector, (_, at) => vector[at - (at % capacity) + (order[at % capacity] ?? 0)] ?? 0n);
}

interface Case {
  passes: number;
  relations: Relation[];
}

const names = ['left', 'right', 'third', 'fourth'];

/** Joins, and reveals the number of matches, each column with the mask, sums, and what a condition keeps. */
function planOf({ passes, relations }: Case) {
  const draft = new Draft();
  const keyed = relations.map((relation, r) => draft.keyed(names[r] ?? '', relation, passes));
  const length = Math.min(...relations.map(({ capacity }) => capacity));
  const joined = draft.node('join/1', keyed, { kind: 'joined', roles: names.slice(0, keyed.length), length });
  const column = (of: number, role: string, name: string) =>
    draft.shared('joined-column/1', [of], length, 'int', { role, name });
  const mask = draft.shared('matched/1', [joined], length, 'bool');
  const columns = relations.flatMap(({ columns }, r) => columns.map((name) => column(joined, names[r] ?? '', name)));
  const slots = [mask, ...columns].map((one) => draft.reveal(one, length));
  const sums = [mask, ...columns].map((one) => draft.reveal(draft.shared('sum/1', [one], 1), 1));
  const [first] = columns;
  if (first !== undefined) {
    const zero = draft.node('constant/1', [], { kind: 'constant', fractionBits: 0, value: '0' });
    const type = { kind: 'joined', roles: names.slice(0, keyed.length), length } as const;
    const kept = draft.node('keep/1', [joined, draft.shared('gt/1', [first, zero], length, 'bool')], type);
    const again = draft.node('keep/1', [kept, mask], type);
    for (const one of [kept, again]) {
      sums.push(draft.reveal(draft.shared('sum/1', [draft.shared('matched/1', [one], length, 'bool')], 1), 1));
      const c = relations.findIndex(({ columns }) => columns.length > 0);
      sums.push(
        draft.reveal(draft.shared('sum/1', [column(one, names[c] ?? '', relations[c]?.columns[0] ?? '')], 1), 1),
      );
    }
  }
  return { plan: draft.plan(), slots, sums, length };
}

function inputsOf({ passes, relations }: Case): PlainInputs {
  return new Map(relations.map((relation, r) => [names[r] ?? '', [[vectorOf(relation, passes, 50 + r)]]]));
}

function run(of: Case, more: Partial<Simulation> = {}, backend = rep3SemiHonest) {
  const { plan, ...rest } = planOf(of);
  const inputs = inputsOf(of);
  const roles = Object.fromEntries([...inputs.keys()].map((role) => [role, 1]));
  const simulation = { plan, sid: SID, roles, inputs, rng: seededRng(3), crypto: nodeCrypto, ...more };
  return { plan, result: simulateSeats(backend, simulation), expected: evaluatePlain(plan, roles, inputs), ...rest };
}

/** Rows of a relation as text, sorted: slots come in an order that nobody knows. */
function sortedSlots(
  opened: ReadonlyMap<number, (bigint | null)[]>,
  slots: readonly number[],
  length: number,
): string[] {
  return Array.from({ length }, (_, i) => slots.map((node) => opened.get(node)?.[i]).join()).sort();
}

/** Up to `people` persons; the keys of a pass are distinct in a relation. */
function relation(passes: number, people: number, columns: number): fc.Arbitrary<Relation> {
  const person = fc.option(fc.nat({ max: people - 1 }), { freq: 6, nil: undefined });
  const row = fc.record({
    keys: fc.array(person, { minLength: passes, maxLength: passes }),
    values: fc.array(fc.bigInt({ min: -9n, max: 9n }), { minLength: columns, maxLength: columns }),
  });
  return fc.record({ rows: fc.array(row, { maxLength: 24 }), spare: fc.nat({ max: 9 }) }).map(({ rows, spare }) => {
    const seen = Array.from({ length: passes }, () => new Set<number>());
    for (const { keys } of rows) {
      for (const [pass, key] of keys.entries()) {
        if (key === undefined) continue;
        if (seen[pass]?.has(key)) keys[pass] = undefined;
        seen[pass]?.add(key);
      }
    }
    return {
      capacity: Math.max(1, rows.length + spare),
      columns: Array.from({ length: columns }, (_, c) => `c${c}`),
      rows,
    };
  });
}

const casesOf = (passes: number, most: number): fc.Arbitrary<Case> =>
  fc.constantFrom(3, 20, 200).chain((people) =>
    fc
      .array(fc.nat({ max: 2 }), { minLength: 2, maxLength: most })
      .chain((columns) => fc.tuple(...columns.map((count) => relation(passes, people, count))))
      .map((relations) => ({ passes, relations })),
  );
const cases = fc.integer({ min: 1, max: 3 }).chain((passes) => casesOf(passes, 4));

/** `overlap` of the persons of the second relation are in the first. */
function pairOf(capacities: [number, number], persons: [number[], number[]], passes = 1): Case {
  return {
    passes,
    relations: capacities.map((capacity, r) => ({
      capacity,
      columns: ['v'],
      rows: (persons[r] ?? []).map((person) => ({
        keys: new Array(passes).fill(person),
        values: [BigInt(person + 1)],
      })),
    })),
  };
}

const count = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

describe('a join', () => {
  test('opens to what the plan says, for relations of any size and overlap', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.nat(), async (one, seed) => {
        const { result, expected, slots, sums, length } = run(one, { rng: seededRng(seed) });
        const { opened } = await result;
        expect(sortedSlots(opened, slots, length)).toEqual(sortedSlots(expected, slots, length));
        for (const node of sums) expect(opened.get(node)).toEqual(expected.get(node));
      }),
      { numRuns: 40 },
    );
  });

  test.each([
    [rep3Malicious, 3, 6],
    [additiveSemiHonest, 2, 4],
    [additiveDealerSemiHonest, 3, 4],
    [additiveSemiHonest, 3, 1],
  ] as const)(
    'opens to it with $card.id too, among %#, where keys are compared in one pass',
    async (backend, seats, numRuns) => {
      const told =
        backend === rep3Malicious ? maliciousTraffic : backend === additiveSemiHonest ? additiveTraffic : dealerTraffic;
      await fc.assert(
        fc.asyncProperty(casesOf(1, seats === 2 ? 2 : 3), fc.nat(), async (one, seed) => {
          const { result, expected, slots, sums, length, plan } = run(one, { rng: seededRng(seed), seats }, backend);
          const { opened, seats: ran } = await result;
          expect(sortedSlots(opened, slots, length)).toEqual(sortedSlots(expected, slots, length));
          for (const node of sums) expect(opened.get(node)).toEqual(expected.get(node));
          const roles = Object.fromEntries(Object.keys(plan.roles).map((role) => [role, 1]));
          expect(ran[0]?.rounds).toBe(told(plan, roles, seats).rounds);
        }),
        { numRuns },
      );
    },
    120_000,
  );

  test('finds nobody, some and everybody', async () => {
    for (const [overlap, matches] of [
      [0, 0n],
      [7, 7n],
      [40, 40n],
    ] as const) {
      const { result, sums } = run(pairOf([50, 60], [count(40), count(40, 40 - overlap)]));
      const { opened } = await result;
      const people = count(overlap, 40 - overlap).reduce((sum, person) => sum + BigInt(person + 1), 0n);
      expect(sums.slice(0, 3).map((node) => opened.get(node)?.[0])).toEqual([matches, people, people]);
    }
  });

  test('of relations with nothing in them, or nobody whose row has a key, finds nothing', async () => {
    const { result, sums } = run(pairOf([4, 1], [[], []]));
    const { opened } = await result;
    for (const node of sums) expect(opened.get(node)).toEqual([0n]);
  });

  test('costs the same frames and rounds, whatever matches', async () => {
    const trace = async (people: [number[], number[]]) => {
      const sent = new Map<string, number[]>();
      const wrap = (channel: Channel, seat: number, peer: number) =>
        watching(channel, (frame) => {
          const key = `${seat} to ${peer}`;
          sent.set(key, [...(sent.get(key) ?? []), frame.length]);
          return frame;
        });
      const { seats } = await run(pairOf([30, 50], people), { wrap }).result;
      return { sent, rounds: seats.map(({ rounds }) => rounds) };
    };
    const nobody = await trace([count(10), count(10, 10)]);
    expect(await trace([count(30), count(50)])).toEqual(nobody);
    expect(await trace([[], []])).toEqual(nobody);
    const words = 30 * 3 + 50 * 3;
    expect(nobody.sent.get('2 to 1')).toContain(8 * words);
  });

  test('takes three rounds, and one more for all columns under their mask', () => {
    const rounds = (columns: string[]) => {
      const one = pairOf([3, 3], [[1], [1]]);
      const relations = one.relations.map((relation) => ({ ...relation, columns }));
      const { plan } = planOf({ passes: 1, relations });
      return schedule(lower(plan, { left: 1, right: 1 }, { exits: nodesOf(plan, 'reveal/1').slice(0, 3) }), ROUND_COSTS)
        .rounds;
    };
    expect([rounds([]), rounds(['v'])]).toEqual([3, 4]);
  });
});

test('two joins and a comparison share rounds; a relation may enter both', async () => {
  const [left, right, third] = [count(12), count(9, 5), count(20, 3)].map(
    (people, r): Relation => ({
      ...{ capacity: 20 - r, columns: ['v'] },
      rows: people.map((person) => ({ keys: [person], values: [BigInt(person - 6)] })),
    }),
  );
  if (left === undefined || right === undefined || third === undefined) throw new Error('three relations');
  third.rows.length = third.capacity;
  const draft = new Draft();
  const keyed = [left, right, third].map((relation, r) => draft.keyed(names[r] ?? '', relation, 1));
  const reveals = [1, 2].flatMap((other) => {
    const length = 20 - other;
    const roles = [names[0] ?? '', names[other] ?? ''];
    const joined = draft.node('join/1', [keyed[0] ?? 0, keyed[other] ?? 0], { kind: 'joined', roles, length });
    const columns = roles.map((role) => draft.shared('joined-column/1', [joined], length, 'int', { role, name: 'v' }));
    const equal = draft.shared('eq/1', columns, length, 'bool');
    return [equal, ...columns].map((one) => draft.reveal(draft.shared('sum/1', [one], 1), 1));
  });
  const one = { passes: 1, relations: [left, right, third] };
  const [plan, inputs, roles] = [draft.plan(), inputsOf(one), { left: 1, right: 1, third: 1 }];
  const simulation = { plan, sid: SID, roles, inputs, rng: seededRng(8), crypto: nodeCrypto };
  const { opened } = await simulateSeats(rep3SemiHonest, simulation);
  const expected = evaluatePlain(plan, roles, inputs);
  for (const node of reveals) expect(opened.get(node)).toEqual(expected.get(node));
  expect(opened.get(reveals[1] ?? -1)).toEqual([5n - 6n + 6n - 6n + 7n - 6n + 8n - 6n + 9n - 6n + 10n - 6n + 11n - 6n]);
});

describe('a plan', () => {
  test('has keyed rows among its inputs only where they enter a join', () => {
    const { plan } = planOf(pairOf([2, 3], [[], []]));
    const [left = -1, right = -1] = nodesOf(plan, 'keyed/1');
    expect([rep3SemiHonest.inputNodes(plan, 'left'), rep3SemiHonest.inputNodes(plan, 'right')]).toEqual([
      [left],
      [right],
    ]);
    const set = { ...plan, nodes: plan.nodes.filter(({ op }) => op !== 'join/1') };
    expect(rep3SemiHonest.inputNodes(set, 'left')).toEqual([]);
  });

  test('that asks for a column that nobody brought, or for rows of several holders, is refused', () => {
    const { plan } = planOf(pairOf([2, 3], [[], []]));
    const renamed = JSON.parse(JSON.stringify(plan).replace('"name":"v"', '"name":"w"'));
    expect(() => rep3SemiHonest.check(renamed)).toThrow(expect.objectContaining({ code: 'MPC_UNSUPPORTED' }));
    const left = { min: 1, max: 2, tables: ['left'] };
    const several = { ...plan, roles: { ...plan.roles, left } };
    expect(() => rep3SemiHonest.check(several)).toThrow(expect.objectContaining({ code: 'MPC_UNSUPPORTED' }));
  });

  test('that compares keys in several passes is refused, with its line, where no seat matches', () => {
    const [one, two] = [1, 2].map((passes) => planOf(pairOf([2, 3], [[], []], passes)).plan) as [Plan, Plan];
    for (const backend of sharedBackends) {
      backend.check(one);
      if (backend === rep3SemiHonest) backend.check(two);
      else {
        const refusal = { code: 'MPC_UNSUPPORTED', message: expect.stringMatching(/^line \d+: .*2 passes/) };
        expect(() => backend.check(two)).toThrow(expect.objectContaining(refusal));
      }
    }
  });

  test('has its slots shuffled only where they may be opened', () => {
    const { plan } = planOf(pairOf([3, 3], [[], []]));
    const reveals = nodesOf(plan, 'reveal/1');
    const [join = -1] = nodesOf(plan, 'join/1');
    expect(showsSlots(plan, join)).toBe(true);
    const sums = reveals.filter((node) => plan.nodes[plan.nodes[node]?.args[0] ?? -1]?.op === 'sum/1');
    const kept = plan.nodes.map((node, i) =>
      reveals.includes(i) && !sums.includes(i) ? { ...node, op: 'sum/1' as const } : node,
    );
    expect(sums.length).toBeGreaterThan(0);
    expect(showsSlots({ ...plan, nodes: kept }, join)).toBe(false);
  });
});

/** Sees, and may alter, what is sent. */
function watching(channel: Channel, seen: (frame: Uint8Array) => Uint8Array): Channel {
  return {
    ...{ peer: channel.peer, stats: channel.stats },
    send: (frame) => channel.send(seen(frame)),
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  };
}

describe('a matcher', () => {
  test('is believed nothing but injections into the rows of a relation', () => {
    const join = { relations: [5, 3, 4].map((rows) => ({ rows, columns: 1 })), passes: 1, matcher: 2 };
    const read = (...rows: number[]) => readPartners(new Uint8Array(Uint32Array.from(rows).buffer), join);
    expect(read(0, 4, 2, 3, 1, 0)).toEqual([Uint32Array.of(0, 4, 2), Uint32Array.of(3, 1, 0)]);
    for (const rows of [
      [0, 5, 2, 3, 1, 0],
      [0, 4, 2, 4, 1, 0],
      [0, 4, 4, 3, 1, 0],
      [0, 4, 2, 3, 3, 0],
      [0, 4, 2 ** 32 - 1, 3, 1, 0],
    ]) {
      expect(() => read(...rows)).toThrow(expect.objectContaining({ code: 'MPC_BAD_MATCHING' }));
    }
  });

  test('that announces anything else ends the run with a code', async () => {
    const one = pairOf([7, 9], [count(7), count(9)]);
    for (const [to, length] of [
      [0, 4 * 7],
      [1, 12 * 7],
    ] as const) {
      for (const alter of [
        (rows: Uint32Array) => rows.fill(3),
        (rows: Uint32Array) => rows.fill(9, 6),
        (rows: Uint32Array) => rows.fill(0xffffffff, 0, 1),
      ]) {
        let altered = 0;
        const wrap = (channel: Channel, seat: number, peer: number) =>
          watching(channel, (frame) => {
            if (seat !== 2 || peer !== to || frame.length !== length) return frame;
            altered++;
            const bad = frame.slice();
            alter(new Uint32Array(bad.buffer).subarray(bad.length / 4 - 7));
            return bad;
          });
        await expect(run(one, { wrap }).result).rejects.toMatchObject({ code: 'MPC_BAD_MATCHING', fault: 'peer' });
        expect(altered).toBe(1);
      }
    }
  });

  test('that sends a frame of another length ends the run with a code', async () => {
    const wrap = (channel: Channel, seat: number, peer: number) =>
      watching(channel, (frame) => (seat === 2 && peer === 0 && frame.length === 28 ? frame.subarray(4) : frame));
    await expect(run(pairOf([7, 9], [[], []]), { wrap }).result).rejects.toMatchObject({ code: 'MPC_BAD_FRAME' });
  });

  test('must be a seat', async () => {
    const backend = {
      ...rep3SemiHonest,
      runSeat: (context: SeatContext) => rep3SemiHonest.runSeat({ ...context, matchers: new Map([[4, 3]]) }),
    };
    const none = {
      ...backend,
      runSeat: (context: SeatContext) => rep3SemiHonest.runSeat({ ...context, matchers: new Map() }),
    };
    const { plan } = planOf(pairOf([2, 2], [[], []]));
    for (const each of [backend, none]) {
      const simulation = { plan, sid: SID, roles: { left: 1, right: 1 }, inputs: inputsOf(pairOf([2, 2], [[], []])) };
      const run = simulateSeats(each, { ...simulation, rng: seededRng(1), crypto: nodeCrypto });
      await expect(run).rejects.toMatchObject({ code: 'MPC_NO_MATCHER' });
    }
  });

  test('is part of what the seats agree on before they begin', async () => {
    const backend = {
      ...rep3SemiHonest,
      runSeat: (context: SeatContext) =>
        rep3SemiHonest.runSeat(
          context.seat === 1
            ? { ...context, matchers: new Map([...context.matchers].map(([node]) => [node, 0])) }
            : context,
        ),
    };
    const one = pairOf([2, 2], [[], []]);
    const simulation = { plan: planOf(one).plan, sid: SID, roles: { left: 1, right: 1 }, inputs: inputsOf(one) };
    await expect(
      simulateSeats(backend, { ...simulation, rng: seededRng(1), crypto: nodeCrypto }),
    ).rejects.toMatchObject({
      code: 'MPC_SCHEDULE_MISMATCH',
    });
  });

  test('may be any of the seats', async () => {
    for (const matcher of [0, 1]) {
      const backend = {
        ...rep3SemiHonest,
        runSeat: (context: SeatContext) =>
          rep3SemiHonest.runSeat({
            ...context,
            matchers: new Map([...context.matchers].map(([node]) => [node, matcher])),
          }),
      };
      const one = pairOf([12, 9], [count(12), count(9, 5)], 2);
      const { plan, sums } = planOf(one);
      const [roles, inputs] = [{ left: 1, right: 1 }, inputsOf(one)];
      const simulation = { plan, sid: SID, roles, inputs, rng: seededRng(1), crypto: nodeCrypto };
      const { opened } = await simulateSeats(backend, simulation);
      const expected = evaluatePlain(plan, roles, inputs);
      for (const node of sums) expect(opened.get(node)).toEqual(expected.get(node));
    }
  });
});

describe('nothing shows', () => {
  test('of tags in any message that the two other seats get, from holders or seats; the matcher gets them in two addends', async () => {
    const one = pairOf([20, 30], [count(20), count(30, 10)]);
    const tags = new Set<bigint>();
    for (const [member] of inputsOf(one).values()) {
      const vector = member?.[0] ?? new BigInt64Array(0);
      for (const word of vector.subarray(0, (vector.length / 3) * 2)) tags.add(word);
    }
    const got = [0, 1, 2].map(() => [] as Uint8Array[]);
    const backend = {
      ...rep3SemiHonest,
      runSeat: (context: SeatContext) => {
        got[context.seat]?.push(...[...context.inputs.values()].flat());
        return rep3SemiHonest.runSeat(context);
      },
    };
    const wrap = (channel: Channel, _seat: number, peer: number) =>
      watching(channel, (frame) => {
        got[peer]?.push(frame);
        return frame;
      });
    const roles = { left: 1, right: 1 };
    const simulation = { plan: planOf(one).plan, sid: SID, roles, inputs: inputsOf(one), rng: seededRng(1), wrap };
    await simulateSeats(backend, { ...simulation, crypto: nodeCrypto });
    const wordsOf = (frame: Uint8Array) => [...new BigInt64Array(frame.slice(0, frame.length & ~7).buffer)];
    for (const seat of [0, 1]) {
      // As they are, and as sums of two messages of one length.
      for (const frame of got[seat] ?? []) {
        expect(wordsOf(frame).filter((word) => tags.has(word))).toEqual([]);
        for (const other of got[seat] ?? []) {
          if (other === frame || other.length !== frame.length) continue;
          const theirs = wordsOf(other);
          expect(wordsOf(frame).filter((word, i) => tags.has(BigInt.asIntN(64, word + (theirs[i] ?? 0n))))).toEqual([]);
        }
      }
    }
    const [u, v] = (got[2] ?? []).filter(({ length }) => length === 8 * 2 * (20 + 30)).map(wordsOf);
    const opened = (u ?? []).map((word, i) => BigInt.asIntN(64, word + (v?.[i] ?? 0n)));
    expect(new Set(opened)).toEqual(tags);
    // Not in the order of the holders.
    const [first] = inputsOf(one).values();
    expect(opened.slice(0, 20)).not.toEqual([...(first?.[0]?.[0]?.subarray(0, 20) ?? [])]);
  });

  test('of the number of matches in what the matcher announces: all injections come equally often', () => {
    const [rows, trials] = [3, 3000];
    const stream = new Masks(nodeCrypto, new Uint8Array(16).fill(5), SID);
    for (const matches of [0, 1, 2, 3]) {
      const seen = new Map<string, number>();
      for (let trial = 0; trial < trials; trial++) {
        const tags = (order: Uint32Array, from: number) =>
          BigUint64Array.from({ length: 2 * rows }, (_, i) => BigInt(from + (order[i % rows] ?? 0)) * 0x1234567n);
        const anchor = { rows, tags: tags(uniformOrder(stream, rows), 100) };
        const other = { rows, tags: tags(uniformOrder(stream, rows), 100 + rows - matches) };
        const { matched, partners } = matchTags([anchor, other], 1, stream);
        expect(matched.filter((bit) => bit === 1n).length).toBe(matches);
        const key = `${partners[0]}`;
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
      expect(seen.size).toBe(6);
      // Six standard deviations of a binomial count.
      for (const times of seen.values())
        expect(Math.abs(times - trials / 6)).toBeLessThan(6 * Math.sqrt((trials * 5) / 36));
    }
  });
});

test('of rows that share a tag, which no honest holder has, one is matched', () => {
  const stream = new Masks(nodeCrypto, new Uint8Array(16).fill(6), SID);
  const tags = (...words: bigint[]) => BigUint64Array.from([...words, ...words]);
  const { matched, partners } = matchTags(
    [
      { rows: 3, tags: tags(7n, 7n, 8n) },
      { rows: 4, tags: tags(8n, 7n, 7n, 7n) },
    ],
    1,
    stream,
  );
  expect([...matched].sort()).toEqual([0n, 1n, 1n]);
  expect(new Set(partners[0]).size).toBe(3);
  expect(matched[2] === 1n && partners[0]?.[2] === 0).toBe(true);
});
