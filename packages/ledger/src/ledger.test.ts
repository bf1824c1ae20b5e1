import type { ChainCommand, ChainDomain, Hash, Hex, LedgerEvent, NodeId, Signer } from '@2pm/core';
import {
  localSigner,
  signAbort,
  signAttestation,
  signConsent,
  signCreate,
  signLeave,
  signRegister,
  signRevoke,
  signRotate,
  signStart,
  signUpdate,
  taskId as taskIdOf,
} from '@2pm/crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { apply, judge } from './apply.ts';
import { emptyLedger, type LedgerState, nextTaskNonce } from './state.ts';

const domain: ChainDomain = {
  name: '2PM Node',
  version: '1',
  chainId: 7,
  verifyingContract: `0x${'ab'.repeat(20)}`,
};
const signer = (byte: number) => localSigner(new Uint8Array(32).fill(byte));
const [ada, ben, eve] = [signer(1), signer(2), signer(3)].sort((a, b) => (a.id < b.id ? -1 : 1)) as [
  Signer,
  Signer,
  Signer,
];
const cold = signer(9);
const record = Uint8Array.of(1, 2, 3);
const hash = (byte: number) => `0x${byte.toString(16).padStart(2, '0').repeat(32)}` as Hash;
const nobody = `0x${'00'.repeat(20)}` as NodeId;
const times = { joinBy: 100, settleBy: 200 };

let state: LedgerState;
const run = (command: ChainCommand, time = 10): LedgerEvent[] => apply(state, command, { block: 1, time });
const refused = (command: ChainCommand, code: string, time = 10) => {
  const before = structuredClone([...state.nodes, ...state.tasks]);
  expect(() => run(command, time)).toThrow(expect.objectContaining({ code }));
  expect([...state.nodes, ...state.tasks]).toEqual(before);
};
const registered = (node: Signer) => signRegister(node, domain, { controller: cold.id, record, nonce: 1 });
const created = (quorum = 0, nonce = 0) =>
  signCreate(ada, domain, { nonce, specHash: hash(1), invitedHash: hash(2), ...times, quorum });
const id = taskIdOf(domain, ada.id, 0);

async function rosterOf(members: readonly Signer[]) {
  const consentHashes = members.map((_, i) => hash(0x40 + i));
  const consentSignatures = await Promise.all(
    members.map((member, i) => signConsent(member, domain, { taskId: id, consentHash: hash(0x40 + i) })),
  );
  return { taskId: id, members: members.map((member) => member.id), consentHashes, consentSignatures };
}

async function attested(members: readonly Signer[], by: readonly Signer[]): Promise<ChainCommand> {
  const { consentSignatures: _, ...roster } = await rosterOf(members);
  const roots = { taskId: id, resultRoot: hash(5), transcriptRoot: hash(6) };
  const signatures: Hex[] = await Promise.all(
    members.map((member) => (by.includes(member) ? signAttestation(member, domain, roots) : ('0x' as const))),
  );
  return { type: 'settle', ...roster, ...roots, signatures };
}

beforeEach(async () => {
  state = emptyLedger(domain);
  for (const node of [ada, ben, eve]) run(await registered(node));
});

describe('nodes', () => {
  test('a command works once: its replay is refused by the nonce', async () => {
    const update = await signUpdate(ada, domain, { record, nonce: 2 });
    expect(run(update)).toEqual([{ type: 'nodeUpdated', node: ada.id, seq: 2, record }]);
    refused(update, 'LEDGER_BAD_NONCE');
    refused(await registered(ada), 'LEDGER_BAD_NONCE');
  });

  test('a command for another deployment is refused', async () => {
    const elsewhere: ChainDomain = { ...domain, verifyingContract: `0x${'cd'.repeat(20)}` };
    refused(await signUpdate(ada, elsewhere, { record, nonce: 2 }), 'LEDGER_BAD_SIGNATURE');
    refused(await signUpdate(ada, { ...domain, chainId: 8 }, { record, nonce: 2 }), 'LEDGER_BAD_SIGNATURE');
  });

  test('a node that left comes back with the next number, under the same controller only', async () => {
    run(await signLeave(ada, domain, { nonce: 2 }));
    refused(await created(), 'LEDGER_NODE_NOT_ACTIVE');
    refused(
      await signRegister(ada, domain, { controller: eve.id, record, nonce: 3 }),
      'LEDGER_BAD_CONTROLLER', // a thief of the hot key would take the identity over
    );
    run(await signRegister(ada, domain, { controller: cold.id, record, nonce: 3 }));
    expect(state.nodes.get(ada.id)).toMatchObject({ status: 'active', seq: 3 });
  });

  test('a revocation signed ahead holds however often the hot key updates, and is for good', async () => {
    const revocation = await signRevoke(cold, domain, { node: ada.id, nonce: 1_000 });
    run(await signUpdate(ada, domain, { record, nonce: 2 }));
    run(await signUpdate(ada, domain, { record, nonce: 3 }));
    refused(await signRevoke(ada, domain, { node: ada.id, nonce: 4 }), 'LEDGER_BAD_SIGNATURE');
    run(revocation);
    refused(revocation, 'LEDGER_NODE_REVOKED');
    refused(await signRegister(ada, domain, { controller: cold.id, record, nonce: 4 }), 'LEDGER_NODE_REVOKED');
  });

  test('a rotation needs controller and new key, and carries the sequence on', async () => {
    const next = signer(20);
    const fields = { node: ada.id, record, nonce: 2 };
    refused(await signRotate(ben, next, domain, fields), 'LEDGER_BAD_SIGNATURE');
    refused(await signRotate(cold, ben, domain, fields), 'LEDGER_ALREADY_REGISTERED');
    const rotation = await signRotate(cold, next, domain, fields);
    refused({ ...rotation, newNodeSignature: rotation.controllerSignature }, 'LEDGER_BAD_SIGNATURE');
    run(rotation);
    expect(state.nodes.get(next.id)).toMatchObject({ controller: cold.id, status: 'active', seq: 2 });
    expect(state.nodes.get(ada.id)?.status).toBe('revoked');
    refused(rotation, 'LEDGER_NODE_NOT_ACTIVE');
  });
});

