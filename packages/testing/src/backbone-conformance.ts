/** What every Backbone guarantees, as tests. A driver's test file calls this with a way to make a network. @module */
import { type Backbone, type Channel, isNodeError, type NodeId } from '@2pm/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

export interface TestNetwork {
  /** Three nodes that know each other. */
  nodes: [Backbone, Backbone, Backbone];
  /** Breaks the connections of a node without a farewell. */
  kill(node: NodeId): Promise<void>;
  /** Longest frame that the network carries. */
  frameBytes: number;
  stop(): Promise<void>;
}

const PROTOCOL = '/2pm/conformance/1';
const STRANGER = `0x${'99'.repeat(20)}` as NodeId;

export function backboneConformance(name: string, makeNetwork: () => Promise<TestNetwork>): void {
  describe(`backbone conformance: ${name}`, () => {
    let network: TestNetwork;
    let a: Backbone;
    let b: Backbone;
    let c: Backbone;
    beforeEach(async () => {
      network = await makeNetwork();
      [a, b, c] = network.nodes;
    });
    afterEach(() => network.stop());

    /** Both ends of a fresh session from `from` to `to`. */
    async function open(from: Backbone, to: Backbone, session = 's1'): Promise<[Channel, Channel]> {
      let stop = () => {};
      const served = new Promise<Channel>((resolve) => {
        stop = to.serve(PROTOCOL, resolve);
      });
      const dialled = await from.dial(to.self, { protocol: PROTOCOL, session });
      const accepted = await served;
      stop();
      return [dialled, accepted];
    }

    it('names each end the other, and the handler what the session is for', async () => {
      const served = new Promise<[Channel, unknown]>((resolve) => {
        b.serve(PROTOCOL, (channel, binding) => resolve([channel, binding]));
      });
      const binding = { protocol: PROTOCOL, session: 'task 7' };
      const dialled = await a.dial(b.self, binding);
      const [accepted, bound] = await served;
      expect(dialled.peer).toBe(b.self);
      expect(accepted.peer).toBe(a.self);
      expect(bound).toEqual(binding);
    });

    it('carries frames of any length in order, both ways at once', async () => {
      const [x, y] = await open(a, b);
      const lengths = [0, 1, 3, 4, 5, 255, 65_535, 65_536, 70_000, 262_144, 300_001, network.frameBytes, 0, 2];
      const frames = lengths.map((length, index) => new Uint8Array(length).fill(index + 1));
      const all = async (from: Channel, to: Channel) => {
        for (const frame of frames) await from.send(frame);
        const got: Uint8Array[] = [];
        for (const _ of frames) got.push(await to.receive());
        return got;
      };
      for (const got of await Promise.all([all(x, y), all(y, x)])) {
        expect(got.map((frame) => frame.length)).toEqual(lengths);
        expect(got.every((frame, index) => frame.every((byte) => byte === index + 1))).toBe(true);
      }
    });

    it('keeps the order of sends that were not awaited', async () => {
      const [x, y] = await open(a, b);
      const sizes = [10, 600_000, 1, 300_000, 2];
      const sent = Promise.all(sizes.map((size) => x.send(new Uint8Array(size))));
      for (const size of sizes) expect((await y.receive()).length).toBe(size);
      await sent;
    });

    it('hands out frames that are nobody else’s: changing one end’s bytes changes nothing at the other', async () => {
      const [x, y] = await open(a, b);
      const frame = new Uint8Array(300_000).fill(7);
      await x.send(frame);
      frame.fill(8);
      const got = await y.receive();
      expect(got.every((byte) => byte === 7)).toBe(true);
      expect(got.byteOffset % 8).toBe(0);
    });

    it('counts the same bytes and frames at both ends, and only those of the application', async () => {
      const [x, y] = await open(a, b);
      await x.send(new Uint8Array(100));
      await x.send(new Uint8Array(23));
      await y.receive();
      await y.receive();
      expect({ ...x.stats }).toEqual({ bytesSent: 123, framesSent: 2, bytesReceived: 0, framesReceived: 0 });
      expect({ ...y.stats }).toEqual({ bytesSent: 0, framesSent: 0, bytesReceived: 123, framesReceived: 2 });
    });

    it('delivers what was sent before a close, then tells the other end', async () => {
      const [x, y] = await open(a, b);
      const big = x.send(new Uint8Array(500_000));
      const small = x.send(new Uint8Array(5));
      x.close();
      await Promise.all([big, small]);
      expect((await y.receive()).length).toBe(500_000);
      expect((await y.receive()).length).toBe(5);
      await expect(y.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
      await expect(y.send(new Uint8Array(1))).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
      await expect(x.send(new Uint8Array(1))).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    });

    it('rejects receives that wait at a close with its reason, or with CHANNEL_CLOSED', async () => {
      const [x, y] = await open(a, b);
      const reason = new Error('enough');
      const mine = expect(x.receive()).rejects.toBe(reason);
      const theirs = expect(y.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
      x.close(reason);
      x.close(new Error('a second close changes nothing'));
      await Promise.all([mine, theirs]);
    });

    it('lets a receive be cancelled without losing a frame', async () => {
      const [x, y] = await open(a, b);
      const cancel = new AbortController();
      const waiting = y.receive({ signal: cancel.signal });
      cancel.abort(new Error('changed my mind'));
      await expect(waiting).rejects.toThrow('changed my mind');
      await x.send(new Uint8Array([42]));
      expect([...(await y.receive())]).toEqual([42]);
    });

    it('reports a node that died as a lost connection that may be retried', async () => {
      const [x] = await open(a, b);
      const waiting = x.receive().catch((error: unknown) => error);
      await network.kill(b.self);
      const error = await waiting;
      expect(isNodeError(error, 'P2P_CONNECTION_LOST') && error.retryable).toBe(true);
      await expect(a.dial(b.self, { protocol: PROTOCOL, session: 's2' })).rejects.toMatchObject({
        code: 'P2P_UNREACHABLE',
        retryable: true,
      });
    });

    it('refuses to dial a node that the registry does not know', async () => {
      await expect(a.dial(STRANGER, { protocol: PROTOCOL, session: 's1' })).rejects.toMatchObject({
        code: 'P2P_UNKNOWN_NODE',
      });
    });

    it('says so when nobody serves the protocol, before and after somebody did', async () => {
      const binding = { protocol: PROTOCOL, session: 's1' };
      await expect(a.dial(b.self, binding)).rejects.toMatchObject({ code: 'P2P_PROTOCOL' });
      const stop = b.serve(PROTOCOL, () => {});
      await a.dial(b.self, binding);
      stop();
      await expect(a.dial(b.self, binding)).rejects.toMatchObject({ code: 'P2P_PROTOCOL' });
    });

    it('serves a protocol once', () => {
      b.serve(PROTOCOL, () => {});
      expect(() => b.serve(PROTOCOL, () => {})).toThrow(expect.objectContaining({ code: 'P2P_PROTOCOL_TAKEN' }));
    });

    it('refuses to send a frame over the limit, and the session lives on', async () => {
      const [x, y] = await open(a, b);
      await expect(x.send(new Uint8Array(network.frameBytes + 1))).rejects.toMatchObject({
        code: 'P2P_FRAME_TOO_LARGE',
        fault: 'caller',
      });
      await x.send(new Uint8Array([1]));
      expect((await y.receive()).length).toBe(1);
    });

    it('ends a session whose handler throws', async () => {
      b.serve(PROTOCOL, () => {
        throw new Error('bug');
      });
      const channel = await a.dial(b.self, { protocol: PROTOCOL, session: 's1' });
      await expect(channel.receive()).rejects.toMatchObject({ fault: 'peer' });
    });

    it('replaces a session that the peer opens anew', async () => {
      const [, old] = await open(a, b, 'same');
      const [fresh, accepted] = await open(a, b, 'same');
      await expect(old.receive()).rejects.toMatchObject({ code: 'P2P_CONNECTION_LOST' });
      await fresh.send(new Uint8Array([1]));
      expect((await accepted.receive()).length).toBe(1);
    });

    it('does not dial when the signal is aborted already', async () => {
      b.serve(PROTOCOL, () => {});
      const signal = AbortSignal.abort(new Error('too late'));
      await expect(a.dial(b.self, { protocol: PROTOCOL, session: 's1' }, { signal })).rejects.toThrow('too late');
    });

    it('keeps sessions of several peers apart', async () => {
      const [fromA, toA] = await open(a, b);
      const [fromC, toC] = await open(c, b);
      await fromA.send(new Uint8Array([1]));
      await fromC.send(new Uint8Array([3]));
      expect([...(await toA.receive()), ...(await toC.receive())]).toEqual([1, 3]);
      expect([toA.peer, toC.peer]).toEqual([a.self, c.self]);
    });
  });
}
