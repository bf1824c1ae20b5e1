/** All seats of a back-end in one process, over in-memory channels: the real protocol, for simulations and tests. @module */
import {
  type Channel,
  type CryptoProvider,
  channelPair,
  type Hash,
  type NodeId,
  type Plan,
  type Rng,
  type RoleSizes,
  type SeatOutput,
  type SharedBackend,
  taggedJoins,
} from '@2pm/core';
import type { PlainInputs } from './plain/plain.ts';

export interface Simulation {
  plan: Plan;
  sid: Hash;
  roles: RoleSizes;
  /** Where the protocol admits more than one number. */
  seats?: number;
  inputs: PlainInputs;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
  /** Stands between a seat and its channel: to count, delay or misbehave. */
  wrap?: (channel: Channel, seat: number, peer: number) => Channel;
}

export interface SimulationResult {
  seats: SeatOutput[];
  /** By node: reveals, and the bits of each of `circuitExits`. */
  opened: Map<number, (bigint | null)[]>;
}

/** Shares the inputs, runs the seats, opens every reveal. The first failure closes all channels and is thrown. */
export async function simulateSeats(backend: SharedBackend, simulation: Simulation): Promise<SimulationResult> {
  const { plan, sid, roles, inputs, rng, crypto, signal = new AbortController().signal } = simulation;
  const { seats: count = backend.card.seats } = simulation;
  backend.check(plan);
  const matchers = new Map(taggedJoins(plan).map((node) => [node, count - 1]));
  const numbers = Array.from({ length: count }, (_, seat) => seat);
  const messages = new Map<string, Uint8Array[][]>();
  for (const [role, members] of inputs) {
    messages.set(
      role,
      members.map((values) => backend.shareInputs(values, { sid, rng, crypto, seats: count })),
    );
  }
  const channels = connect(numbers, simulation.wrap ?? ((channel) => channel));
  const close = (reason?: Error) => {
    for (const of of channels) for (const channel of of.values()) channel.close(reason);
  };
  const runs = numbers.map(async (seat) => {
    try {
      return await backend.runSeat({
        ...{ plan, sid, seat, roles, rng, crypto, signal, matchers },
        inputs: new Map([...messages].map(([role, of]) => [role, of.map((each) => each[seat] ?? new Uint8Array())])),
        channels: channels[seat] ?? new Map(),
      });
    } catch (error) {
      for (const channel of channels[seat]?.values() ?? []) channel.close();
      throw error;
    }
  });
  try {
    const results = await Promise.allSettled(runs);
    const failed = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
    if (failed.length > 0) throw failed.find((reason) => reason?.code !== 'CHANNEL_CLOSED') ?? failed[0];
    const seats = await Promise.all(runs);
    const opened = new Map<number, (bigint | null)[]>();
    for (const node of seats[0]?.outputs.keys() ?? []) {
      const shares = seats.map(({ outputs }) => outputs.get(node) ?? new Uint8Array());
      opened.set(node, backend.open(plan, roles, node, shares));
    }
    return { seats, opened };
  } finally {
    close();
  }
}

function connect(
  seats: readonly number[],
  wrap: (channel: Channel, seat: number, peer: number) => Channel,
): Map<number, Channel>[] {
  const channels = seats.map(() => new Map<number, Channel>());
  const name = (seat: number) => `0x${String(seat).padStart(40, '0')}` as NodeId;
  for (const seat of seats) {
    for (const peer of seats.filter((other) => other > seat)) {
      const [mine, theirs] = channelPair(name(peer), name(seat));
      channels[seat]?.set(peer, wrap(mine, seat, peer));
      channels[peer]?.set(seat, wrap(theirs, peer, seat));
    }
  }
  return channels;
}
