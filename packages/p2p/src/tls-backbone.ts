/**
 * Sessions between nodes over TLS 1.3 (RFC 8446), both sides authenticated. Certificates are not judged by who issued
 * them: the key in it must be the one that the peer's signed node record names. That is checked before either side
 * hands over or writes a byte of the application. Tickets and resumption are off, because a resumed session would keep
 * the identity of the session before.
 * @module
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import {
  type Backbone,
  type Channel,
  type Clock,
  type Hash,
  isNodeError,
  NodeError,
  type NodeId,
  type SessionBinding,
} from '@2pm/core';
import { type Address, parseAddress } from './address.ts';
import type { PeerDirectory } from './directory.ts';
import { busy, dialError, gone, listenError, silent, unknownNode } from './errors.ts';
import { ALPN, encodeHello, HELLO_LIMIT_BYTES, readAnswer, readHello } from './hello.ts';
import { DEFAULT_LIMITS, type P2pLimits } from './limits.ts';
import { SocketChannel } from './socket-channel.ts';
import { provenKey, tlsContext } from './tls-context.ts';
import { secureSocket } from './tls-dial.ts';

export interface TlsBackboneOptions {
  self: NodeId;
  /** P-256 in PKCS #8 PEM; its SPKI hash is `keys.tls` of this node's record. */
  tls: { privateKeyPem: string };
  directory: PeerDirectory;
  /** Without it the node only dials out. Port 0 takes a free one. */
  listen?: Address;
  clock: Clock;
  limits?: Partial<P2pLimits>;
}

export interface TlsBackbone extends Backbone {
  /** Where this node listens. */
  readonly address: Address | undefined;
  readonly spkiHash: Hash;
  /** Open sessions, both directions. */
  readonly sessions: number;
  /** Connections turned away, by error code; `P2P_HANDSHAKE` where TLS failed before anybody was named. */
  readonly refused: ReadonlyMap<string, number>;
  /** Says goodbye on every session, waits at most a second for the answers, and frees the port. Idempotent. */
  stop(): Promise<void>;
}

/** @throws {NodeError} `P2P_PORT_IN_USE`, `P2P_LISTEN`, `P2P_TLS_KEY`. */
export async function tlsBackbone(options: TlsBackboneOptions): Promise<TlsBackbone> {
  const backbone = new TlsNode(options);
  await backbone.listen(options.listen);
  return backbone;
}

type Handler = (channel: Channel, binding: SessionBinding) => void;

interface Session {
  channel: SocketChannel;
  key: Hash;
  /** Of a session that the peer opened: what it is, so that a new one takes the place of one that died unnoticed. */
  name?: string;
}

class TlsNode implements TlsBackbone {
  readonly self: NodeId;
  readonly spkiHash: Hash;
  readonly refused = new Map<string, number>();
  readonly #directory: PeerDirectory;
  readonly #clock: Clock;
  readonly #limits: P2pLimits;
  readonly #context: ReturnType<typeof tlsContext>;
  readonly #handlers = new Map<string, Handler>();
  readonly #sessions = new Set<Session>();
  /** Connections without a proven peer or an accepted first frame, by remote address and port, oldest first. */
  readonly #handshakes = new Map<string, { socket: Socket; since: number }>();
  readonly #stopping = new AbortController();
  readonly #unsubscribe: () => void;
  #server: Server | undefined;

  constructor({ self, tls, directory, clock, limits }: TlsBackboneOptions) {
    this.self = self;
    this.#directory = directory;
    this.#clock = clock;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#context = tlsContext(tls.privateKeyPem);
    this.spkiHash = this.#context.spkiHash;
    this.#unsubscribe = directory.onChange(() => this.#dropStrangers());
    void this.#watch();
  }

