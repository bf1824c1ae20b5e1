/** Rows matched by the bins of a leader, on every back-end, beside the plain evaluation and beside who is in which set. */
import {
  type Attributes,
  circuitMatch,
  cuckooBins,
  encode,
  type Hash,
  type Operation,
  Plan,
  type ValueType,
} from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sharedBackends } from './backends.ts';
import { lower } from './lower/lower.ts';
import { evaluatePlain, type PlainInputs } from './plain/plain.ts';
import { rep3SemiHonest } from './rep3/backend.ts';
import { traffic } from './rep3/traffic.ts';
import { simulateSeats } from './simulate.ts';

const SID = `0x${'ce'.repeat(32)}` as Hash;
const BINS = cuckooBins(1);
const names = ['left', 'right', 'third', 'fourth', 'fifth'];

/** A join that brings a column of the leader and, unless it counts sets, one of each member; and an exit over the same rows. */
function planOf(sets: number, atLeast: number) {
  const nodes: Plan['nodes'] = [];
  const add = (op: Operation, args: number[], type: ValueType, attrs: Attributes = {}) =>
    nodes.push({ op, args, attrs, type, line: nodes.length + 1 }) - 1;
  const all = atLeast === sets;
  const roles = names.slice(0, sets);
  const brought = (side: number) => (all || side === 0 ? ['x'] : []);
  const sides = roles.map((role, side) => {
    const input = add('input/1', [], { kind: 'table', role, table: role }, { table: role });
    const type = { kind: 'keyed', role, table: role, key: 'key', length: 1 } as const;
    return add('keyed/1', [input], type, { key: 'key', columns: brought(side), capacity: 1, duplicates: 'error' });
  });
  const joined = { kind: 'joined', roles, length: BINS } as const;
  const enough = all ? {} : { atLeast };
  const shared = (length: number, dtype: 'int' | 'bool' = 'int') =>
    ({ kind: 'shared', length, dtype, fractionBits: 0, lo: '-1000000', hi: '1000000' }) as const;
  const opened = (length: number) =>
    ({ kind: 'opened', length, to: 'analyst', fractionBits: 0, lo: '-1000000', hi: '1000000' }) as const;
  const reveal = (arg: number, length: number) =>
    add('reveal/1', [arg], opened(length), { name: `r${nodes.length}`, to: 'analyst' });
  const join = add('join/1', sides, joined, { matching: 'circuit', ...enough });
  const mask = add('matched/1', [join], shared(BINS, 'bool'));
  const column = (of: number, role: string) => add('joined-column/1', [of], shared(BINS), { role, name: 'x' });
  const columns = roles.flatMap((role, side) => (brought(side).length === 0 ? [] : [column(join, role)]));
  const slots = [mask, ...columns].map((one) => reveal(one, BINS));
  const zero = add('constant/1', [], { kind: 'constant', fractionBits: 0, value: '0' });
  const kept = add('keep/1', [join, add('gt/1', [columns[0] ?? -1, zero], shared(BINS, 'bool'))], joined);
  const sums = [add('matched/1', [kept], shared(BINS, 'bool')), column(kept, 'left')].map((one) =>
    reveal(add('sum/1', [one], shared(1)), 1),
  );
  // In an exit the second role leads.
  const exit = all
    ? []
    : [add('intersect/1', sides, { kind: 'held', role: 'right' }, { name: 'some', to: 'right', atLeast })];
  const int = { type: 'int', min: '-1000', max: '1000', nullable: false } as const;
  const table = { maxRows: 9, columns: { x: int }, keys: { key: [[{ column: 'mail', rule: 'email/v1' as const }]] } };
  const plan = Plan.parse({
    ...{ v: 1, language: '2pm/1', name: 'test', recipients: ['analyst'], nodes, result: slots[0] },
    tables: Object.fromEntries(roles.map((role) => [role, table])),
    roles: Object.fromEntries(roles.map((role) => [role, { min: 1, max: 1, tables: [role] }])),
  });
  return { plan, join, slots, sums, exit, roles: Object.fromEntries(roles.map((role) => [role, 1])) };
}

