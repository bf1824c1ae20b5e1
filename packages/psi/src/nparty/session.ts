/** What every party does before its first frame, and how it stops when one channel fails. @module */
import { type Channel, NodeError } from '@2pm/core';
import { type Group, loadGroup } from '@2pm/crypto/group';
import { KernelPool, type Kernels } from '@2pm/crypto/wasm';
import { BoundChannel } from '../bound-channel.ts';
import { paddedItems } from '../items.ts';
import type { PairSetup } from '../rr22/pair-setup.ts';
import {
  badParties,
  LEADER,
  type NpartyOptions,
  type NpartyParameters,
  npartyParameters,
  npartySession,
} from './parameters.ts';

/** The talk with one other party. */
export interface Peer {
  number: number;
  channel: BoundChannel;
  /** 32 bytes that name this pair's part of the run. */
  session: Uint8Array;
  /** Base transfers kept with this party, if any. */
  setup: PairSetup | undefined;
}

export interface NpartySetup {
  parameters: NpartyParameters;
  /** The own items and their padding, fixed: stores are sound only for sets that do not follow from r. */
  set: Uint8Array;
  /** All others, by ascending number. */
  peers: Peer[];
  /** 32 bytes that name the run, the same for all. */
  session: Uint8Array;
  kernels: Kernels;
  group: Group;
}

/**
 * Runs one party. Its set is fixed before this returns.
 * @throws {NodeError} `PSI_BAD_PARTIES`, `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_BAD_SETUP`.
 */
export async function openSession<T>(
  options: NpartyOptions,
  party: number,
  run: (session: NpartySetup) => Promise<T>,
): Promise<T> {
  const { channels, capacities, rng, crypto, pool = new KernelPool() } = options;
  const parameters = npartyParameters(capacities);
  const capacity = capacities[party];
  if (capacity === undefined) throw badParties(`no party has the number ${party}`);
  const set = paddedItems(options.items, capacity, rng);
  const others = [...capacities.keys()].filter((number) => number !== party);
  const links = others.map((number) => {
    const channel = channels.get(number);
    if (channel === undefined) throw badParties(`there is no channel to party ${number}`);
    const setup = options.setups?.get(number);
    if (setup !== undefined) checkSetup(setup, party === LEADER ? 'receiver' : 'sender', channel);
    const pair = [Math.min(party, number), Math.max(party, number)] as const;
    return { number, channel, setup, session: npartySession(options, parameters, pair, setup) };
  });
  const session = npartySession(options, parameters);
  // In this order: a run that ends has stopped all its talks before its memory serves another.
  return pool.use((kernels) =>
    stoppingTogether(options.signal, async (talk) => {
      const peers = links.map((link) => ({
        ...link,
        channel: new BoundChannel(link.channel, crypto, link.session, talk()),
      }));
      return run({ parameters, set, peers, session, kernels, group: await loadGroup() });
    }),
  );
}

function checkSetup(setup: PairSetup, role: PairSetup['role'], { peer }: Channel): void {
  if (setup.role === role && setup.peer === peer) return;
  throw new NodeError('PSI_BAD_SETUP', `the setup was made as ${setup.role} with ${setup.peer}`, {
    fault: 'caller',
    fix: 'Make a setup for each peer and direction; the leader is the receiver.',
  });
}

/**
 * Runs with signals, one for each talk, that follow the caller's and the run's own failure: what waits on one channel ends
 * when another fails.
 */
async function stoppingTogether<T>(
  outer: AbortSignal | undefined,
  run: (talk: () => AbortSignal) => Promise<T>,
): Promise<T> {
  const talks: AbortController[] = [];
  const stop = (reason: unknown) => {
    for (const talk of talks) talk.abort(reason);
  };
  const relay = () => stop(outer?.reason);
  outer?.throwIfAborted();
  outer?.addEventListener('abort', relay, { once: true });
  try {
    return await run(() => {
      const talk = new AbortController();
      talks.push(talk);
      return talk.signal;
    });
  } catch (error) {
    stop(error);
    throw error;
  } finally {
    outer?.removeEventListener('abort', relay);
  }
}
