/**
 * Liars for tests of the task layer: a channel whose owner says other things than it means, and a puppet that speaks for a
 * node whatever it likes.
 * @module
 */
import {
  type Backbone,
  type Channel,
  decode,
  encode,
  type Hash,
  type NodeId,
  type SignedConsent,
  type SignedSpec,
} from '@2pm/core';
import { z } from 'zod';

/** A control message of any shape, with what the liars lie about. */
export interface Message {
  kind?: string;
  attempt?: number;
  consents?: SignedConsent[];
  signed?: SignedSpec | SignedConsent;
  leaves?: { seat: NodeId; recipient: string; commitment: Hash; sealedHash: Hash }[];
  [more: string]: unknown;
}

const Frame = z.object({
  id: z.number(),
  request: z.record(z.string(), z.unknown()).optional(),
  answer: z.unknown().optional(),
  error: z.unknown().optional(),
});

export interface Lies {
  /** In place of a request that the liar sends. */
  request?: (request: Message) => Message;
  /** In place of an answer that the liar gives; `error` is a public error. */
  answer?: (
    request: Message,
    answer: Message,
  ) => { answer: Message } | { error: Message } | Promise<{ answer: Message }>;
  /** In place of a request that the liar gets, so that its honest part does not notice. */
  heard?: (request: Message) => Message;
}

/** The liar's end of a control channel. */
export function lyingChannel(channel: Channel, lies: Lies): Channel {
  const heard = new Map<number, Message>();
  return {
    peer: channel.peer,
    get stats() {
      return channel.stats;
    },
    async send(bytes) {
      const frame = decode(bytes, Frame, 'frame');
      const asked = heard.get(frame.id);
      if (frame.request !== undefined && lies.request !== undefined) {
        return channel.send(encode({ ...frame, request: lies.request(frame.request) }));
      }
      if (
        frame.request === undefined &&
        frame.error === undefined &&
        asked !== undefined &&
        lies.answer !== undefined
      ) {
        return channel.send(encode({ id: frame.id, ...(await lies.answer(asked, frame.answer as Message)) }));
      }
      return channel.send(bytes);
    },
    async receive(options) {
      const bytes = await channel.receive(options);
      const frame = decode(bytes, Frame, 'frame');
      if (frame.request === undefined) return bytes;
      heard.set(frame.id, frame.request);
      return lies.heard === undefined ? bytes : encode({ ...frame, request: lies.heard(frame.request) });
    },
    close: (reason) => channel.close(reason),
  };
}

/** One request on a session of its own, in the name of the backbone's node. Throws the error that the peer answers. */
export async function say(backbone: Backbone, peer: NodeId, protocol: string, request: Message): Promise<Message> {
  const channel = await backbone.dial(peer, { protocol, session: `puppet ${puppets++}` });
  try {
    await channel.send(encode({ id: 0, request }));
    const { answer, error } = decode(await channel.receive(), Frame, 'answer');
    if (error !== undefined) throw Object.assign(new Error('the peer refuses'), error);
    return answer as Message;
  } finally {
    channel.close();
  }
}
let puppets = 0;
