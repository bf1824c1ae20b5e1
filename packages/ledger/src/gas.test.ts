import { readFileSync, writeFileSync } from 'node:fs';
import type { ChainCommand, ChainDomain, Hash, Hex, NodeId, Signer, TaskId } from '@2pm/core';
import {
  localSigner,
  signAttestation,
  signConsent,
  signCreate,
  signRegister,
  signStart,
  signUpdate,
  taskId as taskIdOf,
} from '@2pm/crypto';
import { encodeFunctionData } from 'viem';
import { expect, test } from 'vitest';
import { Anvil } from '../differential/anvil.ts';
import { contractCall } from './contract-call.ts';
import { LEDGER_ABI, LEDGER_BYTECODE } from './contracts.generated.ts';

const CHAIN_ID = 31337;
const GENESIS = 1_800_000_000;
const COMMITTED = new URL('../solidity/gas.json', import.meta.url);
const SIZES = [1, 3, 10, 32, 64];
/** Whole transactions: 21,000 and calldata included. */
const TARGETS: Record<string, number> = {
  'register 320 bytes': 95_000,
  'update 320 bytes': 45_000,
  'create, first': 132_000,
  create: 115_000,
  ...Object.fromEntries(SIZES.map((n) => [`start ${n}`, 45_000 + 12_000 * n])),
  ...Object.fromEntries(SIZES.map((n) => [`settle ${n}`, 60_000 + 7_000 * n])),
};

const hash = (byte: number) => `0x${byte.toString(16).padStart(2, '0').repeat(32)}` as Hash;
/** No zero byte: the dearest record of its size. */
const record = (salt: number) => Uint8Array.from({ length: 320 }, (_, i) => 1 + ((i * 7 + salt) % 255));

async function measure(): Promise<Record<string, number>> {
  await using anvil = await Anvil.start(CHAIN_ID, GENESIS);
  let time = GENESIS;
  const [deployed] = await anvil.block(++time, [{ data: LEDGER_BYTECODE as Hex }]);
  const verifyingContract = deployed?.contractAddress as Hex;
  const domain: ChainDomain = { name: '2PM Node', version: '1', chainId: CHAIN_ID, verifyingContract };
  const run = async (command: ChainCommand): Promise<number> => {
    const data = encodeFunctionData({ abi: LEDGER_ABI, ...contractCall(command) } as never);
    const [receipt] = await anvil.block(++time, [{ to: verifyingContract, data }]);
    expect(receipt?.status, command.type).toBe('0x1');
    return Number(receipt?.gasUsed);
  };
  const gas: Record<string, number> = { deploy: Number(deployed?.gasUsed) };

  const nodes: Signer[] = Array.from({ length: Math.max(...SIZES) }, (_, i) =>
    localSigner(new Uint8Array(32).fill(i + 1)),
  ).sort((a, b) => (a.id < b.id ? -1 : 1));
  const controller = localSigner(new Uint8Array(32).fill(200)).id;
  for (const [i, node] of nodes.entries()) {
    gas['register 320 bytes'] = await run(
      await signRegister(node, domain, { controller, record: record(i), nonce: 1 }),
    );
  }
  const coordinator = nodes[0] as Signer;
  gas['update 320 bytes'] = await run(await signUpdate(coordinator, domain, { record: record(99), nonce: 2 }));

  for (const [nonce, n] of SIZES.entries()) {
    const times = { joinBy: time + 1000, settleBy: time + 2000, quorum: 0 };
    const fields = { nonce, specHash: hash(0x5a), invitedHash: hash(0x1d), ...times };
    gas[nonce === 0 ? 'create, first' : 'create'] = await run(await signCreate(coordinator, domain, fields));
    const taskId: TaskId = taskIdOf(domain, coordinator.id, nonce);
    const roster = nodes.slice(0, n);
    const members: NodeId[] = roster.map(({ id }) => id);
    const consentHashes = roster.map((_, i) => hash(i + 1));
    const consentSignatures = await Promise.all(
      roster.map((node, i) => signConsent(node, domain, { taskId, consentHash: hash(i + 1) })),
    );
    const start = { taskId, members, consentHashes, consentSignatures };
    gas[`start ${n}`] = await run(await signStart(coordinator, domain, start));
    const roots = { taskId, resultRoot: hash(0xa1), transcriptRoot: hash(0xb2) };
    const signatures = await Promise.all(roster.map((node) => signAttestation(node, domain, roots)));
    gas[`settle ${n}`] = await run({ type: 'settle', members, consentHashes, ...roots, signatures });
  }
  return gas;
}

test('no command costs more gas than its target, nor 2 % more than the committed table', async () => {
  const gas = await measure();
  if (process.env['LEDGER_GAS_UPDATE'] !== undefined) writeFileSync(COMMITTED, `${JSON.stringify(gas, null, 2)}\n`);
  const committed = JSON.parse(readFileSync(COMMITTED, 'utf8')) as Record<string, number>;
  expect(Object.keys(gas).sort()).toEqual(Object.keys(committed).sort());
  for (const [name, used] of Object.entries(gas)) {
    expect(used, name).toBeLessThanOrEqual((committed[name] ?? 0) * 1.02);
    expect(used, `${name}, target`).toBeLessThanOrEqual(TARGETS[name] ?? Number.POSITIVE_INFINITY);
  }
});
