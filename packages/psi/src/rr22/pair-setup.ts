/**
 * What two parties of RR22 do once and use for many runs: the base transfers of `crypto/ot/kept.ts`. Each run draws its
 * own Δ and its own streams; the argument why runs do not weaken each other stands there.
 * Semi-honest. Two messages: ← 32 bytes, → 8192 bytes. A setup serves one direction, receiver and sender as named.
 * @module
 */
import { type Channel, type CryptoProvider, fromHex, type Hash, hashValue, type NodeId, type Rng } from '@2pm/core';
import { loadGroup } from '@2pm/crypto/group';
import { KEPT_SETUP_BYTES, type KeptOtReceiver, type KeptOtSender, keptOtReceiver, keptOtSender } from '@2pm/crypto/ot';
import { BoundChannel } from '../bound-channel.ts';

/** Holds secrets of one party for runs with one peer: keep it in memory, drop it to renew. Runs may overlap. */
export type PairSetup = ReceiverSetup | SenderSetup;

export interface ReceiverSetup {
  role: 'receiver';
  peer: NodeId;
  kept: KeptOtSender;
}

export interface SenderSetup {
  role: 'sender';
  peer: NodeId;
  kept: KeptOtReceiver;
}

export interface PairSetupOptions {
  channel: Channel;
  /** Unique for each setup of the pair. */
  sid: Hash;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
}

/** For `rr22Receiver`. Errors: `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, `GROUP_BAD_ELEMENT`, and the channel's. */
export async function rr22ReceiverSetup(options: PairSetupOptions): Promise<ReceiverSetup> {
  const { channel, session } = open(options);
  const setup = keptOtSender({ group: await loadGroup(), rng: options.rng, session });
  const offer = await channel.receive(KEPT_SETUP_BYTES.offer);
  await channel.send(setup.answer);
  return { role: 'receiver', peer: options.channel.peer, kept: setup.finish(offer) };
}

/** For `rr22Sender`. Errors as of `rr22ReceiverSetup`. */
export async function rr22SenderSetup(options: PairSetupOptions): Promise<SenderSetup> {
  const { channel, session } = open(options);
  const setup = keptOtReceiver({ group: await loadGroup(), rng: options.rng, session });
  await channel.send(setup.offer);
  return {
    role: 'sender',
    peer: options.channel.peer,
    kept: setup.finish(await channel.receive(KEPT_SETUP_BYTES.answer)),
  };
}

function open({ channel, sid, crypto, signal }: PairSetupOptions) {
  const session = fromHex(hashValue('2pm/psi-rr22-setup/1', { sid }));
  return { channel: new BoundChannel(channel, crypto, session, signal), session };
}
