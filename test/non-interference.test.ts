/**
 * What a seat sees of the network does not depend on data: random programs over two random databases each give the same
 * frames, of the same lengths, in the same order between every two seats, and the same rounds. NON_INTERFERENCE sets how
 * many programs.
 */
import { circuitMatch, circuitWords, type Hash, hashValue, keyedColumns, type Plan, type RoleSizes } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { additiveDealerSemiHonest, additiveSemiHonest, rep3Malicious, rep3SemiHonest, simulateSeats } from '@2pm/mpc';
import { concat, dotEach, matrix } from '@2pm/program';
import { expect, test } from 'vitest';
import { anyHonest, type Context, picks, type Run, traced } from './programs.ts';

/** The first five of this series have every operation that the series has. */
const PROGRAMS = Number(process.env['NON_INTERFERENCE'] ?? 5);

/** Vectors for every input of every member, anywhere within their declared bounds; any number of rows may match. */
function database(plan: Plan, roles: RoleSizes, seed: string): Map<string, BigInt64Array[][]> {
  const pick = picks(seed);
  const within = (lo: bigint, hi: bigint) => lo + (BigInt(pick(2 ** 31)) % (hi - lo + 1n));
  const vector = (role: string, node: number): BigInt64Array => {
    const { type, args } = plan.nodes[node] ?? { type: undefined, args: [] };
    const match = circuitMatch(plan, node);
    if (match !== undefined) {
      const side = match.sides.findIndex((one) => one.role === role);
      const few = 1 + pick(9);
      const words = Array.from({ length: circuitWords(match, side) }, () => BigInt(pick(few)));
      return BigInt64Array.from(words, (word) => (side === 0 ? word : -word));
    }
    if (type?.kind === 'keyed') {
      const { capacity, passes, columns } = keyedColumns(plan, node);
      const few = 1 + pick(2 * capacity);
      const tags = Array.from({ length: 2 * passes * capacity }, () => BigInt(pick(few)));
      return BigInt64Array.from([...tags, ...columns.flatMap(() => new Array<bigint>(capacity).fill(within(0n, 1n)))]);
    }
    const local = plan.nodes[args[0] ?? -1]?.type;
    if (local?.kind !== 'local') throw new Error(`node ${node} is no input`);
    return BigInt64Array.from({ length: local.length }, () => within(BigInt(local.lo), BigInt(local.hi)));
  };
  return new Map(
    Object.entries(roles).map(([role, members]) => [
      role,
      Array.from({ length: members }, () => rep3SemiHonest.inputNodes(plan, role).map((node) => vector(role, node))),
    ]),
  );
}

/** Functions, matrices, extrema and noise over counts and sums. What a policy thinks of them is of no matter here. */
function anyNumeric({ each, reveal }: Context, seed: string) {
  const pick = picks(`numeric ${seed}`);
  const { bins, days } = each('holder', ({ visits }) => ({
    bins: visits.days.histogram([0, 5, 10, 20, 60]),
    days: visits.groupBy(visits.ward).sum(visits.days),
  })).total();
  const one = bins.add(1);
  const square = matrix([bins.slice(0, 2), bins.slice(2)]);
  const values = [
    () => bins.div(one, { fractionBits: 8 }),
    () => one.log().rescale(5),
    () => bins.sqrt({ fractionBits: 4 }),
    () => bins.sub(50).rescale(4).rescale(1).sigmoid(),
    () => square.matmul(square.transpose()).vector,
    () => concat(bins.max(), bins.min(), bins.argmax(), days.abs().sum()),
    () => bins.gt(20).select(bins, one).clip(3, 40),
    () => dotEach(bins, [bins, one]),
  ];
  const value = (values[pick(values.length)] ?? (() => bins))();
  const noisy = pick(2) === 0 ? {} : { noisy: reveal(bins, { to: 'analyst', name: 'noisy', epsilon: 0.5 }) };
  return { numeric: reveal(value, { to: 'analyst', name: 'numeric' }), ...noisy };
}

async function observed(backend: typeof rep3SemiHonest, plan: Plan, program: number, seed: string): Promise<string> {
  const roles = { holder: 3, left: 1, right: 1 };
  const frames: string[] = [];
  const { seats } = await simulateSeats(backend, {
    ...{ plan, roles, rng: nodeRng, crypto: nodeCrypto },
    sid: hashValue('non-interference', [program, seed]) as Hash,
    inputs: database(plan, roles, seed),
    wrap: (channel, seat, peer) => ({
      ...channel,
      stats: channel.stats,
      peer: channel.peer,
      send(frame) {
        frames.push(`${seat}→${peer} ${frame.length}`);
        return channel.send(frame);
      },
      receive: (options) => channel.receive(options),
      close: (reason) => channel.close(reason),
    }),
  });
  // Between two seats the order counts; which pair comes first is chance.
  return [...frames.sort(), ...seats.map(({ rounds }) => rounds)].join();
}

test.each([
  [rep3SemiHonest.card.id, rep3SemiHonest, PROGRAMS],
  [rep3Malicious.card.id, rep3Malicious, PROGRAMS],
  // Transfers for every run of its own make it slow.
  [additiveSemiHonest.card.id, additiveSemiHonest, Math.ceil(PROGRAMS / 4)],
  [additiveDealerSemiHonest.card.id, additiveDealerSemiHonest, PROGRAMS],
] as const)(
  '%s: what travels is the same for any two databases',
  async (_, backend, programs) => {
    let ran = 0;
    for (let program = 0; program < programs; program++) {
      const plan = traced(((context) => ({
        ...anyHonest(context, `shadow ${program}`),
        ...anyNumeric(context, `shadow ${program}`),
      })) as Run);
      try {
        backend.check(plan);
      } catch {
        continue; // Joins by tags need three seats.
      }
      ran++;
      const [one, other] = [await observed(backend, plan, program, 'a'), await observed(backend, plan, program, 'b')];
      expect([program, other]).toEqual([program, one]);
    }
    expect(ran).toBeGreaterThan(programs / 4);
  },
  120_000 + 3_000 * PROGRAMS,
);