describe('tasks', () => {
  test('a task runs from creation to settlement, and each step exactly once', async () => {
    const create = await created();
    expect(run(create)).toMatchObject([{ type: 'taskCreated', taskId: id, coordinator: ada.id }]);
    expect(nextTaskNonce(state, ada.id)).toBe(1);
    refused(create, 'LEDGER_BAD_NONCE');
    const start = await signStart(ada, domain, await rosterOf([ada, ben, eve]));
    run(start);
    refused(start, 'LEDGER_TASK_WRONG_STATE');
    const settle = await attested([ada, ben, eve], [ada, ben, eve]);
    expect(run(settle)).toMatchObject([{ type: 'taskSettled', attestations: 3 }]);
    refused(settle, 'LEDGER_TASK_WRONG_STATE');
    expect(state.tasks.get(id)).toMatchObject({ status: 'settled', resultRoot: hash(5), transcriptRoot: hash(6) });
  });

  test('nobody but the coordinator starts a task, and with those only who consented', async () => {
    run(await created());
    const roster = await rosterOf([ada, ben]);
    refused(await signStart(eve, domain, roster), 'LEDGER_BAD_SIGNATURE');
    const forged = [roster.consentSignatures[0] as Hex, roster.consentSignatures[0] as Hex];
    refused(await signStart(ada, domain, { ...roster, consentSignatures: forged }), 'LEDGER_BAD_CONSENT');
  });

  test('a roster out of order, with a repetition, or with a node that left is refused', async () => {
    run(await created());
    refused(await signStart(ada, domain, await rosterOf([ben, ada])), 'LEDGER_BAD_ROSTER');
    refused(await signStart(ada, domain, await rosterOf([ada, ada])), 'LEDGER_BAD_ROSTER');
    refused(await signStart(ada, domain, await rosterOf([])), 'LEDGER_BAD_ROSTER');
    run(await signLeave(ben, domain, { nonce: 2 }));
    refused(await signStart(ada, domain, await rosterOf([ada, ben])), 'LEDGER_NODE_NOT_ACTIVE');
  });

  test('a coordinator that was revoked can start nothing', async () => {
    run(await created());
    run(await signRevoke(cold, domain, { node: ada.id, nonce: 2 }));
    refused(await signStart(ada, domain, await rosterOf([ben])), 'LEDGER_NODE_NOT_ACTIVE');
  });

  test('a task settles with its quorum and not below it', async () => {
    run(await created(2));
    refused(await signStart(ada, domain, await rosterOf([ada])), 'LEDGER_BAD_QUORUM');
    run(await signStart(ada, domain, await rosterOf([ada, ben, eve])));
    refused(await attested([ada, ben, eve], [eve]), 'LEDGER_TOO_FEW_ATTESTATIONS');
    refused(await attested([ada, ben], [ada, ben]), 'LEDGER_ROSTER_MISMATCH');
    expect(run(await attested([ada, ben, eve], [ada, eve]))).toMatchObject([{ attestations: 2 }]);
  });

  test('every waiting state ends: past its deadline anyone may expire it and nothing else moves it on', async () => {
    run(await created());
    const start = await signStart(ada, domain, await rosterOf([ada, ben]));
    refused({ type: 'expire', taskId: id }, 'LEDGER_TOO_EARLY', 100);
    refused(start, 'LEDGER_TOO_LATE', 101);
    run(start, 100);
    refused(await attested([ada, ben], [ada, ben]), 'LEDGER_TOO_LATE', 201);
    refused({ type: 'expire', taskId: id }, 'LEDGER_TOO_EARLY', 200);
    expect(run({ type: 'expire', taskId: id }, 201)).toEqual([{ type: 'taskExpired', taskId: id }]);
    refused({ type: 'expire', taskId: id }, 'LEDGER_TASK_WRONG_STATE', 300);
  });

  test('an open task is aborted by its coordinator alone, a running one by any member too', async () => {
    run(await created());
    const { members, consentHashes } = await rosterOf([ada, ben]);
    const why = { taskId: id, reason: 'TASK_PEER_LOST', culprit: nobody };
    refused(await signAbort(ben, domain, { ...why, members, consentHashes }), 'LEDGER_NOT_ALLOWED');
    run(await signStart(ada, domain, await rosterOf([ada, ben])));
    refused(await signAbort(eve, domain, { ...why, members, consentHashes }), 'LEDGER_NOT_ALLOWED');
    refused(await signAbort(ben, domain, { ...why, members: [], consentHashes: [] }), 'LEDGER_ROSTER_MISMATCH');
    const abort = await signAbort(ben, domain, { ...why, members, consentHashes });
    refused({ ...abort, reason: '<script>' }, 'LEDGER_BAD_REASON');
    expect(run(abort)).toEqual([
      { type: 'taskAborted', taskId: id, by: ben.id, reason: 'TASK_PEER_LOST', culprit: nobody },
    ]);
  });

  test('judging a command changes nothing', async () => {
    const create = await created();
    judge(state, create, { block: 1, time: 10 });
    expect(state.tasks.size).toBe(0);
    expect(nextTaskNonce(state, ada.id)).toBe(0);
  });
});
