/**
 * What anyone sees of a task does not depend on the data, but for what is revealed to whom it is revealed: random programs
 * that a policy allows, as whole tasks over real files, give the same events on the chain, the same control messages, the
 * same frames between all nodes, and the same end, whether the data is plenty and clean or scarce and dirty. And where it
 * does not keep its rules, whichever and however often, the task ends in the same words. NON_INTERFERENCE_TASKS sets how
 * many programs.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, decode, encode, type NodeId, nodesOf, type Plan } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { nodeRng } from '@2pm/crypto/node';
import { DEFAULT_LIMITS, dataHolder, type Engine, inlineEngine, parseContract } from '@2pm/data';
import { fileSource } from '@2pm/data/file';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { anyHonest, type Pick, picks, traced } from './programs.ts';

/** The first two of this series have joins of both kinds, sorted rows, groups and histograms. */
const PROGRAMS = Number(process.env['NON_INTERFERENCE_TASKS'] ?? 2);
const ROLES = ['holder', 'holder', 'holder', 'left', 'right'] as const;

let root: string;
let engine: Engine;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), '2pm-interference-'));
  engine = inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(root, 'spill') });
});
afterAll(async () => {
  await engine.close();
  await rm(root, { recursive: true, force: true });
});

const contract = (path: string) =>
  parseContract(`apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:visits
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: ${path}, format: csv }]
schema:
  - name: visits
    properties:
      - { name: days, logicalType: integer }
      - { name: score, logicalType: integer }
      - { name: price, logicalType: number }
      - { name: ward, logicalType: string }
      - { name: secret, logicalType: integer }
      - { name: email, logicalType: string }
customProperties:
  - property: twopm.policy
    value:
      permit:
        - parties: any
          operations: [aggregate, match, union, order]
          reveals: [aggregate]
          columns: any
          limits: { maxKeys: 500 }
          thresholds: { minParties: 1, minGroupSize: 20 }
          approval: auto
      defaults: deny
`);

/** Rows of one holder as a file; `wild`: values beyond what a program declares, and keys that no rule reads. */
function visits(pick: Pick, rows: number, { wild = false, lacking = 0 } = {}): string {
  const among = <T>(...choices: T[]): T => choices[pick(choices.length)] as T;
  const lines = Array.from({ length: rows }, (_, i) => {
    const days = i < lacking ? '' : wild ? among(-5, 70, 10 ** 6) : pick(61);
    const score = wild ? among('', '99') : pick(11) - 5;
    const price = wild ? among(-1, 1e6) : pick(100) + 0.5;
    const ward = among('a', 'b', 'c', ...(wild ? ['none'] : []));
    const email = wild && pick(2) === 0 ? among('', 'n/a', 'not an address') : `person${i}@example.org`;
    return `${days},${score},${price},${ward},${pick(10)},${email}`;
  });
  return ['days,score,price,ward,secret,email', ...lines, ''].join('\n');
}

const Frame = z.object({
  id: z.number(),
  request: z.record(z.string(), z.unknown()).optional(),
  answer: z.unknown().optional(),
  error: z.unknown().optional(),
});

/** Notes what goes through a control channel: of requests kind and length, of answers length and what they answer to. */
function controlled(channel: Channel, note: (line: string) => void): Channel {
  const asked = new Map<number, string>();
  return {
    ...{ peer: channel.peer, stats: channel.stats },
    send(bytes) {
      const { id, request, answer, error } = decode(bytes, Frame, 'frame');
      const { kind, phase, message } = request ?? {};
      // How often people are told, and whether a node still lives, is up to the clock.
      if (kind === 'progress') note(`progress ${phase} ${message}`);
      else if (request !== undefined && kind !== 'ping') note(`${kind} ${encode(request).length}`);
      else if (request === undefined && !['ping', 'progress'].includes(asked.get(id) ?? '')) {
        note(`to ${asked.get(id)} ${error === undefined ? encode(answer).length : JSON.stringify(error)}`);
      }
      return channel.send(bytes);
    },
    async receive(options) {
      const bytes = await channel.receive(options);
      const { id, request } = decode(bytes, Frame, 'frame');
      if (request !== undefined) asked.set(id, String(request['kind']));
      return bytes;
    },
    close: (reason) => channel.close(reason),
  };
}

function counted(channel: Channel, note: (line: string) => void): Channel {
  return {
    ...{ peer: channel.peer, stats: channel.stats },
    send(frame) {
      note(String(frame.length));
      return channel.send(frame);
    },
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  };
}

