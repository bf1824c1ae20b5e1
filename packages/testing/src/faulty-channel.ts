/** A channel that does wrong on purpose, at chosen frames: what a broken network or a cheating party would do. @module */
import { type Channel, type Clock, NodeError } from '@2pm/core';

export type ChannelFault =
  /** The frame never arrives. */
  | { kind: 'drop' }
  /** The frame, and all after it, arrive later. */
  | { kind: 'delay'; ms: number }
  /** The connection breaks off in place of this frame. */
  | { kind: 'close' }
  /** One bit is inverted, counted from the frame's first byte, least significant first; modulo the frame's length. */
  | { kind: 'flip'; bit: number }
  /** Only the first `bytes` arrive. */
  | { kind: 'truncate'; bytes: number }
  /** The frame arrives twice. */
  | { kind: 'duplicate' }
  /** The frame arrives after the one that follows it. Without a follower it never arrives. */
  | { kind: 'reorder' }
  /** `bytes` zero bytes are appended. */
  | { kind: 'oversize'; bytes: number }
  /** Other bytes arrive in its place. */
  | { kind: 'replace'; with: (frame: Uint8Array) => Uint8Array };

/** Which fault strikes the frame with this number (from 0, in sending order), if any. */
export type FaultPlan = (frame: number) => ChannelFault | undefined;

/** The one fault at the one frame. */
export function faultAt(frame: number, fault: ChannelFault): FaultPlan {
  return (index) => (index === frame ? fault : undefined);
}

/**
 * Wraps one end: faults strike what it sends. `stats` stay those of the channel below. Only `delay` needs the clock.
 */
export function faultyChannel(channel: Channel, plan: FaultPlan, options: { clock?: Clock } = {}): Channel {
  let index = 0;
  let heldBack: Uint8Array | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const send = async (frame: Uint8Array, fault: ChannelFault | undefined): Promise<void> => {
    switch (fault?.kind) {
      case 'drop':
        return;
      case 'close': {
        const reason = new NodeError('P2P_CONNECTION_LOST', 'the connection broke off', {
          fault: 'peer',
          retryable: true,
        });
        channel.close(reason);
        throw reason;
      }
      case 'reorder':
        // Two in a row: the first of them has waited long enough.
        if (heldBack !== undefined) await channel.send(heldBack);
        heldBack = frame.slice();
        return;
      case 'delay':
        if (options.clock === undefined) throw new TypeError('a delay needs a clock');
        await options.clock.sleep(fault.ms);
    }
    for (const changed of apply(frame, fault)) await channel.send(changed);
    const late = heldBack;
    heldBack = undefined;
    if (late !== undefined) await channel.send(late);
  };

  return {
    peer: channel.peer,
    stats: channel.stats,
    send(frame) {
      const fault = plan(index++);
      const sent = turn.then(() => send(frame, fault));
      turn = sent.catch(() => {});
      return sent;
    },
    receive: (receiveOptions) => channel.receive(receiveOptions),
    close: (reason) => channel.close(reason),
  };
}

function apply(frame: Uint8Array, fault: ChannelFault | undefined): Uint8Array[] {
  switch (fault?.kind) {
    case 'flip': {
      const flipped = frame.slice();
      const bit = flipped.length === 0 ? 0 : fault.bit % (flipped.length * 8);
      if (flipped.length > 0) flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      return [flipped];
    }
    case 'truncate':
      return [frame.subarray(0, fault.bytes)];
    case 'duplicate':
      return [frame, frame];
    case 'oversize': {
      const longer = new Uint8Array(frame.length + fault.bytes);
      longer.set(frame);
      return [longer];
    }
    case 'replace':
      return [fault.with(frame.slice())];
    default:
      return [frame];
  }
}
