/** The driver for any EVM chain, the embedded one included: the Ledger contract over JSON-RPC. @module */
import {
  type ChainCommand,
  type ChainConnector,
  type ChainDomain,
  type ChainReceipt,
  type Clock,
  type Hex,
  isNodeError,
  NodeError,
} from '@2pm/core';
import { isEffectOf, subjectOf } from '../effect.ts';
import { eventStream, type LocatedEvent } from '../event-stream.ts';
import { rpcCall } from '../json-rpc.ts';
import { requireChainId, requireLedger } from './deploy.ts';
import { encodeCommand, readNode, readTask, refusalOf } from './ledger-contract.ts';
import { type FinalityPolicy, LogSource } from './log-source.ts';
import { type MinedTransaction, Sender } from './sender.ts';

export interface EvmChainOptions {
  /** HTTP address of the chain's JSON-RPC. */
  url: string;
  chainId: number;
  /** The Ledger contract. */
  contract: Hex;
  clock: Clock;
  /** secp256k1 key of the account that sends transactions; needs coins only where gas has a price. */
  relayerKey: Uint8Array;
  /** Default: every block is final, as on the embedded chain. */
  finality?: FinalityPolicy;
  /** Block in which the contract was deployed. */
  firstBlock?: number;
  /** Time between looks at the head, milliseconds; a quarter of it while a command waits, more in quiet times. */
  pollMs?: number;
  /** How long `submit` tries before it gives up with a retryable error, milliseconds. */
  patienceMs?: number;
  /** See `SenderOptions`. */
  resendMs?: number;
}

/** The first refusal may be of a state that other transactions in the pool are about to make. */
const REFUSAL_CHECKS = 4;
const MAX_BACKOFF_MS = 2_000;