/** Everything but the bits of hashes, ids and signatures, and what depends on when it was. */
const shape = (value: unknown) =>
  JSON.stringify(value, (_, part) => {
    if (typeof part === 'string' && part.startsWith('0x')) return `0x…${/^0x0*$/.test(part) ? 'zero' : part.length}`;
    return typeof part === 'number' && part > 10 ** 9 ? 'then' : part;
  });

/** Messages of a control session may overtake each other, and some are said again until they are heard. */
function withoutRepeats(lines: readonly string[]): string[] {
  const repeated = lines.filter((line) => /^(to )?(offer|consent|refuse|progress) /.test(line));
  return [...new Set(repeated), ...lines.filter((line) => !repeated.includes(line))].sort();
}

/** A task over these files, one for each holder: all that any node, and the chain, sees of it. */
async function observed(plan: Plan, files: readonly string[]): Promise<Record<string, unknown>> {
  const dir = await mkdtemp(join(root, 'task-'));
  const holders = await Promise.all(
    files.map(async (file, i) => {
      const path = join(dir, `${i}.csv`);
      await writeFile(path, file);
      const contracts = [contract(path)];
      const options = { engine, contracts, sources: [fileSource({ engine })], rng: nodeRng };
      return { vectors: {}, holder: dataHolder({ ...options, dir: join(dir, `holder${i}`), clock: Date }) };
    }),
  );
  const seen = new Map<string, string[]>();
  let net: TaskNetwork | undefined;
  const number = (id: NodeId) => net?.nodes.findIndex((node) => node.id === id);
  net = await taskNetwork({
    plans: { p: plan },
    holders,
    wrap(channel, { self, peer, binding }) {
      const way = `${binding.protocol} ${number(self)} to ${number(peer)}`;
      const lines = seen.get(way) ?? [];
      seen.set(way, lines);
      return (binding.protocol.includes('control') ? controlled : counted)(channel, (line) => lines.push(line));
    },
  });
  const { chain, analyst } = net;
  const stop = new AbortController();
  const events: string[] = [];
  const watching = (async () => {
    const all = chain.connector().events({ from: null, level: 'seen', signal: stop.signal });
    for await (const item of all) events.push(shape(item.type === 'event' ? item.event : item.type) ?? '');
  })();
  const named = (role: string) => net?.holders.filter((_, i) => ROLES[i] === role).map(({ id }) => id) ?? [];
  const roles = Object.fromEntries(Object.keys(plan.roles).map((role) => [role, named(role)]));
  const taskId = await analyst.tasks.submit(SubmitRequest.parse({ program: 'p', purpose: 'statistics', roles }));
  for await (const _ of analyst.tasks.updates(taskId, new AbortController().signal));
  const { phase, attempt, error, refusals } = analyst.tasks.view(taskId);
  await net.clock.sleep(1_000);
  await net.stop();
  stop.abort();
  await watching.catch(() => undefined);
  return {
    end: { phase, attempt, error, refusals },
    events: events.filter((event) => event.includes('"task')),
    control: Object.fromEntries(
      [...seen].flatMap(([way, lines]) => (way.includes('control') ? [[way, withoutRepeats(lines)]] : [])),
    ),
    frames: Object.fromEntries([...seen].filter(([way]) => !way.includes('control'))),
  };
}

test(
  'nobody can tell plenty of clean data from little and dirty data',
  async () => {
    let matched = 0;
    for (let program = 0; program < PROGRAMS; program++) {
      const pick = picks(`tasks 28 ${program}`);
      const plan = traced((context) => anyHonest(context, `tasks 28 ${program}`));
      matched += nodesOf(plan, 'join/1').length;
      const plenty = ROLES.map(() => visits(pick, 100));
      const one = await observed(plan, plenty);
      expect(one).toMatchObject({ end: { phase: 'settled', attempt: 1 } });
      const scarce = ROLES.map((role) => visits(pick, role === 'left' ? 2 : pick(20), { wild: true }));
      expect([program, await observed(plan, scarce)]).toEqual([program, one]);
    }
    expect(matched).toBeGreaterThan(0);
  },
  60_000 + 30_000 * PROGRAMS,
);

test('nor, where data does not keep its rules, how far from them it is', async () => {
  const pick = picks('unfit');
  const plan = traced(({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.days.sum()).total(), { to: 'analyst', name: 'days', minGroupSize: 20 }),
  );
  const unfit = (lacking: number, rows: number) =>
    observed(plan, [visits(pick, rows, { lacking }), ...ROLES.slice(1).map(() => visits(pick, 30))]);
  const slightly = await unfit(1, 90);
  expect(slightly).toMatchObject({ end: { phase: 'refused', error: { code: 'DATA_QUALITY' } }, frames: {} });
  expect(await unfit(17, 20)).toEqual(slightly);
}, 60_000);
