/** What every party does before its first frame, and how it stops when one channel fails. @module */
import { type Group, loadGroup } from '@2pm/crypto/group';
import { type Kernels, loadKernels } from '@2pm/crypto/wasm';
import { BoundChannel } from '../bound-channel.ts';
import { paddedItems } from '../items.ts';
import {
  badParties,
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

/** @throws {NodeError} `PSI_BAD_PARTIES`, `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`. */
export async function openSession(options: NpartyOptions, party: number, signal: AbortSignal): Promise<NpartySetup> {
  const { channels, capacities, rng, crypto } = options;
  const parameters = npartyParameters(capacities);
  const capacity = capacities[party];
  if (capacity === undefined) throw badParties(`no party has the number ${party}`);
  const set = paddedItems(options.items, capacity, rng);
  const others = [...capacities.keys()].filter((number) => number !== party);
  const peers = others.map((number) => {
    const channel = channels.get(number);
    if (channel === undefined) throw badParties(`there is no channel to party ${number}`);
    const session = npartySession(options, parameters, [Math.min(party, number), Math.max(party, number)]);
    return { number, session, channel: new BoundChannel(channel, crypto, session, signal) };
  });
  const [kernels, group] = [await loadKernels(), await loadGroup()];
  return { parameters, set, peers, session: npartySession(options, parameters), kernels, group };
}

/** Runs with a signal that also follows the run's own failure: what waits on one channel ends when another fails. */
export async function stoppingTogether<T>(
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const inner = new AbortController();
  const relay = () => inner.abort(outer?.reason);
  if (outer?.aborted) relay();
  else outer?.addEventListener('abort', relay, { once: true });
  try {
    return await run(inner.signal);
  } catch (error) {
    inner.abort(error);
    throw error;
  } finally {
    outer?.removeEventListener('abort', relay);
  }
}
