/**
 * Requests and answers between coordinator and members, over one long-lived control session for each direction of each
 * pair. A lost session is dialled again at the next call; a request that was lost with it is the caller's to repeat, so
 * every handler is idempotent.
 * @module
 */
import {
  type Backbone,
  type Channel,
  type Clock,
  decode,
  encode,
  NodeError,
  type NodeId,
  parse,
  publicError,
  type Rng,
  toHex,
} from '@2pm/core';
import { z } from 'zod';
import { within } from './deadline.ts';
import { CONTROL_PROTOCOL, ControlAnswer, type ControlAnswers, ControlRequest, WireError } from './messages.ts';

const RequestFrame = z.strictObject({ id: z.number().int().nonnegative(), request: ControlRequest });
const AnswerFrame = z.strictObject({
  id: z.number().int().nonnegative(),
  answer: z.unknown().optional(),
  error: WireError.optional(),
});

const CALL_MS = 20_000;
/** Requests of one peer that may wait for their answer at the same time. */
const MAX_PENDING = 64;

export type ControlHandler = (peer: NodeId, request: ControlRequest) => Promise<unknown>;

export class ControlPlane {
  readonly #backbone: Backbone;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #sessions = new Map<NodeId, Promise<Session>>();
  readonly #served = new Set<Channel>();
  readonly #stopServing: () => void;

  constructor(options: { backbone: Backbone; clock: Clock; rng: Rng; handler: ControlHandler }) {
    this.#backbone = options.backbone;
    this.#clock = options.clock;
    this.#rng = options.rng;
    this.#stopServing = options.backbone.serve(CONTROL_PROTOCOL, (channel) => {
      this.#served.add(channel);
      void answerRequests(channel, options.handler).finally(() => this.#served.delete(channel));
    });
  }

  /** @throws {NodeError} what the peer answered, `TASK_TIMEOUT`, or a retryable `P2P_*`. */
  async call<R extends ControlRequest>(
    peer: NodeId,
    request: R,
    options: { signal: AbortSignal; timeoutMs?: number },
  ): Promise<ControlAnswers[R['kind']]> {
    return within(
      this.#clock,
      options.timeoutMs ?? CALL_MS,
      `${request.kind} to ${peer}`,
      [options.signal],
      async (signal) => {
        const session = await this.#session(peer, signal);
        const answer = await session.ask(request, signal);
        const schema: z.ZodType = ControlAnswer[request.kind];
        return parse(answer, schema as z.ZodType<ControlAnswers[R['kind']]>, `answer to ${request.kind}`);
      },
    );
  }

  stop(): void {
    this.#stopServing();
    for (const channel of this.#served) channel.close();
    for (const session of this.#sessions.values()) {
      session.then(
        (open) => open.close(),
        () => undefined,
      );
    }
  }

  #session(peer: NodeId, signal: AbortSignal): Promise<Session> {
    const known = this.#sessions.get(peer);
    if (known !== undefined) return known;
    const session = toHex(this.#rng.fill(new Uint8Array(16)));
    const opening = this.#backbone
      .dial(peer, { protocol: CONTROL_PROTOCOL, session }, { signal })
      .then((channel) => new Session(channel, () => this.#sessions.delete(peer)));
    this.#sessions.set(peer, opening);
    opening.catch(() => this.#sessions.delete(peer));
    return opening;
  }
}

/** The asking end of a control channel. */
class Session {
  readonly #channel: Channel;
  readonly #pending = new Map<number, { resolve: (answer: unknown) => void; reject: (error: unknown) => void }>();
  #nextId = 0;

  constructor(channel: Channel, onClosed: () => void) {
    this.#channel = channel;
    void this.#readAnswers().finally(onClosed);
  }

  ask(request: ControlRequest, signal: AbortSignal): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#pending.delete(id);
        reject(signal.reason);
      };
      const settled =
        <T>(done: (value: T) => void) =>
        (value: T) => {
          signal.removeEventListener('abort', onAbort);
          done(value);
        };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#channel.send(encode({ id, request: stripUndefined(request) })).catch((error) => {
        this.#pending.delete(id);
        settled(reject)(error);
      });
    });
  }

  close(): void {
    this.#channel.close();
  }

  async #readAnswers(): Promise<void> {
    try {
      for (;;) {
        const { id, answer, error } = decode(await this.#channel.receive(), AnswerFrame, 'control answer');
        const waiting = this.#pending.get(id);
        this.#pending.delete(id);
        if (error === undefined) waiting?.resolve(answer);
        else waiting?.reject(remoteError(error));
      }
    } catch (error) {
      this.#channel.close();
      for (const waiting of this.#pending.values()) waiting.reject(error);
      this.#pending.clear();
    }
  }
}

async function answerRequests(channel: Channel, handler: ControlHandler): Promise<void> {
  let pending = 0;
  try {
    for (;;) {
      const { id, request } = decode(await channel.receive(), RequestFrame, 'control request');
      if (pending >= MAX_PENDING)
        throw new NodeError('TASK_TOO_MANY_REQUESTS', 'too many requests at once', { fault: 'peer' });
      pending++;
      handler(channel.peer, request)
        .then(
          (answer) => channel.send(encode({ id, answer })),
          (error) => channel.send(encode({ id, error: wireError(error) })),
        )
        .catch(() => channel.close())
        .finally(() => pending--);
    }
  } catch (error) {
    channel.close(error instanceof Error ? error : undefined);
  }
}

export function wireError(error: unknown): WireError {
  const { code, message, fault, retryable, fix } = publicError(error);
  return {
    code: code.slice(0, 64),
    message: message.slice(0, 1_000),
    fault,
    retryable,
    ...(fix === undefined ? {} : { fix: fix.slice(0, 1_000) }),
  };
}

/** A peer's error, thrown again on this side. */
export function remoteError(error: WireError): NodeError {
  return new NodeError(error.code, error.message, {
    fault: error.fault,
    retryable: error.retryable,
    ...(error.fix === undefined ? {} : { fix: error.fix }),
  });
}

/** CBOR has no place for undefined in our canonical form. */
function stripUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
