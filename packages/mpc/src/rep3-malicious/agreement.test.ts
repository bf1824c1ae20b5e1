/**
 * Seats that are about to run different things stop before the first mask: after one frame each way, with an error that
 * names, at both seats that agree, the one that does not. The odd seat here is an honest one that was told something else.
 */
import { type Hash, type NodeError, Plan, type SeatContext } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import { describe, expect, test } from 'vitest';
import type { Circuit } from '../circuit.ts';
import { lower } from '../lower/lower.ts';
import { simulateSeats } from '../simulate.ts';
import { rep3Malicious, runCircuitMalicious } from './backend.ts';

const SID = `0x${'ab'.repeat(32)}` as Hash;
const ROLES = { h: 2 };

/** A sum behind a threshold, and a product. */
function planOf(min: number, most = 10_000): Plan {
  const range = (hi: number) => ({ fractionBits: 0, lo: '0', hi: `${hi}` });
  const local = { kind: 'local', role: 'h', length: 1 } as const;
  const shared = { kind: 'shared', length: 1, dtype: 'int' } as const;
  const opened = { kind: 'opened', length: 1, to: 'analyst' } as const;
  const nodes = [
    { op: 'count/1', args: [], attrs: {}, type: { ...local, ...range(100) } },
    { op: 'sum/1', args: [], attrs: {}, type: { ...local, ...range(most) } },
    { op: 'total/1', args: [0], attrs: {}, type: { ...shared, ...range(300) } },
    { op: 'total/1', args: [1], attrs: {}, type: { ...shared, ...range(3 * most) } },
    { op: 'suppress/1', args: [3, 2], attrs: { min }, type: { ...shared, ...range(3 * most) } },
    { op: 'mul/1', args: [2, 2], attrs: {}, type: { ...shared, ...range(90_000) } },
    { op: 'sub/1', args: [5, 2], attrs: {}, type: { ...shared, fractionBits: 0, lo: '-300', hi: '90000' } },
    { op: 'reveal/1', args: [4], attrs: { name: 'sum', to: 'analyst' }, type: { ...opened, ...range(3 * most) } },
    { op: 'reveal/1', args: [6], attrs: { name: 'rest', to: 'analyst' }, type: { ...opened, ...range(90_000) } },
  ];
  return Plan.parse({
    ...{ v: 1, language: '2pm/1', name: 'sums', tables: {}, recipients: ['analyst'], result: 7 },
    roles: { h: { min: 2, max: 3, tables: [] } },
    nodes: nodes.map((node, line) => ({ ...node, line })),
  });
}
const PLAN = planOf(10);
const CIRCUIT = lower(PLAN, ROLES);

interface Told {
  circuit?: Circuit;
  context?: Partial<SeatContext>;
}

/** What each seat says when `odd` was told something else, and the lengths of the frames that it sent. */
async function run(odd: number, told: (context: SeatContext) => Told) {
  const errors: (NodeError | undefined)[] = [undefined, undefined, undefined];
  const sent: number[][] = [[], [], []];
  const backend = {
    ...rep3Malicious,
    async runSeat(context: SeatContext) {
      const { circuit = CIRCUIT, context: other = {} } = context.seat === odd ? told(context) : {};
      try {
        return await runCircuitMalicious(circuit, { ...context, ...other });
      } catch (error) {
        errors[context.seat] = error as NodeError;
        throw error;
      }
    },
  };
  const values = [7n, 30n].map((value) => BigInt64Array.of(value));
  const finished = await simulateSeats(backend, {
    ...{ plan: PLAN, sid: SID, roles: ROLES, rng: seededRng(1), crypto: nodeCrypto },
    inputs: new Map([['h', [values, values]]]),
    wrap: (channel, seat) => ({
      ...{ peer: channel.peer, stats: channel.stats },
      send(frame) {
        sent[seat]?.push(frame.length);
        return channel.send(frame);
      },
      receive: (options) => channel.receive(options),
      close: (reason) => channel.close(reason),
    }),
  }).then(
    () => true,
    () => false,
  );
  return { finished, errors, sent };
}

/** The same circuit but for one gate. */
function changed(make: (gate: Circuit['gates'][number], index: number) => Partial<Circuit['gates'][number]>): Circuit {
  return { ...CIRCUIT, gates: CIRCUIT.gates.map((gate, index) => ({ ...gate, ...make(gate, index) })) };
}
const firstOf = (op: string) => CIRCUIT.gates.findIndex((gate) => gate.op === op);

const TOLD: Record<string, (context: SeatContext) => Told> = {
  'another plan: a smaller minimum group': () => ({
    circuit: lower(planOf(9), ROLES),
    context: { plan: planOf(9) },
  }),
  'another plan, of the same circuit': () => ({ context: { plan: { ...PLAN, name: 'others' } } }),
  'other bounds': () => ({ circuit: lower(planOf(10, 9_999), ROLES), context: { plan: planOf(10, 9_999) } }),
  'one member more': ({ inputs }) => {
    const roles = { h: 3 };
    const three = [...(inputs.get('h') ?? []), ...(inputs.get('h')?.slice(0, 1) ?? [])];
    return { circuit: lower(PLAN, roles), context: { roles, inputs: new Map([['h', three]]) } };
  },
  'another session': () => ({ context: { sid: `0x${'cd'.repeat(32)}` as Hash } }),
  'a subtraction for an addition, by other code': () => ({
    circuit: changed(({ op }) => (op === 'add' ? { op: 'sub' } : op === 'sub' ? { op: 'add' } : {})),
  }),
  'other arguments of a product': () => ({
    circuit: changed(({ args }, index) => (index === firstOf('mul') ? { args: [args[0] ?? 0, 0] } : {})),
  }),
  'another value to open': () => ({
    circuit: { ...CIRCUIT, outputs: CIRCUIT.outputs.map((output) => ({ ...output, value: 0 })) },
  }),
};

test('without a difference, all three finish', async () => {
  expect(await run(-1, () => ({}))).toMatchObject({ finished: true, errors: [undefined, undefined, undefined] });
});

describe.each(Object.entries(TOLD))('a seat that was told %s', (_, told) => {
  test.each([0, 1, 2])('seat %i, stops all before the first mask, and both others name it', async (odd) => {
    const { errors, finished, sent } = await run(odd, told);
    expect(finished).toBe(false);
    for (const seat of [0, 1, 2].filter((one) => one !== odd)) {
      expect(errors[seat]).toMatchObject({
        code: 'MPC_SCHEDULE_MISMATCH',
        message: `seats ${seat} and ${odd} are about to run different computations`,
        fix: expect.stringMatching(/./),
      });
    }
    // Binding alone to the next seat; with it a seed and digests to the previous one.
    for (const lengths of sent) expect(lengths.length).toBeLessThanOrEqual(2);
  });
});
