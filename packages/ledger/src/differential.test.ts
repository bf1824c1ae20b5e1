import type { ChainDomain, Hex, LedgerEvent } from '@2pm/core';
import { decodeErrorResult, decodeEventLog, decodeFunctionResult, encodeFunctionData } from 'viem';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Anvil, type Receipt, type Transaction } from '../differential/anvil.ts';
import { type CommandList, commandList, GENESIS, NODES, STEPS } from '../differential/commands.ts';
// @ts-expect-error: a build script without types
import { compile } from '../scripts/compile.mjs';
import { contractCall } from './contract-call.ts';
import { ledgerEvent, NODE_STATUSES, TASK_STATUSES } from './contract-event.ts';
import { LEDGER_ABI, LEDGER_BYTECODE } from './contracts.generated.ts';
import { CONTRACT_ERRORS } from './refusal.ts';

const LISTS = Number(process.env['LEDGER_DIFFERENTIAL_LISTS'] ?? 150);
const FIRST_SEED = Number(process.env['LEDGER_DIFFERENTIAL_SEED'] ?? 1);
/** Lists that share the blocks of one anvil: it keeps all state in memory. */
const PER_ANVIL = 300;
const CHAIN_ID = 31337;
const RELAY_ABI = [
  {
    type: 'function',
    name: 'run',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'target', type: 'address' },
      { name: 'calls', type: 'bytes[]' },
    ],
    outputs: [],
  },
  {
    type: 'event',
    name: 'Outcome',
    inputs: [
      { name: 'index', type: 'uint256', indexed: true },
      { name: 'ok', type: 'bool', indexed: false },
      { name: 'result', type: 'bytes', indexed: false },
    ],
  },
] as const;

let anvil: Anvil;
let relay: Hex;
let relayCode: Hex;

beforeAll(async () => {
  relayCode = compile(['test/Relay.sol'])['test/Relay.sol'].Relay.bytecode;
  anvil = await Anvil.start(CHAIN_ID, GENESIS);
});
afterAll(async () => {
  await anvil?.[Symbol.asyncDispose]();
});

type Outcome = { ok: boolean; result: Hex; events: LedgerEvent[] };

/** What each relayed call did: the ledger's logs before an Outcome belong to that call. */
function outcomes(receipt: Receipt | undefined): Outcome[] {
  const out: Outcome[] = [];
  let events: LedgerEvent[] = [];
  if (receipt?.status !== '0x1') throw new Error('the relay itself failed');
  for (const { address, topics, data } of receipt.logs) {
    if (address === relay) {
      const { args } = decodeEventLog({ abi: RELAY_ABI, topics, data });
      out.push({ ok: args.ok, result: args.result, events });
      events = [];
    } else {
      const { eventName, args } = decodeEventLog({ abi: LEDGER_ABI, topics, data });
      events.push(ledgerEvent(eventName, args as unknown as Record<string, unknown>));
    }
  }
  return out;
}

function relayed(target: Hex, calls: readonly { functionName: string; args: readonly unknown[] }[]): Transaction {
  const encoded = calls.map((call) => encodeFunctionData({ abi: LEDGER_ABI, ...call } as never));
  return { to: relay, data: encodeFunctionData({ abi: RELAY_ABI, functionName: 'run', args: [target, encoded] }) };
}

function refusalCode(result: Hex): string {
  const { errorName } = decodeErrorResult({ abi: LEDGER_ABI, data: result });
  return CONTRACT_ERRORS[errorName] ?? errorName;
}

/** Each node and task as the contract and as the state machine tell it. */
function reads(list: CommandList): { call: { functionName: string; args: readonly unknown[] }; expected: unknown[] }[] {
  const zero = (bytes: number) => `0x${'00'.repeat(bytes)}`;
  const nodes = NODES.map((id) => {
    const entry = list.state.nodes.get(id);
    const expected = entry
      ? [
          entry.controller,
          NODE_STATUSES.indexOf(entry.status),
          BigInt(entry.seq),
          entry.recordHash,
          BigInt(entry.tasks),
        ]
      : [zero(20), 0, 0n, zero(32), 0n];
    return { call: { functionName: 'nodeOf', args: [id] }, expected };
  });
  const tasks = [...list.state.tasks.values()].map((task) => ({
    call: { functionName: 'taskOf', args: [task.taskId] },
    expected: [
      task.coordinator,
      TASK_STATUSES.indexOf(task.status),
      BigInt(task.joinBy),
      BigInt(task.settleBy),
      task.quorum,
      task.specHash,
      task.rosterHash,
      task.resultRoot,
      task.transcriptRoot,
    ],
  }));
  return [...nodes, ...tasks];
}

