/**
 * What every chain driver must do, whatever its chain: call `chainConformance` from a five-line test with a harness that
 * opens a fresh chain.
 * @module
 */
import { type ChainConnector, type ChainDomain, toHex } from '@2pm/core';
import {
  commandDigests,
  keccak256,
  signAbort,
  signLeave,
  signRevoke,
  signRotate,
  signUpdate,
  taskId,
} from '@2pm/crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  creation,
  type Deadlines,
  hashOf,
  type Party,
  party,
  registration,
  settlement,
  start,
  ZERO_ADDRESS,
} from './chain-parties.ts';
import { ChainReader } from './chain-reader.ts';

export interface ChainHarness {
  /** A connector of its own to the one chain, not started yet. `chainId`: what it is told that the chain has. */
  connect(options?: { chainId?: number }): ChainConnector;
  /** Lets chain time pass and makes a block. */
  pass(seconds: number): Promise<void>;
  /** Replaces the last `blocks` blocks by empty ones, and goes on. */
  reorganise(blocks: number): Promise<void>;
  close(): Promise<void>;
}

export function chainConformance(name: string, open: () => Promise<ChainHarness>): void {
  describe(`${name} as a chain`, () => {
    let harness: ChainHarness;
    let chain: ChainConnector;
    let domain: ChainDomain;
    let connectors: ChainConnector[];
    let readers: ChainReader[];

    beforeEach(async () => {
      connectors = [];
      readers = [];
      harness = await open();
      chain = await connect();
      domain = chain.info.domain;
    });
    afterEach(async () => {
      for (const reader of readers) await reader.stop();
      for (const connector of connectors) await connector.stop();
      await harness.close();
    });

    async function connect(): Promise<ChainConnector> {
      const connector = harness.connect();
      connectors.push(connector);
      await connector.start();
      return connector;
    }

    function reader(...args: ConstructorParameters<typeof ChainReader>): ChainReader {
      const made = new ChainReader(...args);
      readers.push(made);
      return made;
    }

    async function register(...members: Party[]): Promise<void> {
      await Promise.all(members.map(async (member) => chain.submit(await registration(domain, member))));
    }

    async function deadlines(join = 1_000, settle = 2_000): Promise<Deadlines> {
      const { blockTime } = (await chain.health()).head;
      return { joinBy: blockTime + join, settleBy: blockTime + settle };
    }

    async function runningTask(members: readonly Party[], quorum = 0, times?: Deadlines) {
      const coordinator = members[0] as Party;
      await register(...members);
      const created = await creation(domain, coordinator, 0, times ?? (await deadlines()), quorum);
      await chain.submit(created);
      const id = taskId(domain, coordinator.id, 0);
      const started = await start(domain, coordinator, id, members);
      await chain.submit(started);
      return { id, started };
    }

    const refusedWith = (code: string) => expect.objectContaining({ code });

    it('registers a node and resolves it on every connector', async () => {
      const ada = party('ada');
      const receipt = await chain.submit(await registration(domain, ada));
      expect(receipt.events).toEqual([
        { type: 'nodeRegistered', node: ada.id, controller: ada.controller.id, seq: 1, record: ada.record(1) },
      ]);
      const other = await connect();
      const found = await other.node(ada.id);
      expect(found).toMatchObject({ controller: ada.controller.id, status: 'active', seq: 1 });
      // The ledger keeps the first 25 bytes.
      expect(found?.recordHash.slice(0, 52)).toBe(toHex(keccak256(ada.record(1))).slice(0, 52));
      expect(await other.node(party('bob').id)).toBeNull();
    });

    it('takes an update once and refuses a stale one', async () => {
      const ada = party('ada');
      await register(ada);
      const record = ada.record(2);
      await chain.submit(await signUpdate(ada.signer, domain, { record, nonce: 2 }));
      expect(await chain.node(ada.id)).toMatchObject({ seq: 2 });
      const stale = await signUpdate(ada.signer, domain, { record: ada.record(9), nonce: 2 });
      await expect(chain.submit(stale)).rejects.toEqual(refusedWith('LEDGER_BAD_NONCE'));
    });

    it('lets the controller move a node to a new key, and the old key says nothing more', async () => {
      const [ada, next] = [party('ada'), party('ada-2')];
      await register(ada);
      const fields = { node: ada.id, record: next.record(2), nonce: 2 };
      await chain.submit(await signRotate(ada.controller, next.signer, domain, fields));
      expect(await chain.node(ada.id)).toMatchObject({ status: 'revoked' });
      expect(await chain.node(next.id)).toMatchObject({ status: 'active', seq: 2, controller: ada.controller.id });
      const late = await signUpdate(ada.signer, domain, { record: ada.record(2), nonce: 2 });
      await expect(chain.submit(late)).rejects.toEqual(refusedWith('LEDGER_NODE_NOT_ACTIVE'));
    });

    it('lets a node leave, and its controller revoke one for ever', async () => {
      const [ada, bob] = [party('ada'), party('bob')];
      await register(ada, bob);
      await chain.submit(await signLeave(ada.signer, domain, { nonce: 2 }));
      await chain.submit(await signRevoke(bob.controller, domain, { node: bob.id, nonce: 2 }));
      expect(await chain.node(ada.id)).toMatchObject({ status: 'left' });
      expect(await chain.node(bob.id)).toMatchObject({ status: 'revoked' });
      await chain.submit(await registration(domain, ada, 3));
      expect(await chain.node(ada.id)).toMatchObject({ status: 'active', seq: 3 });
      await expect(chain.submit(await registration(domain, bob, 2))).rejects.toEqual(
        refusedWith('LEDGER_NODE_REVOKED'),
      );
    });

    it('refuses a second node that was set up with the same identity', async () => {
      const ada = party('ada');
      await register(ada);
      const twin: Party = { ...party('twin'), id: ada.id, signer: ada.signer };
      const other = await connect();
      await expect(other.submit(await registration(domain, twin))).rejects.toEqual(refusedWith('LEDGER_BAD_NONCE'));
      await expect(other.submit(await registration(domain, twin, 2))).rejects.toEqual(
        refusedWith('LEDGER_ALREADY_REGISTERED'),
      );
    });

    it('carries a task from its creation to its settlement, in this order for every reader', async () => {
      const members = ['ada', 'bob', 'cleo'].map(party);
      const reading = reader(await connect());
      const { id, started } = await runningTask(members);
      expect(await chain.task(id)).toMatchObject({ status: 'running', quorum: 0 });
      await chain.submit(await settlement(domain, started, members));
      expect(await chain.task(id)).toMatchObject({ status: 'settled', resultRoot: hashOf('result') });
      expect(await chain.nextTaskNonce(members[0]?.id ?? ZERO_ADDRESS)).toBe(1);
      await reading.until(({ seen }) => seen.length === 6);
      expect(reading.events.slice(0, 3).every(({ type }) => type === 'nodeRegistered')).toBe(true);
      expect(reading.events.slice(3).map(({ type }) => type)).toEqual(['taskCreated', 'taskStarted', 'taskSettled']);
      expect(reading.events[4]).toMatchObject({ members: started.members, consentHashes: started.consentHashes });
      const cursors = reading.seen.map(({ cursor }) => cursor);
      expect(cursors).toEqual([...new Set(cursors)].sort());
    });

    it('settles with a quorum and with no less', async () => {
      const members = ['ada', 'bob', 'cleo'].map(party);
      const { id, started } = await runningTask(members, 2);
      const tooFew = await settlement(domain, started, members, members.slice(0, 1));
      await expect(chain.submit(tooFew)).rejects.toEqual(refusedWith('LEDGER_TOO_FEW_ATTESTATIONS'));
      await chain.submit(await settlement(domain, started, members, members.slice(1)));
      expect(await chain.task(id)).toMatchObject({ status: 'settled' });
    });

    it('resolves a command that already took effect, and lets it take effect once', async () => {
      const ada = party('ada');
      const command = await registration(domain, ada);
      const others = await Promise.all([connect(), connect()]);
      const receipts = await Promise.all([chain, ...others].map((connector) => connector.submit(command)));
      receipts.push(await chain.submit(command));
      expect(new Set(receipts.map(({ tx }) => tx)).size).toBe(1);
      const reading = reader(chain);
      await reading.until(({ seen }) => seen.length > 0);
      await register(party('bob'));
      await reading.until(({ events }) => events.some((event) => 'node' in event && event.node !== ada.id));
      expect(reading.seen.length).toBe(2);
    });

    it('refuses what the rules refuse, by its code', async () => {
      const [ada, bob] = [party('ada'), party('bob')];
      await register(ada);
      const times = await deadlines();
      const unknown = taskId(domain, bob.id, 7);
      const forged = { ...(await registration(domain, bob)), controller: ada.id };
      await expect(chain.submit(forged)).rejects.toEqual(refusedWith('LEDGER_BAD_SIGNATURE'));
      await expect(chain.submit({ type: 'expire', taskId: unknown })).rejects.toEqual(
        refusedWith('LEDGER_TASK_UNKNOWN'),
      );
      await expect(chain.submit(await creation(domain, bob, 0, times))).rejects.toEqual(
        refusedWith('LEDGER_NODE_NOT_ACTIVE'),
      );
      await expect(chain.submit(await creation(domain, ada, 1, times))).rejects.toEqual(
        refusedWith('LEDGER_BAD_NONCE'),
      );
      const backwards = { joinBy: times.settleBy, settleBy: times.joinBy };
      await expect(chain.submit(await creation(domain, ada, 0, backwards))).rejects.toEqual(
        refusedWith('LEDGER_BAD_DEADLINE'),
      );
      await chain.submit(await creation(domain, ada, 0, times));
      const id = taskId(domain, ada.id, 0);
      await expect(chain.submit({ type: 'expire', taskId: id })).rejects.toEqual(refusedWith('LEDGER_TOO_EARLY'));
      const stranger = await start(domain, ada, id, [ada, bob]);
      await expect(chain.submit(stranger)).rejects.toEqual(refusedWith('LEDGER_NODE_NOT_ACTIVE'));
      await register(bob);
      const swapped = await start(domain, ada, id, [ada, bob]);
      swapped.consentSignatures.reverse();
      await expect(chain.submit(swapped)).rejects.toEqual(refusedWith('LEDGER_BAD_CONSENT'));
    });

    it('refuses a command that was signed for another chain', async () => {
      const elsewhere = { ...domain, chainId: domain.chainId + 1 };
      const command = await registration(elsewhere, party('ada'));
      expect(commandDigests.register(elsewhere, command)).not.toEqual(commandDigests.register(domain, command));
      await expect(chain.submit(command)).rejects.toEqual(refusedWith('LEDGER_BAD_SIGNATURE'));
    });

    it('aborts a task at the word of its coordinator or of a member, and of nobody else', async () => {
      const members = ['ada', 'bob'].map(party) as [Party, Party];
      const stranger = party('mallory');
      const { id, started } = await runningTask(members);
      const { consentHashes } = started;
      const fields = {
        taskId: id,
        reason: 'PEER_SILENT',
        culprit: members[0].id,
        members: started.members,
        consentHashes,
      };
      const byStranger = await signAbort(stranger.signer, domain, fields);
      await expect(chain.submit(byStranger)).rejects.toEqual(refusedWith('LEDGER_NOT_ALLOWED'));
      const { events } = await chain.submit(await signAbort(members[1].signer, domain, fields));
      expect(events).toEqual([
        { type: 'taskAborted', taskId: id, by: members[1].id, reason: 'PEER_SILENT', culprit: members[0].id },
      ]);
      await expect(chain.submit({ type: 'expire', taskId: id })).rejects.toEqual(
        refusedWith('LEDGER_TASK_WRONG_STATE'),
      );
    });

    it('lets anyone expire a task after a quiet time, and nobody start it then', async () => {
      const ada = party('ada');
      await register(ada);
      await chain.submit(await creation(domain, ada, 0, await deadlines(50, 100)));
      const id = taskId(domain, ada.id, 0);
      await harness.pass(60);
      await expect(chain.submit(await start(domain, ada, id, [ada]))).rejects.toEqual(refusedWith('LEDGER_TOO_LATE'));
      const others = await Promise.all([connect(), connect(), connect()]);
      const receipts = await Promise.all(others.map((other) => other.submit({ type: 'expire', taskId: id })));
      for (const { events } of receipts) expect(events).toEqual([{ type: 'taskExpired', taskId: id }]);
      expect(await chain.task(id)).toMatchObject({ status: 'expired' });
    });

    it('lets a running task expire when nobody settled it', async () => {
      const members = ['ada', 'bob'].map(party);
      const { id, started } = await runningTask(members, 0, await deadlines(50, 100));
      await harness.pass(110);
      await expect(chain.submit(await settlement(domain, started, members))).rejects.toEqual(
        refusedWith('LEDGER_TOO_LATE'),
      );
      await chain.submit({ type: 'expire', taskId: id });
      expect(await chain.task(id)).toMatchObject({ status: 'expired' });
    });

    it('replays from any cursor exactly what came after it', async () => {
      await register(...['ada', 'bob', 'cleo', 'dan'].map(party));
      const first = reader(chain);
      await first.until(({ seen }) => seen.length === 4);
      for (const [index, { cursor }] of first.seen.entries()) {
        const again = reader(chain, { from: cursor });
        await again.until(({ items }) => items.some(({ type }) => type === 'head') || index === 3);
        expect(again.seen.map((event) => event.cursor)).toEqual(
          first.seen.slice(index + 1).map((event) => event.cursor),
        );
        await again.stop();
      }
    });

    it('misses nothing that happens while a reader is down', async () => {
      await register(party('ada'));
      const before = reader(chain);
      await before.until(({ seen, items }) => seen.length === 1 && items.at(-1)?.type === 'head');
      await before.stop();
      await register(party('bob'), party('cleo'));
      const after = reader(await connect(), { from: before.cursor });
      await after.until(({ seen }) => seen.length === 2);
      expect(after.rollbacks).toEqual([]);
      await register(party('dan'));
      await after.until(({ seen }) => seen.length === 3);
    });

    it('shows readers at every level the same events', async () => {
      const levels = (['seen', 'safe', 'final'] as const).map((level) => reader(chain, { level }));
      await register(...['ada', 'bob', 'cleo'].map(party));
      await harness.pass(1);
      for (const reading of levels) await reading.until(({ seen }) => seen.length === 3);
      expect(levels[2]?.events).toEqual(levels[0]?.events);
      expect(levels[1]?.events).toEqual(levels[0]?.events);
    });

    it('takes back what a reorganisation undid, and only that', async () => {
      const [ada, bob] = [party('ada'), party('bob')];
      await register(ada);
      await harness.pass(1);
      const reading = reader(chain);
      const command = await registration(domain, bob);
      await chain.submit(command);
      await reading.until(({ seen }) => seen.length === 2);
      const undone = reading.seen[1]?.cursor ?? '';
      await harness.reorganise(1);
      await reading.until(({ rollbacks }) => rollbacks.length === 1);
      const to = reading.rollbacks[0]?.to ?? '';
      expect(to < undone && to > (reading.seen[0]?.cursor ?? '')).toBe(true);
      expect(reading.events).toMatchObject([{ node: ada.id }]);
      expect(await chain.node(bob.id)).toBeNull();
      await chain.submit(command);
      await reading.until(({ seen }) => seen.length === 2);
      expect(reading.events).toMatchObject([{ node: ada.id }, { node: bob.id }]);
    });

    it('rolls back a reader that comes with a cursor from a lost fork', async () => {
      await register(party('ada'));
      await harness.pass(1);
      await register(party('bob'));
      const before = reader(chain);
      await before.until(({ seen, items }) => seen.length === 2 && items.at(-1)?.type === 'head');
      await before.stop();
      await harness.reorganise(1);
      const after = reader(await connect(), { from: before.cursor });
      await after.until(({ rollbacks, seen }) => rollbacks.length === 1 && seen.length === 1);
      expect(after.events).toMatchObject([{ node: party('ada').id }]);
    });

    it('ends a stream and a submission whose signal is aborted', async () => {
      const reading = reader(chain);
      await register(party('ada'));
      await reading.until(({ seen }) => seen.length === 1);
      await reading.stop();
      const reason = new Error('enough');
      const command = await registration(domain, party('bob'));
      await expect(chain.submit(command, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });

    it('carries sixty-four nodes and a task of them all', async () => {
      const members = Array.from({ length: 64 }, (_, i) => party(`member-${i}`));
      const { id, started } = await runningTask(members);
      await chain.submit(await settlement(domain, started, members));
      expect(await chain.task(id)).toMatchObject({ status: 'settled' });
      const reading = reader(await connect());
      await reading.until(({ seen }) => seen.length === 67);
      expect(reading.events.at(-1)).toMatchObject({ type: 'taskSettled', attestations: 64 });
    });

    it('does not start on a chain with another id', async () => {
      const wrong = harness.connect({ chainId: domain.chainId + 1 });
      await expect(wrong.start()).rejects.toEqual(refusedWith('CHAIN_WRONG_ID'));
    });

    it('says where the chain stands', async () => {
      await register(party('ada'));
      const before = (await chain.health()).head;
      await harness.pass(30);
      const { reachable, head } = await chain.health();
      expect(reachable).toBe(true);
      expect(head.block).toBeGreaterThan(before.block);
      expect(head.blockTime).toBeGreaterThanOrEqual(before.blockTime + 30);
    });
  });
}
