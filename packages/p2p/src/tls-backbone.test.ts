import { once } from 'node:events';
import { createServer, type Socket, connect as tcpConnect } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type Clock, encode, type Hash, type NodeId, type NodeRecord } from '@2pm/core';
import { backboneConformance } from '@2pm/testing/backbone-conformance';
import { afterEach, describe, expect, it } from 'vitest';
import { selfSignedCertificate, type TlsKeyPair, tlsKeyPair } from './certificate.ts';
import { type Directory, directory } from './directory.ts';
import { frameHeader } from './frame.ts';
import { ALPN, encodeHello } from './hello.ts';
import type { P2pLimits } from './limits.ts';
import { type TlsBackbone, tlsBackbone } from './tls-backbone.ts';

const clock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};

const PROTOCOL = '/2pm/test/1';
const host = '127.0.0.1';
const id = (byte: number) => `0x${byte.toString(16).padStart(2, '0').repeat(20)}` as NodeId;

interface TestNode {
  backbone: TlsBackbone;
  key: TlsKeyPair;
  port: number;
}

/** Nodes with one registry; addresses are published once the ports are known. */
class World {
  readonly directory: Directory = directory();
  readonly nodes: TestNode[] = [];
  readonly sockets: { destroy(): unknown }[] = [];
  #block = 0;
  readonly #seqs = new Map<NodeId, number>();

  async add(limits: Partial<P2pLimits> = {}, publish = true): Promise<TestNode> {
    const key = tlsKeyPair();
    const self = id(this.nodes.length + 1);
    const backbone = await tlsBackbone({
      self,
      tls: key,
      directory: this.directory,
      listen: { host, port: 0 },
      clock,
      limits,
    });
    const node = { backbone, key, port: backbone.address?.port ?? 0 };
    this.nodes.push(node);
    if (publish) this.publish(self, key.spkiHash, [`${host}:${node.port}`]);
    return node;
  }

  publish(node: NodeId, tls: Hash, addresses: string[]): void {
    const seq = (this.#seqs.get(node) ?? 0) + 1;
    this.#seqs.set(node, seq);
    const record: NodeRecord = { v: 1, node, seq, org: 'test', addresses, keys: { tls, hpke: '0x' }, protocols: [] };
    this.event({ type: 'nodeUpdated', node, seq, record: encode(record) });
  }

  event(event: Parameters<Directory['apply']>[0] extends infer I ? (I extends { event: infer E } ? E : never) : never) {
    const block = ++this.#block;
    this.directory.apply({ type: 'event', event, cursor: `${block}`, block, blockTime: block, tx: '0x' });
  }

  /** A TLS client that does as it is told. */
  async rogue(port: number, key?: TlsKeyPair, options: object = {}): Promise<TLSSocket> {
    const credentials = key && { key: key.privateKeyPem, cert: selfSignedCertificate(key.privateKeyPem).pem };
    const socket = tlsConnect({
      host,
      port,
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN],
      ...credentials,
      ...options,
    });
    this.sockets.push(socket);
    socket.on('error', () => {});
    await new Promise((resolve) => {
      socket.once('secureConnect', resolve);
      socket.once('close', resolve);
    });
    return socket;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(this.nodes.map(({ backbone }) => backbone.stop()));
  }
}

/** Everything that comes out of a socket until it is closed. */
async function drain(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (!socket.destroyed) await once(socket, 'close');
  return Buffer.concat(chunks);
}

const framed = (body: Uint8Array) => Buffer.concat([frameHeader(body.length), body]);

