/**
 * One attempt at one task, on one member: local part, shares to the seats, the seat's own part. Every attempt has a
 * session of its own, and so fresh secrets; nothing here survives it but the sealed outputs.
 * @module
 */
import {
  type Backbone,
  type Channel,
  type CryptoProvider,
  type DataHolder,
  decode,
  encode,
  type Hash,
  NodeError,
  type NodeId,
  nodesOf,
  type Rng,
  type SeatOutput,
  SHARING_OPERATIONS,
  type SharedBackend,
  sessionId,
  specHash,
  type TaskRequest,
} from '@2pm/core';
import type { KeptRows } from '@2pm/core/api';
import type { Intersector } from '@2pm/psi';
import { matchers } from '../matchers.ts';
import { COMPUTE_PROTOCOL, Hello, type MemberCost } from '../messages.ts';
import { type Roster, roleSizes } from '../roster.ts';
import { blaming } from './blame.ts';
import { receiveBulk, sendBulk } from './bulk.ts';
import { keepMatches } from './circuit.ts';
import { matchPeers, matchRows } from './match.ts';
import type { Rendezvous } from './rendezvous.ts';

export interface AttemptContext {
  request: TaskRequest;
  roster: Roster;
  attempt: number;
  backend: SharedBackend;
  data: DataHolder | undefined;
  backbone: Backbone;
  rendezvous: Rendezvous;
  rng: Rng;
  crypto: CryptoProvider;
  intersector: Intersector;
  signal: AbortSignal;
  onProgress: (phase: string, message: string, done?: number, of?: number) => void;
}

export interface AttemptOutcome {
  /** Absent for a member that holds no seat. */
  output: SeatOutput | undefined;
  cost: MemberCost;
  /** Intersections that this node learnt. */
  kept: KeptRows[];
}

/** @throws {NodeError} of the peer, the data or the protocol; `blamed(error)` tells whose channel it came from. */
export async function runAttempt(context: AttemptContext): Promise<AttemptOutcome> {
  // Whatever goes wrong in one branch stops the others, so that no channel outlives the attempt.
  const scope = new AbortController();
  try {
    return await compute({ ...context, signal: AbortSignal.any([context.signal, scope.signal]) });
  } catch (error) {
    throw context.signal.aborted ? context.signal.reason : error;
  } finally {
    scope.abort();
  }
}

async function compute(context: AttemptContext): Promise<AttemptOutcome> {
  const { request, roster, backend, signal, onProgress } = context;
  const { plan, self } = request;
  const { spec } = request.signed;
  const seats = spec.seats;
  const mySeat = seats.indexOf(self);
  const sid = sessionId(request.taskId, roster.hash, context.attempt);
  const myRoles = Object.keys(roster.roles)
    .filter((role) => roster.roles[role]?.includes(self))
    .sort();

  // Who talks to whom: seats to each other, data holders to every seat, and to those whose rows theirs are matched with.
  const matched = matchPeers(plan, roster, self);
  const isHolder = (node: NodeId) => Object.values(roster.roles).some((members) => members.includes(node));
  const counterparts = roster.members.filter(
    (node) =>
      node !== self &&
      (matched.has(node) || (seats.includes(node) ? mySeat >= 0 || isHolder(self) : mySeat >= 0 && isHolder(node))),
  );

  const channels = new Map<NodeId, Channel>();
  const closeAll = (reason?: Error) => {
    for (const channel of channels.values()) channel.close(reason);
  };
  const onAbort = () => closeAll(signal.reason instanceof Error ? signal.reason : undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    onProgress('connecting', `opening ${counterparts.length} channels`);
    const [vectors] = await Promise.all([
      localVectors(context, myRoles),
      Promise.all(counterparts.map(async (peer) => channels.set(peer, await openChannel(context, sid, peer)))),
    ]);

    const matching = await matchRows({ ...context, sid, channels });
    onProgress('sharing', 'splitting inputs into shares');
    const inputs = new Map<string, Uint8Array[]>();
    const messages = new Map<string, Uint8Array[]>();
    for (const role of myRoles) {
      const values = backend
        .inputNodes(plan, role)
        .map((node) => matching.shared.get(node) ?? vectors.get(node) ?? missingInput(node));
      messages.set(
        role,
        backend.shareInputs(values, { sid, rng: context.rng, crypto: context.crypto, seats: seats.length }),
      );
    }
    await Promise.all(
      seats.map(async (seat, index) => {
        const channel = channels.get(seat);
        if (channel === undefined) return;
        for (const role of myRoles)
          await blaming(seat, sendBulk(channel, messages.get(role)?.[index] ?? new Uint8Array()));
      }),
    );
    let output: SeatOutput | undefined;
    if (mySeat >= 0) {
      // A holder sends one frame a role, in the order of the role names; the same order here.
      for (const role of Object.keys(roster.roles).sort()) {
        const members = roster.roles[role] ?? [];
        inputs.set(role, new Array<Uint8Array>(members.length));
      }
      await Promise.all(
        roster.members.map(async (member) => {
          for (const role of Object.keys(roster.roles).sort()) {
            const position = roster.roles[role]?.indexOf(member) ?? -1;
            if (position < 0) continue;
            const frame =
              member === self
                ? messages.get(role)?.[mySeat]
                : await blaming(member, receiveInput(channels.get(member), member, signal));
            inputs.get(role)?.splice(position, 1, frame ?? new Uint8Array());
          }
        }),
      );
      onProgress('computing', 'running the shared part');
      output = await backend.runSeat({
        plan,
        sid,
        seat: mySeat,
        roles: roleSizes(roster),
        inputs,
        matchers: matchers(backend.card, plan, spec),
        channels: new Map(
          seats.flatMap((seat, index) => {
            const channel = channels.get(seat);
            return channel === undefined ? [] : [[index, channel] as const];
          }),
        ),
        rng: context.rng,
        crypto: context.crypto,
        signal,
        onProgress: (done, of) => onProgress('computing', 'running the shared part', done, of),
      });
    }
    const opened = await keepMatches({ ...context, channels }, matching, output?.outputs ?? new Map());
    const kept = [...matching.kept, ...opened];
    const cost = costOf(channels, output);
    // A holder without a seat waits until every seat has its shares: the seats close the channel when they are done.
    // Another holder may wait just like this one, and closes nothing before.
    if (mySeat < 0) await Promise.all(seats.map((seat) => drained(channels.get(seat), signal)));
    return { output, cost, kept };
  } finally {
    signal.removeEventListener('abort', onAbort);
    closeAll();
  }
}