const seen = new Map<string, number>();

async function compareLists(seeds: readonly number[]): Promise<void> {
  const deployments = [{ data: relayCode }, ...seeds.map(() => ({ data: LEDGER_BYTECODE as Hex }))];
  const [relayReceipt, ...ledgers] = await anvil.block(GENESIS + 1, deployments);
  relay = relayReceipt?.contractAddress as Hex;
  const lists = await Promise.all(
    seeds.map(async (seed, i) => {
      const verifyingContract = ledgers[i]?.contractAddress as Hex;
      const domain: ChainDomain = { name: '2PM Node', version: '1', chainId: CHAIN_ID, verifyingContract };
      return { target: verifyingContract, list: await commandList(seed, domain) };
    }),
  );
  for (const [step, time] of STEPS.entries()) {
    const receipts = await anvil.block(
      time,
      lists.map(({ target, list }) =>
        relayed(
          target,
          (list.steps[step] ?? []).map((p) => contractCall(p.command)),
        ),
      ),
    );
    for (const [i, { list }] of lists.entries()) {
      const onChain = outcomes(receipts[i]);
      for (const [at, { command, outcome }] of (list.steps[step] ?? []).entries()) {
        const { ok, result, events } = onChain[at] as Outcome;
        const where = `seed ${list.seed}, step ${step}, command ${at}: ${command.type}`;
        expect(ok ? events : refusalCode(result), where).toEqual(outcome);
        const label = typeof outcome === 'string' ? outcome : (outcome[0]?.type ?? '');
        seen.set(label, (seen.get(label) ?? 0) + 1);
      }
    }
  }
  const after = (STEPS.at(-1) ?? 0) + 1;
  const receipts = await anvil.block(
    after,
    lists.map(({ target, list }) =>
      relayed(
        target,
        reads(list).map(({ call }) => call),
      ),
    ),
  );
  for (const [i, { list }] of lists.entries()) {
    const onChain = outcomes(receipts[i]);
    for (const [at, { call, expected }] of reads(list).entries()) {
      const decoded = decodeFunctionResult({
        abi: LEDGER_ABI,
        functionName: call.functionName as 'nodeOf',
        data: onChain[at]?.result as Hex,
      }) as readonly unknown[];
      const plain = decoded.map((value) => (typeof value === 'string' ? value.toLowerCase() : value));
      expect(plain, `seed ${list.seed}: ${call.functionName}`).toEqual(expected);
    }
  }
}

test(`the contract and the state machine give the same events, refusals and states on ${LISTS} random command lists`, {
  timeout: 3_600_000,
}, async () => {
  for (let done = 0; done < LISTS; done += PER_ANVIL) {
    if (done > 0) {
      await anvil[Symbol.asyncDispose]();
      anvil = await Anvil.start(CHAIN_ID, GENESIS);
    }
    const count = Math.min(PER_ANVIL, LISTS - done);
    await compareLists(Array.from({ length: count }, (_, i) => FIRST_SEED + done + i));
  }
  const events = ['nodeRegistered', 'nodeUpdated', 'nodeRotated', 'nodeLeft', 'nodeRevoked', 'taskCreated'];
  const taskEvents = ['taskStarted', 'taskSettled', 'taskAborted', 'taskExpired'];
  const expected = [...events, ...taskEvents, ...Object.values(CONTRACT_ERRORS)];
  if (process.env['LEDGER_DIFFERENTIAL_PRINT'] !== undefined) console.log(Object.fromEntries(seen));
  // A comparison in which some rule never spoke would prove nothing about it.
  expect(expected.filter((label) => !seen.has(label))).toEqual([]);
});
