import type { ChainDomain } from '@2pm/core';
import { manualClock } from '@2pm/testing/chain-clock';
import { chainConformance } from '@2pm/testing/chain-conformance';
import { party, registration } from '@2pm/testing/chain-parties';
import { ChainReader } from '@2pm/testing/chain-reader';
import { describe, expect, it } from 'vitest';
import { memoryChain } from './memory-chain.ts';

const DOMAIN: ChainDomain = {
  name: '2PM Node',
  version: '1',
  chainId: 31_337,
  verifyingContract: `0x${'2b'.repeat(20)}`,
};

function open() {
  const clock = manualClock(1_790_000_000_000);
  const chain = memoryChain({ domain: DOMAIN, clock });
  return { clock, chain };
}

chainConformance('memory', async () => {
  const { clock, chain } = open();
  return {
    connect: (options) => chain.connector(options),
    async pass(seconds) {
      clock.advance(1_000 * seconds);
      chain.mine();
    },
    reorganise: async (blocks) => chain.reorganise(blocks),
    async close() {},
  };
});

describe('memory chain that misbehaves', () => {
  it('gives the same blocks for the same commands', async () => {
    const receipts = async () => {
      const connector = open().chain.connector();
      const names = ['ada', 'bob'];
      const made = [];
      for (const name of names) made.push(await connector.submit(await registration(DOMAIN, party(name))));
      return made;
    };
    expect(await receipts()).toEqual(await receipts());
  });

  it('loses a command, or its answer, and a second try settles both', async () => {
    const { chain } = open();
    const connector = chain.connector();
    const command = await registration(DOMAIN, party('ada'));
    chain.faults.submits.push('lost', 'unanswered');
    await expect(connector.submit(command)).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE', retryable: true });
    expect(await connector.node(party('ada').id)).toBeNull();
    await expect(connector.submit(command)).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
    expect((await connector.submit(command)).block).toBe(1);
  });

  it('hands out every event twice, under one cursor', async () => {
    const { chain } = open();
    chain.faults.duplicate = true;
    const connector = chain.connector();
    const reader = new ChainReader(connector);
    await connector.submit(await registration(DOMAIN, party('ada')));
    await reader.until(({ items }) => items.filter(({ type }) => type === 'event').length === 2);
    expect(reader.seen.length).toBe(1);
    await reader.stop();
  });

  it('holds finality back while new blocks are seen', async () => {
    const { chain } = open();
    const connector = chain.connector();
    chain.faults.finalityStopped = true;
    const [seen, final] = (['seen', 'final'] as const).map((level) => new ChainReader(connector, { level }));
    await connector.submit(await registration(DOMAIN, party('ada')));
    await seen?.until((reader) => reader.seen.length === 1);
    expect(final?.seen).toEqual([]);
    chain.faults.finalityStopped = false;
    chain.mine();
    await final?.until((reader) => reader.seen.length === 1);
    await seen?.stop();
    await final?.stop();
  });

  it('loses its last blocks, and readers hear of it', async () => {
    const { chain } = open();
    const connector = chain.connector();
    const reader = new ChainReader(connector);
    await connector.submit(await registration(DOMAIN, party('ada')));
    await connector.submit(await registration(DOMAIN, party('bob')));
    await reader.until(({ seen }) => seen.length === 2);
    chain.lose(1);
    await reader.until(({ rollbacks }) => rollbacks.length === 1);
    expect(reader.events).toMatchObject([{ node: party('ada').id }]);
    await reader.stop();
  });

  it('delays a command by the time of its clock', async () => {
    const { chain, clock } = open();
    chain.faults.delayMs = 5_000;
    const submitted = chain.connector().submit(await registration(DOMAIN, party('ada')));
    clock.advance(5_000);
    expect((await submitted).blockTime).toBe(1_790_000_005);
  });
});
