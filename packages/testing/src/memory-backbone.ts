/** A network of nodes in one process, with the guarantees and the error codes of the real one. @module */
import {
  type Backbone,
  type Channel,
  channelClosed,
  emptyStats,
  Inbox,
  NodeError,
  type NodeId,
  type SessionBinding,
} from '@2pm/core';

export interface MemoryNetwork {
  /** Adds a node and starts it; the same id again restarts a stopped one. */
  join(node: NodeId): Backbone;
  /** Stops a node as a kill would: its sessions break off, its port is closed, what it served is forgotten. */
  kill(node: NodeId): void;
  /** Takes a node out of the registry: its sessions break off and nobody knows it any more. */
  remove(node: NodeId): void;
  /** Cuts the line between two nodes; open sessions break off. */
  cut(a: NodeId, b: NodeId): void;
  heal(a: NodeId, b: NodeId): void;
}

export interface MemoryNetworkOptions {
  /** Longest frame. Default 64 MiB. */
  frameBytes?: number;
  /** Stands between a node and the network on each of its ends; see `faultyChannel`. */
  wrap?: (channel: Channel, end: { self: NodeId; peer: NodeId; binding: SessionBinding; dialled: boolean }) => Channel;
}

interface Host {
  up: boolean;
  handlers: Map<string, (channel: Channel, binding: SessionBinding) => void>;
}

interface Link {
  nodes: [NodeId, NodeId];
  /** Peer, protocol and session as the dialled node sees them. */
  name: string;
  breakOff(reason: (peer: NodeId) => Error): void;
}

export function memoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  const { frameBytes = 64 * 1024 * 1024, wrap = (channel: Channel) => channel } = options;
  const hosts = new Map<NodeId, Host>();
  const links = new Set<Link>();
  const cuts = new Set<string>();

  const breakOff = (which: (link: Link) => boolean, reason = lost): void => {
    for (const link of [...links]) {
      if (!which(link)) continue;
      links.delete(link);
      link.breakOff(reason);
    }
  };
  const host = (node: NodeId): Host => {
    const found = hosts.get(node) ?? { up: true, handlers: new Map() };
    hosts.set(node, found);
    return found;
  };

  const dial = async (self: NodeId, peer: NodeId, binding: SessionBinding, signal?: AbortSignal): Promise<Channel> => {
    signal?.throwIfAborted();
    // A real dial takes a turn of the event loop; callers must not depend on less.
    await Promise.resolve();
    const target = hosts.get(peer);
    if (target === undefined) {
      throw new NodeError('P2P_UNKNOWN_NODE', `${peer} is not an active node of the registry`, { fault: 'caller' });
    }
    if (!hosts.get(self)?.up || !target.up || cuts.has(lineName(self, peer))) {
      throw new NodeError('P2P_UNREACHABLE', `${peer} cannot be reached`, { fault: 'peer', retryable: true });
    }
    const handler = target.handlers.get(binding.protocol);
    if (handler === undefined) {
      throw new NodeError('P2P_PROTOCOL', `${peer} does not serve ${binding.protocol}`, { fault: 'peer' });
    }
    const name = [self, peer, binding.protocol, binding.session].join(' ');
    breakOff((link) => link.name === name);
    const link: Link = { nodes: [self, peer], name, breakOff: () => {} };
    const [mine, theirs] = ends(self, peer, frameBytes, link, () => links.delete(link));
    links.add(link);
    const served = wrap(theirs, { self: peer, peer: self, binding, dialled: false });
    queueMicrotask(() => {
      try {
        handler(served, { ...binding });
      } catch {
        served.close();
      }
    });
    return wrap(mine, { self, peer, binding, dialled: true });
  };

  return {
    join(node) {
      host(node).up = true;
      return {
        self: node,
        dial: (peer, binding, dialOptions) => dial(node, peer, binding, dialOptions?.signal),
        serve(protocol, handler) {
          const { handlers } = host(node);
          if (handlers.has(protocol)) {
            throw new NodeError('P2P_PROTOCOL_TAKEN', `${protocol} is served already`, { fault: 'caller' });
          }
          handlers.set(protocol, handler);
          return () => {
            if (handlers.get(protocol) === handler) handlers.delete(protocol);
          };
        },
      };
    },
    kill(node) {
      hosts.set(node, { up: false, handlers: new Map() });
      breakOff((link) => link.nodes.includes(node));
    },
    remove(node) {
      hosts.delete(node);
      const gone = (peer: NodeId) =>
        peer === node
          ? new NodeError('P2P_IDENTITY', `${peer} is no longer registered`, { fault: 'peer' })
          : lost(peer);
      breakOff((link) => link.nodes.includes(node), gone);
    },
    cut(a, b) {
      cuts.add(lineName(a, b));
      breakOff((link) => lineName(...link.nodes) === lineName(a, b));
    },
    heal(a, b) {
      cuts.delete(lineName(a, b));
    },
  };
}

function ends(a: NodeId, b: NodeId, frameBytes: number, link: Link, onClose: () => void): [Channel, Channel] {
  const sides = ([b, a] as const).map((peer) => ({
    peer,
    inbox: new Inbox(),
    stats: emptyStats(),
    ended: undefined as Error | undefined,
  }));
  const end = (index: 0 | 1, reason: Error): void => {
    const side = sides[index] as (typeof sides)[number];
    side.ended ??= reason;
    side.inbox.close(reason);
  };
  link.breakOff = (reason) => {
    end(0, reason(b));
    end(1, reason(a));
  };
  const channel = (index: 0 | 1): Channel => {
    const mine = sides[index] as (typeof sides)[number];
    const other = index === 0 ? 1 : 0;
    const theirs = sides[other] as (typeof sides)[number];
    return {
      peer: mine.peer,
      stats: mine.stats,
      async send(frame) {
        if (mine.ended !== undefined) throw mine.ended;
        if (frame.length > frameBytes) {
          throw new NodeError('P2P_FRAME_TOO_LARGE', `a frame of ${frame.length} bytes exceeds ${frameBytes}`, {
            fault: 'caller',
          });
        }
        mine.stats.framesSent++;
        mine.stats.bytesSent += frame.length;
        theirs.inbox.push(frame.slice());
      },
      async receive(receiveOptions) {
        const frame = await mine.inbox.next(receiveOptions?.signal);
        mine.stats.framesReceived++;
        mine.stats.bytesReceived += frame.length;
        return frame;
      },
      close(reason) {
        if (mine.ended !== undefined) return;
        end(index, reason ?? channelClosed(mine.peer));
        end(other, channelClosed(theirs.peer));
        onClose();
      },
    };
  };
  return [channel(0), channel(1)];
}

function lost(peer: NodeId): Error {
  return new NodeError('P2P_CONNECTION_LOST', `the connection to ${peer} broke off`, {
    fault: 'peer',
    retryable: true,
  });
}

function lineName(a: NodeId, b: NodeId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