/** The vectors of all nodes of the own roles that share something local, by node. */
async function localVectors(context: AttemptContext, roles: readonly string[]): Promise<Map<number, BigInt64Array>> {
  const { backend, data, request, signal, onProgress } = context;
  const { plan } = request;
  const sharing = new Set(nodesOf(plan, ...SHARING_OPERATIONS));
  const vectors = new Map<number, BigInt64Array>();
  for (const role of roles) {
    const inputs = backend.inputNodes(plan, role).filter((node) => sharing.has(node));
    if (inputs.length === 0) continue;
    if (data === undefined) {
      throw new NodeError('TASK_NO_DATA', 'this node has no data for the task', { fault: 'data' });
    }
    onProgress('local', 'computing on own rows');
    const argument = (node: number) => plan.nodes[node]?.args[0] ?? -1;
    const values = await data.compute(request, role, [...new Set(inputs.map(argument))], { signal });
    for (const node of inputs) vectors.set(node, values.get(argument(node)) ?? missingInput(node));
  }
  return vectors;
}

function missingInput(node: number): never {
  throw new NodeError('TASK_NO_INPUT', `the data gave nothing for operation ${node} of the plan`, { fault: 'node' });
}

/** The lower id dials. Both then say what they mean by this session, and stop unless it is the same. */
async function openChannel(context: AttemptContext, sid: Hash, peer: NodeId): Promise<Channel> {
  const { request, roster, backend, backbone, rendezvous, signal } = context;
  const channel =
    request.self < peer
      ? await blaming(peer, backbone.dial(peer, { protocol: COMPUTE_PROTOCOL, session: sid }, { signal }))
      : await blaming(peer, rendezvous.take(sid, peer, signal));
  const hello: Hello = {
    sid,
    specHash: specHash(request.signed.spec),
    planHash: request.signed.spec.planHash,
    rosterHash: roster.hash,
    protocol: backend.card.id,
  };
  await blaming(peer, channel.send(encode(hello)));
  const theirs = decode(await blaming(peer, channel.receive({ signal })), Hello, 'hello');
  for (const key of Object.keys(hello) as (keyof Hello)[]) {
    if (theirs[key] !== hello[key]) {
      channel.close();
      throw new NodeError('TASK_DISAGREEMENT', `${peer} means another ${key} by this session`, {
        fault: 'peer',
        fix: 'the coordinator showed the members different things, or their versions differ: ask for a new task',
      });
    }
  }
  return channel;
}

function receiveInput(channel: Channel | undefined, member: NodeId, signal: AbortSignal): Promise<Uint8Array> {
  if (channel !== undefined) return receiveBulk(channel, { signal });
  return Promise.reject(new NodeError('TASK_NO_CHANNEL', `no channel to ${member}`, { fault: 'node' }));
}

async function drained(channel: Channel | undefined, signal: AbortSignal): Promise<void> {
  await channel?.receive({ signal }).then(
    () => undefined,
    (error) => {
      if (signal.aborted) throw error;
    },
  );
}

function costOf(channels: ReadonlyMap<NodeId, Channel>, output: SeatOutput | undefined): MemberCost {
  let bytesSent = 0;
  let bytesReceived = 0;
  for (const { stats } of channels.values()) {
    bytesSent += stats.bytesSent;
    bytesReceived += stats.bytesReceived;
  }
  return { bytesSent, bytesReceived, rounds: output?.rounds ?? 0 };
}