export function evmChain(options: EvmChainOptions): ChainConnector {
  const { url, chainId, clock } = options;
  const contract = options.contract.toLowerCase() as Hex;
  const finality = options.finality ?? { kind: 'depth', safe: 0, final: 0 };
  const domain: ChainDomain = { name: '2PM Node', version: '1', chainId, verifyingContract: contract };
  const pollMs = options.pollMs ?? 100;
  const patienceMs = options.patienceMs ?? 60_000;
  const source = new LogSource({ url, contract, clock, finality, pollMs, firstBlock: options.firstBlock ?? 0 });
  const stopping = new AbortController();
  const sender = new Sender({
    url,
    chainId,
    clock,
    relayerKey: options.relayerKey,
    nextBlock: (signal) => nextBlock(signal),
    resendMs: options.resendMs ?? 30_000,
  });
  let following: Promise<void> | undefined;
  let delivered = 0;

  /** A new block, or half a second, because a block that was seen before the call counts too. */
  async function nextBlock(signal: AbortSignal | undefined): Promise<void> {
    const done = new AbortController();
    const stop = () => done.abort();
    for (const outer of [stopping.signal, signal]) outer?.addEventListener('abort', stop, { once: true });
    if (stopping.signal.aborted || signal?.aborted) stop();
    await Promise.race([source.changes(done.signal)(), clock.sleep(500, done.signal).catch(() => {})]);
    done.abort();
    for (const outer of [stopping.signal, signal]) outer?.removeEventListener('abort', stop);
    stopping.signal.throwIfAborted();
  }

  async function submit(command: ChainCommand, signal: AbortSignal | undefined): Promise<ChainReceipt> {
    const giveUpAt = clock.now() + patienceMs;
    let backoffMs = 50;
    let refusals = 0;
    for (;;) {
      signal?.throwIfAborted();
      stopping.signal.throwIfAborted();
      try {
        return await attempt(command, signal);
      } catch (thrown) {
        const error = refusalOf(thrown);
        const refused = isNodeError(error) && error.code.startsWith('LEDGER_');
        if (!isNodeError(error) || !(refused || error.retryable)) throw error;
        if (refused) {
          const earlier = await effectOf(command);
          if (earlier !== null) return earlier;
          if (++refusals === REFUSAL_CHECKS || !(await onlyPending(command))) throw error;
          await nextBlock(signal);
          continue;
        }
        if (clock.now() + backoffMs >= giveUpAt) throw error;
        await clock.sleep(backoffMs, signal);
        backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS);
      }
    }
  }

  /** Simulates, sends, waits. */
  async function attempt(command: ChainCommand, signal: AbortSignal | undefined): Promise<ChainReceipt> {
    const data = encodeCommand(command);
    const call = { from: sender.account.address, to: contract, data };
    const estimate = BigInt((await rpcCall(url, 'eth_estimateGas', [call, 'pending'])) as Hex);
    const mined = await sender.send({ to: contract, data, gas: (estimate * 5n) / 4n }, signal);
    if (mined.succeeded) return receiptOf(mined);
    // Overtaken by another transaction: the chain's word on why is the refusal.
    await rpcCall(url, 'eth_call', [call, 'latest']);
    throw new NodeError('CHAIN_OVERTAKEN', 'the transaction failed, and would succeed now', {
      fault: 'chain',
      retryable: true,
    });
  }

  /** True when the rules refuse the command only because of transactions that are not in a block yet. */
  async function onlyPending(command: ChainCommand): Promise<boolean> {
    const call = { from: sender.account.address, to: contract, data: encodeCommand(command) };
    try {
      await rpcCall(url, 'eth_call', [call, 'latest']);
      return true;
    } catch {
      return false;
    }
  }

  async function effectOf(command: ChainCommand): Promise<ChainReceipt | null> {
    const subject = subjectOf(domain, command);
    const events = await source.eventsAbout('node' in subject ? subject.node : subject.taskId);
    const found = events.findLast(({ event }) => isEffectOf(domain, command, event));
    if (found === undefined) return null;
    const receipt = (await rpcCall(url, 'eth_getTransactionReceipt', [found.tx])) as { gasUsed: Hex } | null;
    return toReceipt(found.tx, found.block, Number(receipt?.gasUsed ?? 0), [found]);
  }

  async function receiptOf(mined: MinedTransaction): Promise<ChainReceipt> {
    const { events, block } = await source.eventsOf(mined.blockHash);
    const own = events.filter(({ tx }) => tx === mined.hash);
    return toReceipt(mined.hash, block, mined.gasUsed, own);
  }

  return {
    info: {
      driver: 'evm',
      caip2: `eip155:${chainId}`,
      finality: finality.kind === 'tags' ? 'tagged' : finality.final === 0 ? 'instant' : 'depth',
      domain,
    },
    async start() {
      await requireChainId(url, chainId);
      await requireLedger(url, contract);
      await source.sync();
      following ??= source.follow(stopping.signal);
    },
    async stop() {
      stopping.abort(new NodeError('CHAIN_STOPPED', 'the chain connector was stopped', { fault: 'node' }));
      await following;
    },
    async health() {
      try {
        await source.sync();
      } catch {
        const known = await source.head('seen').catch(() => null);
        return { reachable: false, head: { block: known?.number ?? 0, blockTime: known?.time ?? 0 }, lag: 0 };
      }
      const head = await source.head('seen');
      const [block, blockTime] = [head?.number ?? 0, head?.time ?? 0];
      return { reachable: true, head: { block, blockTime }, lag: Math.max(0, block - delivered) };
    },
    submit: (command, { signal } = {}) => source.eagerly(() => submit(command, signal)),
    events: (options) =>
      eventStream(source, {
        ...options,
        clock,
        onDelivered: (block) => {
          delivered = block;
        },
      }),
    async node(id) {
      const found = await readNode(url, contract, id);
      if (found === null) return null;
      const { taskCount: _, ...entry } = found;
      return entry;
    },
    task: (id) => readTask(url, contract, id),
    nextTaskNonce: async (coordinator) => (await readNode(url, contract, coordinator))?.taskCount ?? 0,
  };
}

function toReceipt(
  tx: string,
  block: { number: number; time: number },
  gasUsed: number,
  events: readonly LocatedEvent[],
): ChainReceipt {
  return { tx, block: block.number, blockTime: block.time, gasUsed, events: events.map(({ event }) => event) };
}
