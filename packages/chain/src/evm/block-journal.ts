/**
 * The newest blocks of the chain as this driver saw them, each the parent of the next. New blocks are linked by parent
 * hash, so a reorganisation shows as a link that leads below the newest block.
 * @module
 */
import type { Hex } from '@2pm/core';
import type { Block } from '../event-stream.ts';

export interface LinkedBlock extends Block {
  parentHash: string;
}

export interface BlockLookup {
  latest(): Promise<LinkedBlock>;
  byHash(hash: string): Promise<LinkedBlock>;
}

/** Reorganisations up to this depth are followed exactly. */
const KEPT = 256;
/** Blocks fetched one by one to reach the known ones; a longer gap starts the journal anew. */
const MAX_GAP = 64;
/** Blocks below the newest in a new journal: young enough that a server behind the others may not know them yet. */
const INITIAL = 16;

export class BlockJournal {
  #blocks: LinkedBlock[] = [];

  get lowest(): LinkedBlock | undefined {
    return this.#blocks[0];
  }

  get head(): LinkedBlock | undefined {
    return this.#blocks.at(-1);
  }

  at(number: number): LinkedBlock | undefined {
    const lowest = this.lowest;
    return lowest === undefined ? undefined : this.#blocks[number - lowest.number];
  }

  /** Brings the journal up to date; true when the chain is not what it was. */
  async sync(lookup: BlockLookup): Promise<boolean> {
    const latest = await lookup.latest();
    // Equal to the head: nothing new. Equal to an older one: a server that lags behind what we already know.
    if (this.at(latest.number)?.hash === latest.hash) return false;
    const fresh = [latest];
    const known = this.head !== undefined && latest.number - this.head.number <= MAX_GAP;
    for (let lowest = latest; lowest.number > 0; ) {
      if (known && this.at(lowest.number - 1)?.hash === lowest.parentHash) break;
      const below = known && (this.lowest?.number ?? 0) < lowest.number;
      if (!below && fresh.length > INITIAL) break;
      lowest = await lookup.byHash(lowest.parentHash);
      fresh.unshift(lowest);
    }
    const first = fresh[0] ?? latest;
    const linked = this.at(first.number - 1)?.hash === first.parentHash;
    const kept = linked ? this.#blocks.filter(({ number }) => number < first.number) : [];
    this.#blocks = [...kept, ...fresh].slice(-KEPT);
    return true;
  }
}

interface RpcBlock {
  number: Hex;
  hash: Hex;
  parentHash: Hex;
  timestamp: Hex;
}

/** Of what `eth_getBlockByNumber` and its like answer; null for a block that the server does not have. */
export function linkedBlock(answer: unknown): LinkedBlock | null {
  if (answer === null || answer === undefined) return null;
  const { number, hash, parentHash, timestamp } = answer as RpcBlock;
  return { number: Number(number), hash, parentHash, time: Number(timestamp) };
}