/** Whether the row of each slot is in each set, the leader's left out; and what the sides bring of it. */
function inputsOf(
  plan: Plan,
  operations: readonly number[],
  isIn: (slot: number, member: number) => boolean,
  seed: number,
) {
  const rng = seededRng(seed);
  const random = () => new BigInt64Array(rng.fill(new Uint8Array(8 * BINS)).buffer);
  const value = (side: number, slot: number) => BigInt((slot * 7 + side * 31) % 90) - 40n;
  const vectors = new Map<string, BigInt64Array[]>();
  for (const operation of operations) {
    const { sides = [] } = circuitMatch(plan, operation) ?? {};
    const words: bigint[][] = sides.map(() => []);
    for (const [side, { columns }] of sides.entries()) {
      if (side === 0) continue;
      for (const word of ['', ...columns].keys()) {
        const [mine, theirs] = [random(), random()];
        for (let slot = 0; slot < BINS; slot++) {
          const sum = word === 0 ? 0n : value(side, slot);
          if (isIn(slot, side - 1)) theirs[slot] = sum - (mine[slot] ?? 0n);
        }
        words[0]?.push(...mine);
        words[side]?.push(...theirs);
      }
    }
    for (const _ of sides[0]?.columns ?? [])
      words[0]?.push(...Array.from({ length: BINS }, (_, slot) => value(0, slot)));
    for (const [side, { role }] of sides.entries()) {
      vectors.set(role, [...(vectors.get(role) ?? []), BigInt64Array.from(words[side] ?? [])]);
    }
  }
  const inputs: PlainInputs = new Map([...vectors].map(([role, of]) => [role, [of]]));
  return { inputs, value };
}

const membership = (sets: number) =>
  fc.array(fc.nat({ max: 2 ** (sets - 1) - 1 }), { minLength: BINS, maxLength: BINS });
const cases = names.flatMap((_, n) => (n < 1 ? [] : Array.from({ length: n }, (_, k) => [n + 1, k + 2] as const)));

test.each(cases)('of %i sets, rows in at least %i are matched as who is in which says', async (sets, atLeast) => {
  const { plan, join, slots, sums, exit, roles } = planOf(sets, atLeast);
  await fc.assert(
    fc.asyncProperty(membership(sets), fc.nat(), async (members, seed) => {
      const isIn = (slot: number, member: number) => (((members[slot] ?? 0) >> member) & 1) === 1;
      const { inputs, value } = inputsOf(plan, [join, ...exit], isIn, seed);
      const { opened } = await simulateSeats(rep3SemiHonest, {
        ...{ plan, sid: SID, roles, inputs, rng: nodeRng, crypto: nodeCrypto },
      });
      expect(opened).toEqual(evaluatePlain(plan, roles, inputs));
      const count = (slot: number) => 1 + names.slice(1, sets).filter((_, member) => isIn(slot, member)).length;
      const matched = members.map((_, slot) => count(slot) >= atLeast);
      const [mask, ...columns] = slots.map((node) => opened.get(node));
      expect(mask).toEqual(matched.map(BigInt));
      for (const [side, column] of columns.entries()) {
        expect(column).toEqual(matched.map((match, slot) => (match ? value(side, slot) : 0n)));
      }
      const positive = members.map((_, slot) => (matched[slot] ? value(0, slot) : 0n)).filter((x) => x > 0n);
      const total = positive.reduce((sum, x) => sum + x, 0n);
      expect(sums.map((node) => opened.get(node))).toEqual([[BigInt(positive.length)], [total]]);
      for (const node of exit) expect(opened.get(node)).toEqual(matched.map(BigInt));
    }),
    { numRuns: 2 },
  );
});

describe('every back-end', () => {
  test.each(sharedBackends.map((backend) => [backend.card.id, backend] as const))(
    '%s computes it',
    async (_, backend) => {
      const { plan, join, exit, roles } = planOf(3, 2);
      const { inputs } = inputsOf(plan, [join, ...exit], (slot, member) => slot % (member + 2) === 0, 7);
      backend.check(plan);
      const run = { plan, sid: SID, roles, inputs, rng: nodeRng, crypto: nodeCrypto };
      const { opened } = await simulateSeats(backend, run);
      expect(opened).toEqual(evaluatePlain(plan, roles, inputs));
    },
    60_000,
  );
});

test('what it costs is known before it runs', async () => {
  const { plan, join, exit, roles } = planOf(3, 2);
  const { inputs } = inputsOf(plan, [join, ...exit], () => false, 1);
  const sent = [0, 0, 0];
  const { seats } = await simulateSeats(rep3SemiHonest, {
    ...{ plan, sid: SID, roles, inputs, rng: nodeRng, crypto: nodeCrypto },
    wrap: (channel, seat) => ({
      ...{ peer: channel.peer, stats: channel.stats, receive: (options) => channel.receive(options) },
      close: (reason) => channel.close(reason),
      send: (frame) => {
        sent[seat] = (sent[seat] ?? 0) + frame.length;
        return channel.send(frame);
      },
    }),
  });
  const cost = traffic(plan, roles);
  expect([cost.rounds, cost.seats]).toEqual([seats[0]?.rounds, sent]);
});

test('the order in which a plan names its roles is none of the circuit’s: a member that comes back reads another one from its log', () => {
  const { plan, roles } = planOf(4, 2);
  const read = { ...plan, roles: Object.fromEntries(Object.entries(plan.roles).reverse()) };
  expect(encode(read)).toEqual(encode(plan));
  const [circuit, again] = [lower(plan, roles), lower(read, roles)];
  expect([again.gates, [...again.inputWords]]).toEqual([circuit.gates, [...circuit.inputWords]]);
});