backboneConformance('tls', async () => {
  const world = new World();
  const frameBytes = 1 << 20;
  const nodes = [await world.add({ frameBytes }), await world.add({ frameBytes }), await world.add({ frameBytes })];
  const relays = await Promise.all(nodes.map(({ port }) => relay(port)));
  for (const [index, { backbone, key }] of nodes.entries()) {
    world.publish(backbone.self, key.spkiHash, [`${host}:${relays[index]?.port}`]);
  }
  return {
    nodes: nodes.map(({ backbone }) => backbone) as [TlsBackbone, TlsBackbone, TlsBackbone],
    // What a killed process leaves: connections reset, nobody on the port.
    kill: async (node) => relays[nodes.findIndex(({ backbone }) => backbone.self === node)]?.cut(),
    frameBytes,
    stop: async () => {
      await world.stop();
      await Promise.all(relays.map((each) => each.cut()));
    },
  };
});

/** A TCP relay that can be cut. */
async function relay(port: number) {
  const sockets = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = tcpConnect({ host, port });
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
    }
    inner.pipe(outer).pipe(inner);
    inner.on('close', () => outer.destroy());
    outer.on('close', () => inner.destroy());
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cut: async () => {
      if (!server.listening) return;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

describe('tls backbone', () => {
  let world = new World();
  afterEach(async () => {
    await world.stop();
    world = new World();
  });

  async function pair(limits: Partial<P2pLimits> = {}) {
    const a = await world.add(limits);
    const b = await world.add(limits);
    const served = new Promise<Awaited<ReturnType<TlsBackbone['dial']>>>((resolve) => {
      b.backbone.serve(PROTOCOL, resolve);
    });
    const dialled = await a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 's' });
    return { a, b, dialled, accepted: await served };
  }

  it('gives strangers nothing: HTTP, noise, TLS without certificate, with an unknown key, TLS 1.2, other ALPN', async () => {
    const { port, backbone } = await world.add({ handshakeMs: 2000 });
    let handled = 0;
    backbone.serve(PROTOCOL, () => handled++);
    const raw = async (bytes: string | Uint8Array) => {
      const socket = tcpConnect({ host, port });
      world.sockets.push(socket);
      socket.write(bytes);
      return await drain(socket);
    };
    const noise = Uint8Array.from({ length: 5000 }, (_, index) => (index * 167 + 13) & 0xff);
    for (const bytes of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', noise]) {
      // At most a TLS alert: a 5-byte record header and two bytes.
      expect((await raw(bytes)).length).toBeLessThanOrEqual(7);
    }
    const stranger = tlsKeyPair();
    const attempts = [
      world.rogue(port),
      world.rogue(port, stranger),
      world.rogue(port, stranger, { maxVersion: 'TLSv1.2' }),
      world.rogue(port, stranger, { ALPNProtocols: ['h2'] }),
    ];
    for (const attempt of attempts) {
      const socket = await attempt;
      if (!socket.destroyed) socket.write(framed(encodeHello({ protocol: PROTOCOL, session: 's' }, id(1), id(1))));
      expect((await drain(socket)).length).toBe(0);
    }
    expect(handled).toBe(0);
    expect(backbone.sessions).toBe(0);
    expect(Object.fromEntries(backbone.refused)).toEqual({ P2P_HANDSHAKE: 4, P2P_IDENTITY: 2 });
  });

  it('drops silent connections after the handshake time, TCP or TLS alike, and forgets them', async () => {
    const b = await world.add({ handshakeMs: 120 });
    const known = tlsKeyPair();
    world.publish(id(77), known.spkiHash, []);
    const plain = tcpConnect({ host, port: b.port });
    const slow = tcpConnect({ host, port: b.port });
    slow.write(new Uint8Array([0x16, 0x03, 0x01]));
    const speechless = await world.rogue(b.port, known);
    const trickling = await world.rogue(b.port, known);
    trickling.write(new Uint8Array([30, 0]));
    for (const socket of [plain, slow, speechless, trickling]) expect((await drain(socket)).length).toBe(0);
    expect(b.backbone.sessions).toBe(0);
  });

  it('makes room for newcomers when too many connections prove nothing', async () => {
    const a = await world.add();
    const b = await world.add({ maxHandshakes: 3 });
    b.backbone.serve(PROTOCOL, () => {});
    const idle = Array.from({ length: 3 }, () => tcpConnect({ host, port: b.port }));
    world.sockets.push(...idle);
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    await a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 's' });
    expect(b.backbone.refused.get('P2P_BUSY')).toBe(1);
  });

  it('refuses to talk to another node at the address, and to a stranger there, before writing a byte', async () => {
    const a = await world.add();
    const b = await world.add();
    const c = await world.add();
    for (const key of [c.key, tlsKeyPair()]) {
      let bytes = 0;
      let done = () => {};
      const hungUp = new Promise<void>((resolve) => {
        done = resolve;
      });
      const { pem } = selfSignedCertificate(key.privateKeyPem);
      const options = { key: key.privateKeyPem, cert: pem, requestCert: true, rejectUnauthorized: false };
      const impostor = createTlsServer({ ...options, ALPNProtocols: [ALPN] });
      impostor.on('connection', (socket: Socket) => socket.once('close', done));
      impostor.on('secureConnection', (socket) => {
        socket.on('error', () => {});
        socket.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
      });
      impostor.on('tlsClientError', () => {});
      impostor.listen(0, host);
      await once(impostor, 'listening');
      const { port } = impostor.address() as { port: number };
      world.publish(b.backbone.self, b.key.spkiHash, [`${host}:${port}`]);
      await expect(a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 's' })).rejects.toMatchObject({
        code: 'P2P_IDENTITY',
      });
      await hungUp;
      expect(bytes).toBe(0);
      impostor.close();
    }
  });

  it('tries addresses in order and takes the first that is the right node', async () => {
    const a = await world.add();
    const b = await world.add();
    const c = await world.add();
    const gone = await relay(1);
    await gone.cut();
    b.backbone.serve(PROTOCOL, () => {});
    const addresses = [`${host}:${gone.port}`, `${host}:${c.port}`, `${host}:${b.port}`];
    world.publish(b.backbone.self, b.key.spkiHash, addresses);
    const channel = await a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 's' });
    expect(channel.peer).toBe(b.backbone.self);
  });

  it('says that a node without address, behind a closed port, or that does not know us cannot be reached', async () => {
    const a = await world.add();
    const b = await world.add();
    const dial = () => a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 's' });
    world.publish(b.backbone.self, b.key.spkiHash, []);
    await expect(dial()).rejects.toMatchObject({ code: 'P2P_UNREACHABLE', retryable: false });
    const gone = await relay(1);
    await gone.cut();
    world.publish(b.backbone.self, b.key.spkiHash, [`${host}:${gone.port}`]);
    await expect(dial()).rejects.toMatchObject({ code: 'P2P_UNREACHABLE', retryable: true });
    await expect(dial()).rejects.toThrow('ECONNREFUSED');
    world.publish(b.backbone.self, b.key.spkiHash, [`${host}:${b.port}`]);
    world.publish(a.backbone.self, tlsKeyPair().spkiHash, []);
    await expect(dial()).rejects.toMatchObject({ code: 'P2P_UNREACHABLE', retryable: true });
  });

  it('gives up on a listener that accepts and says nothing', async () => {
    const a = await world.add({ handshakeMs: 100 });
    const b = await world.add();
    const mute = createServer(() => {});
    mute.listen(0, host);
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    world.publish(b.backbone.self, b.key.spkiHash, [`${host}:${port}`]);
    await expect(a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 's' })).rejects.toMatchObject({
      code: 'P2P_HANDSHAKE_TIMEOUT',
      retryable: true,
    });
    const cancel = new AbortController();
    const dialling = a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 's' }, { signal: cancel.signal });
    cancel.abort(new Error('enough'));
    await expect(dialling).rejects.toThrow('enough');
    mute.close();
  });

  it('never resumes a session, which would let its old identity stand for whoever brings it', async () => {
    const b = await world.add();
    const key = tlsKeyPair();
    world.publish(id(77), key.spkiHash, []);
    const sessions: Buffer[] = [];
    b.backbone.serve(PROTOCOL, () => {});
    const hello = framed(encodeHello({ protocol: PROTOCOL, session: 's' }, id(77), b.backbone.self));
    const first = await world.rogue(b.port, key);
    first.on('session', (session: Buffer) => sessions.push(session));
    first.write(hello);
    await once(first, 'data');
    const own = first.getSession();
    if (own !== undefined) sessions.push(own);
    expect(sessions.length).toBeGreaterThan(0);
    for (const session of sessions) {
      for (const credentials of [undefined, tlsKeyPair()]) {
        const again = await world.rogue(b.port, credentials, { session });
        expect(again.isSessionReused()).toBe(false);
        if (!again.destroyed) again.write(hello);
        expect((await drain(again)).length).toBe(0);
      }
    }
  });

  it('refuses a first frame that is malformed, too long, or names other nodes than the proven ones', async () => {
    const b = await world.add();
    const key = tlsKeyPair();
    world.publish(id(77), key.spkiHash, []);
    let handled = 0;
    b.backbone.serve(PROTOCOL, () => handled++);
    const binding = { protocol: PROTOCOL, session: 's' };
    const { self } = b.backbone;
    const hellos = [
      framed(encodeHello(binding, id(78), self)),
      framed(encodeHello(binding, id(77), id(78))),
      framed(encode({ v: 2, ...binding, from: id(77), to: self })),
      framed(encode({ v: 1, ...binding, from: id(77), to: self, extra: 1 })),
      framed(new Uint8Array([0xff, 0x00])),
      Buffer.from(frameHeader(1_000_000)),
      framed(encodeHello({ protocol: PROTOCOL, session: 'x'.repeat(300) }, id(77), self)),
    ];
    for (const hello of hellos) {
      const socket = await world.rogue(b.port, key);
      socket.write(hello);
      expect((await drain(socket)).length).toBe(0);
    }
    expect(handled).toBe(0);
    expect(Object.fromEntries(b.backbone.refused)).toEqual({
      P2P_IDENTITY: 2,
      P2P_MALFORMED_FRAME: 4,
      P2P_FRAME_TOO_LARGE: 1,
    });
  });

  /** A session whose other end is a raw socket with a valid identity. */
  async function rawSession(limits: Partial<P2pLimits> = {}) {
    const b = await world.add(limits);
    const key = tlsKeyPair();
    world.publish(id(77), key.spkiHash, []);
    const served = new Promise<Awaited<ReturnType<TlsBackbone['dial']>>>((resolve) => {
      b.backbone.serve(PROTOCOL, resolve);
    });
    const socket = await world.rogue(b.port, key);
    socket.write(framed(encodeHello({ protocol: PROTOCOL, session: 's' }, id(77), b.backbone.self)));
    const channel = await served;
    socket.resume();
    return { b, socket, channel };
  }

  it('ends a session whose peer announces a frame over the limit, without waiting for it', async () => {
    const { socket, channel } = await rawSession();
    socket.write(Buffer.concat([framed(new Uint8Array([1])), frameHeader(1024 * 1024 + 1)]));
    expect((await channel.receive()).length).toBe(1);
    await expect(channel.receive()).rejects.toMatchObject({ code: 'P2P_FRAME_TOO_LARGE', fault: 'peer' });
  });

  it('allows longer frames where the protocol carries bulk data', async () => {
    const { dialled, accepted } = await pair({ frameBytesOf: { [PROTOCOL]: 3 << 20 } });
    await dialled.send(new Uint8Array(3 << 20));
    expect((await accepted.receive()).length).toBe(3 << 20);
  });

  it('tells a cut-off stream from a farewell, also when it ends politely', async () => {
    const { socket, channel } = await rawSession();
    socket.end(Buffer.concat([framed(new Uint8Array([1])), frameHeader(10), new Uint8Array(3)]));
    expect((await channel.receive()).length).toBe(1);
    await expect(channel.receive()).rejects.toMatchObject({ code: 'P2P_CONNECTION_LOST', retryable: true });
  });

  it('drops a peer that stops in the middle of a frame', async () => {
    const { socket, channel } = await rawSession({ stallMs: 80 });
    socket.write(Buffer.concat([frameHeader(10), new Uint8Array(3)]));
    await expect(channel.receive()).rejects.toMatchObject({ code: 'P2P_CONNECTION_LOST' });
  });

  it('drops a session that is idle for too long, and leaves one alone that pauses between frames', async () => {
    const { b, channel } = await rawSession({ stallMs: 40, idleMs: 400 });
    await clock.sleep(150);
    expect(b.backbone.sessions).toBe(1);
    await expect(channel.receive()).rejects.toMatchObject({ code: 'P2P_CONNECTION_LOST' });
  });

  it('holds the sender back while nobody receives, and loses nothing', async () => {
    const { dialled, accepted } = await pair({ inboxBytes: 1 << 20 });
    const frames = 200;
    let sent = 0;
    const sending = (async () => {
      for (let index = 0; index < frames; index++) {
        await dialled.send(new Uint8Array(1 << 18).fill(index));
        sent++;
      }
    })();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await clock.sleep(100);
    }
    // Sockets hold some megabytes, the inbox one; 200 frames are 50 MiB.
    expect(sent).toBeLessThan(frames / 2);
    for (let index = 0; index < frames; index++) expect((await accepted.receive())[0]).toBe(index);
    await sending;
  });

  it('limits the sessions of one peer and of all, and frees the place of one that ends', async () => {
    const a = await world.add();
    const b = await world.add({ maxSessionsPerPeer: 2, maxSessions: 3 });
    const c = await world.add();
    b.backbone.serve(PROTOCOL, () => {});
    const dial = (from: TestNode, session: string) =>
      from.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session });
    const first = await dial(a, '1');
    await dial(a, '2');
    await expect(dial(a, '3')).rejects.toMatchObject({ code: 'P2P_BUSY', retryable: true });
    await dial(c, '1');
    await expect(dial(c, '2')).rejects.toMatchObject({ code: 'P2P_BUSY' });
    first.close();
    while (b.backbone.sessions === 3) await clock.sleep(5);
    await dial(c, '2');
  });

  it('ends the sessions of a node as soon as the registry revokes it', async () => {
    const { a, dialled, accepted } = await pair();
    const lost = expect(accepted.receive()).rejects.toMatchObject({ code: 'P2P_IDENTITY' });
    world.event({ type: 'nodeRevoked', node: a.backbone.self });
    await lost;
    await expect(dialled.receive()).rejects.toMatchObject({ code: 'P2P_CONNECTION_LOST' });
  });

  it('says which port is taken and what to do', async () => {
    const { port } = await world.add();
    const start = tlsBackbone({
      self: id(9),
      tls: tlsKeyPair(),
      directory: world.directory,
      listen: { host, port },
      clock,
    });
    await expect(start).rejects.toMatchObject({
      code: 'P2P_PORT_IN_USE',
      fix: expect.stringContaining('another port'),
    });
  });

  it('says goodbye when it stops, frees the port, and dials no more', async () => {
    const { a, b, dialled } = await pair();
    const waiting = expect(dialled.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    await b.backbone.stop();
    await waiting;
    await expect(a.backbone.dial(b.backbone.self, { protocol: PROTOCOL, session: 't' })).rejects.toThrow(
      'ECONNREFUSED',
    );
    await expect(b.backbone.dial(a.backbone.self, { protocol: PROTOCOL, session: 't' })).rejects.toMatchObject({
      code: 'P2P_STOPPED',
    });
    expect(b.backbone.sessions).toBe(0);
  });
});