  get sessions(): number {
    return [...this.#sessions].filter(isOpen).length;
  }

  get address(): Address | undefined {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? { host: address.address, port: address.port } : undefined;
  }

  async listen(address: Address | undefined): Promise<void> {
    if (address === undefined) return;
    const server = createServer({
      ...this.#context,
      requestCert: true,
      // The chain of trust is the registry, see `#accept`.
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN],
      handshakeTimeout: this.#limits.handshakeMs,
      noDelay: true,
    });
    server.on('connection', (socket: Socket) => this.#greet(socket));
    server.on('secureConnection', (socket) => void this.#accept(socket));
    server.on('tlsClientError', (_error, socket) => {
      this.#count('P2P_HANDSHAKE');
      socket.destroy();
    });
    try {
      server.listen(address);
      await once(server, 'listening');
    } catch (cause) {
      await this.stop();
      throw listenError(address, cause);
    }
    server.on('error', () => this.#count('P2P_LISTEN'));
    this.#server = server;
  }

  serve(protocol: string, handler: Handler): () => void {
    if (this.#handlers.has(protocol)) {
      throw new NodeError('P2P_PROTOCOL_TAKEN', `${protocol} is served already`, { fault: 'caller' });
    }
    this.#handlers.set(protocol, handler);
    return () => {
      if (this.#handlers.get(protocol) === handler) this.#handlers.delete(protocol);
    };
  }

  async dial(peer: NodeId, binding: SessionBinding, options?: { signal?: AbortSignal }): Promise<Channel> {
    const signal = AbortSignal.any([this.#stopping.signal, ...(options?.signal === undefined ? [] : [options.signal])]);
    signal.throwIfAborted();
    const record = this.#directory.record(peer);
    if (record === undefined) throw unknownNode(peer);
    if (this.sessions >= this.#limits.maxSessions) throw busy();
    const problems: unknown[] = [];
    for (const address of record.addresses) {
      try {
        return await this.#dialAddress(peer, record.keys.tls, parseAddress(address), binding, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (FINAL_ANSWERS.some((code) => isNodeError(error, code))) throw error;
        problems.push(error);
      }
    }
    throw dialError(peer, record.addresses, problems);
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort(new NodeError('P2P_STOPPED', 'this node is stopping', { fault: 'node', retryable: true }));
    this.#unsubscribe();
    const closed = this.#server === undefined ? undefined : once(this.#server, 'close');
    this.#server?.close();
    for (const { socket } of this.#handshakes.values()) socket.destroy();
    for (const { channel } of this.#sessions) channel.close();
    const patience = new AbortController();
    const farewell = this.#clock.sleep(1000, patience.signal).catch(() => {});
    await Promise.race([farewell, Promise.all([...this.#sessions].map((session) => session.channel.closed))]);
    patience.abort();
    for (const { channel } of this.#sessions) channel.destroy(this.#stopping.signal.reason);
    await closed;
  }

  async #dialAddress(
    peer: NodeId,
    key: Hash,
    address: Address,
    binding: SessionBinding,
    signal: AbortSignal,
  ): Promise<Channel> {
    const { handshakeMs } = this.#limits;
    const attempt = { address, peer, handshakeMs, clock: this.#clock, signal };
    return await secureSocket(this.#context, attempt, async (socket, deadline) => {
      if (provenKey(socket) !== key) {
        throw new NodeError('P2P_IDENTITY', `the node at that address is not ${peer}`, {
          fault: 'peer',
          fix: 'Ask its operator to publish its present address and TLS key.',
        });
      }
      const channel = this.#channel(socket, peer, this.#frameBytes(binding.protocol));
      await channel.write(encodeHello(binding, this.self, peer));
      readAnswer(await channel.read(deadline), binding, peer, this.self);
      // The registry may have moved on since the handshake.
      if (this.#directory.nodeOfKey(key) !== peer) throw gone(peer);
      this.#adopt({ channel, key });
      return channel;
    });
  }

  /** A connection that says nothing costs one socket, and that for `handshakeMs` at most. */
  #greet(socket: Socket): void {
    const name = remoteName(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      if (this.#handshakes.get(name)?.socket === socket) this.#handshakes.delete(name);
    });
    this.#handshakes.set(name, { socket, since: this.#clock.now() });
    if (this.#handshakes.size <= this.#limits.maxHandshakes) return;
    for (const [oldest, { socket: victim }] of this.#handshakes) {
      this.#handshakes.delete(oldest);
      this.#count('P2P_BUSY');
      victim.destroy();
      return;
    }
  }

  async #accept(socket: TLSSocket): Promise<void> {
    socket.on('error', () => {});
    const name = remoteName(socket);
    const key = provenKey(socket);
    const peer = key === undefined ? undefined : this.#directory.nodeOfKey(key);
    if (key === undefined || peer === undefined) {
      this.#count('P2P_IDENTITY');
      socket.destroy();
      return;
    }
    // A refusal in words costs a socket too; one who collects them is cut short.
    const held = [...this.#sessions].filter((session) => session.channel.peer === peer);
    if (held.length >= 2 * this.#limits.maxSessionsPerPeer) {
      this.#count('P2P_BUSY');
      socket.destroy();
      return;
    }
    const channel = this.#channel(socket, peer, HELLO_LIMIT_BYTES);
    try {
      const binding = readHello(await channel.read(), peer, this.self);
      const refusal = this.#refusal(peer, key, binding);
      channel.frameBytes = Math.max(HELLO_LIMIT_BYTES, this.#frameBytes(binding.protocol));
      this.#handshakes.delete(name);
      this.#adopt({ channel, key, ...(refusal === undefined ? { name: sessionName(peer, binding) } : {}) });
      await channel.write(encodeHello(binding, this.self, peer, refusal));
      if (refusal !== undefined) {
        this.#count(refusal);
        channel.close();
        return;
      }
      channel.frameBytes = this.#frameBytes(binding.protocol);
      this.#handlers.get(binding.protocol)?.(channel, binding);
    } catch (error) {
      const reason = isNodeError(error)
        ? error
        : new NodeError('NODE_INTERNAL', 'internal error', { fault: 'node', cause: error });
      this.#count(reason.code);
      channel.destroy(reason);
    }
  }

  #refusal(peer: NodeId, key: Hash, binding: SessionBinding): 'P2P_PROTOCOL' | 'P2P_BUSY' | undefined {
    if (this.#directory.nodeOfKey(key) !== peer) throw gone(peer);
    if (!this.#handlers.has(binding.protocol)) return 'P2P_PROTOCOL';
    const name = sessionName(peer, binding);
    const others = [...this.#sessions].filter((session) => isOpen(session) && session.name !== name);
    const ofPeer = others.filter((session) => session.channel.peer === peer);
    const full = others.length >= this.#limits.maxSessions || ofPeer.length >= this.#limits.maxSessionsPerPeer;
    return full || this.#stopping.signal.aborted ? 'P2P_BUSY' : undefined;
  }

  #channel(socket: TLSSocket, peer: NodeId, frameBytes: number): SocketChannel {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    const limits = { frameBytes, inboxBytes: this.#limits.inboxBytes };
    return new SocketChannel(socket, peer, limits, () => this.#clock.now());
  }

  #frameBytes(protocol: string): number {
    const { frameBytes, frameBytesOf } = this.#limits;
    return Object.hasOwn(frameBytesOf, protocol) ? (frameBytesOf[protocol] ?? frameBytes) : frameBytes;
  }

  #adopt(session: Session): void {
    for (const earlier of this.#sessions) {
      if (session.name !== undefined && earlier.name === session.name) {
        earlier.channel.destroy(
          new NodeError('P2P_CONNECTION_LOST', `${session.channel.peer} opened the session anew`, {
            fault: 'peer',
            retryable: true,
          }),
        );
      }
    }
    this.#sessions.add(session);
    void session.channel.closed.then(() => this.#sessions.delete(session));
  }

  #dropStrangers(): void {
    for (const { channel, key } of this.#sessions) {
      if (this.#directory.nodeOfKey(key) !== channel.peer) channel.destroy(gone(channel.peer));
    }
  }

  async #watch(): Promise<void> {
    const { handshakeMs, stallMs, idleMs } = this.#limits;
    const every = Math.min(5000, Math.max(10, Math.min(handshakeMs, stallMs, idleMs) / 4));
    for (;;) {
      try {
        await this.#clock.sleep(every, this.#stopping.signal);
      } catch {
        return;
      }
      const now = this.#clock.now();
      for (const { socket, since } of this.#handshakes.values()) {
        if (now - since < handshakeMs) continue;
        this.#count('P2P_HANDSHAKE_TIMEOUT');
        socket.destroy();
      }
      for (const { channel } of this.#sessions) {
        const quietMs = now - channel.activeAt;
        const leaving = channel.closingSince !== undefined && now - channel.closingSince >= stallMs;
        if (leaving || quietMs >= idleMs || (channel.midFrame && quietMs >= stallMs))
          channel.destroy(silent(channel.peer));
      }
    }
  }

  #count(code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
  }
}

/** What only the right node can say; another address of it would say the same. */
const FINAL_ANSWERS = ['P2P_PROTOCOL', 'P2P_BUSY', 'P2P_MALFORMED_FRAME'];
const isOpen = ({ channel }: Session): boolean => channel.closingSince === undefined;
const remoteName = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;
const sessionName = (peer: NodeId, { protocol, session }: SessionBinding): string => `${peer} ${protocol} ${session}`;
