/**
 * A chain in memory: the ledger's reducer behind the connector, every command a block of its own, time from the given
 * clock. Deterministic, shared by all nodes of one process, and able to misbehave on demand.
 * @module
 */
import {
  type ChainCommand,
  type ChainConnector,
  type ChainDomain,
  type ChainItem,
  type ChainReceipt,
  type Clock,
  type LedgerEvent,
  NodeError,
  toHex,
} from '@2pm/core';
import { keccak256 } from '@2pm/crypto';
import { apply, emptyLedger, type LedgerState, nextTaskNonce } from '@2pm/ledger';
import { isEffectOf } from '../effect.ts';
import { type Block, Changes, type EventSource, eventStream, type LocatedEvent } from '../event-stream.ts';

/** Faults, all off at first. Change them at any time. */
export interface MemoryFaults {
  /** Milliseconds that each command waits before it is executed. */
  delayMs: number;
  /** Hands out every event twice. */
  duplicate: boolean;
  /** Fate of the next commands, one each: never arrives, or takes effect without the sender hearing of it. */
  submits: ('lost' | 'unanswered')[];
  /** `safe` and `final` stay where they are while `seen` goes on. */
  finalityStopped: boolean;
  /** Nothing answers. */
  unreachable: boolean;
}

export interface MemoryChain {
  readonly domain: ChainDomain;
  readonly faults: MemoryFaults;
  /** One for each node. `chainId`: what the node believes to talk to. */
  connector(options?: { chainId?: number }): ChainConnector;
  /** Makes an empty block. */
  mine(): void;
  /** Forgets the last `blocks` blocks and what happened in them. */
  lose(blocks: number): void;
  /** Replaces the last `blocks` blocks by as many empty ones, and one more. */
  reorganise(blocks: number): void;
}

interface MemoryBlock extends Block {
  events: LocatedEvent[];
  /** State after the block. Copied shallowly: the ledger never changes an entry in place. */
  state: LedgerState;
}

export function memoryChain({ domain, clock }: { domain: ChainDomain; clock: Clock }): MemoryChain {
  const changes = new Changes();
  const blocks: MemoryBlock[] = [];
  const faults: MemoryFaults = {
    delayMs: 0,
    duplicate: false,
    submits: [],
    finalityStopped: false,
    unreachable: false,
  };
  let forks = 0;
  let finalHeight = 0;
  addBlock(emptyLedger(domain), []);

  function tip(): MemoryBlock {
    const block = blocks.at(-1);
    if (block === undefined) throw new NodeError('CHAIN_NO_GENESIS', 'the chain has no block', { fault: 'node' });
    return block;
  }

  function addBlock(state: LedgerState, events: readonly LedgerEvent[]): MemoryBlock {
    const number = blocks.length;
    const name = `${domain.verifyingContract}/${number}/${forks}/${blocks.at(-1)?.hash ?? ''}`;
    const hash = toHex(keccak256(new TextEncoder().encode(name)));
    const block: Block = { number, hash, time: Math.floor(clock.now() / 1000) };
    const located = events.map((event, index) => ({ block, index, tx: hash, event }));
    const made: MemoryBlock = { ...block, events: located, state };
    blocks.push(made);
    if (!faults.finalityStopped) finalHeight = number;
    changes.announce();
    return made;
  }

  function execute(command: ChainCommand): ChainReceipt {
    const { state } = tip();
    const next: LedgerState = { domain, nodes: new Map(state.nodes), tasks: new Map(state.tasks) };
    try {
      const events = apply(next, command, { block: blocks.length, time: Math.floor(clock.now() / 1000) });
      return receipt(addBlock(next, events));
    } catch (refused) {
      const earlier = blocks.findLast((block) => block.events.some(({ event }) => isEffectOf(domain, command, event)));
      if (earlier === undefined) throw refused;
      return receipt(earlier);
    }
  }

  function drop(count: number): void {
    forks++;
    blocks.length = Math.max(1, blocks.length - count);
    finalHeight = Math.min(finalHeight, tip().number);
  }

  function reach(): void {
    if (faults.unreachable) throw unreachable();
  }

  const source: EventSource = {
    firstBlock: 0,
    async head(level) {
      reach();
      return level === 'seen' ? tip() : (blocks[finalHeight] ?? null);
    },
    async block(number) {
      reach();
      return blocks[number] ?? null;
    },
    async read(from, to) {
      reach();
      return { events: blocks.slice(from, to.number + 1).flatMap((block) => block.events), upTo: to };
    },
    changes: (signal) => changes.watch(signal),
  };

  function connector(options: { chainId?: number } = {}): ChainConnector {
    let delivered = 0;
    return {
      info: { driver: 'memory', caip2: `eip155:${domain.chainId}`, finality: 'instant', domain },
      async start() {
        reach();
        if (options.chainId === undefined || options.chainId === domain.chainId) return;
        throw new NodeError('CHAIN_WRONG_ID', `the chain has id ${domain.chainId}, not ${options.chainId}`, {
          fault: 'caller',
          fix: 'Name the right chain in the config.',
        });
      },
      async stop() {},
      async health() {
        const { number, time } = tip();
        return {
          reachable: !faults.unreachable,
          head: { block: number, blockTime: time },
          lag: Math.max(0, number - delivered),
        };
      },
      async submit(command, { signal } = {}) {
        signal?.throwIfAborted();
        if (faults.delayMs > 0) await clock.sleep(faults.delayMs, signal);
        reach();
        const fate = faults.submits.shift();
        if (fate === 'lost') throw unreachable();
        const done = execute(command);
        if (fate === 'unanswered') throw unreachable();
        return done;
      },
      events: (options) =>
        repeated(
          eventStream(source, {
            ...options,
            clock,
            onDelivered: (block) => {
              delivered = block;
            },
          }),
        ),
      async node(id) {
        reach();
        const found = tip().state.nodes.get(id);
        if (found === undefined) return null;
        const { node, controller, status, seq, recordHash } = found;
        return { node, controller, status, seq, recordHash };
      },
      async task(id) {
        reach();
        return tip().state.tasks.get(id) ?? null;
      },
      async nextTaskNonce(coordinator) {
        reach();
        return nextTaskNonce(tip().state, coordinator);
      },
    };
  }

  async function* repeated(items: AsyncIterable<ChainItem>): AsyncGenerator<ChainItem, void> {
    for await (const item of items) {
      yield item;
      if (faults.duplicate && item.type === 'event') yield item;
    }
  }

  return {
    domain,
    faults,
    connector,
    mine: () => void addBlock(tip().state, []),
    lose(count) {
      drop(count);
      changes.announce();
    },
    reorganise(count) {
      drop(count);
      for (let i = 0; i <= count; i++) addBlock(tip().state, []);
    },
  };
}

function receipt(block: MemoryBlock): ChainReceipt {
  const events = block.events.map(({ event }) => event);
  return { tx: block.hash, block: block.number, blockTime: block.time, gasUsed: 0, events };
}

function unreachable(): NodeError {
  return new NodeError('CHAIN_UNREACHABLE', 'the chain does not answer', {
    fault: 'chain',
    retryable: true,
    fix: 'Wait, or check the address of the chain in the config.',
  });
}
