/**
 * What the thread of intersections and the node's own thread say to each other: one `Job` to begin a run, then messages over
 * its port. Frames of channels go through the node's thread, which holds the sockets.
 * @module
 */
import type { MessagePort } from 'node:worker_threads';
import { isNodeError, NodeError, type NodeId } from '@2pm/core';
import type { IntersectionRequest, MatchedPayloads } from '@2pm/psi';

export interface Job {
  request: Omit<IntersectionRequest, 'parties' | 'signal' | 'onProgress'>;
  /** Where to cut sets into files. */
  scratch: string | undefined;
  /** `peer`: of the others. */
  parties: { capacity: number; peer?: NodeId; identity?: string }[];
  port: MessagePort;
}

/** `party`: place among the parties. Calls are numbered from 1 in each run. */
export type FromThread =
  | { type: 'send'; call: number; party: number; frame: Uint8Array }
  | { type: 'receive'; call: number; party: number }
  | { type: 'progress'; buckets: number; of: number }
  | { type: 'done'; result: MatchedPayloads | undefined }
  | { type: 'failed'; error: WireError };

export type ToThread =
  | { type: 'sent'; call: number }
  | { type: 'received'; call: number; frame: Uint8Array }
  | { type: 'refused'; call: number; error: WireError };

/** An error between threads of one node: nothing is held back. Structured cloning keeps no properties of errors. */
export interface WireError {
  name: string;
  message: string;
  stack: string | undefined;
  /** Of a `NodeError`. */
  coded?: Pick<NodeError, 'code' | 'fault' | 'retryable' | 'fix' | 'privateDetail'>;
  cause?: WireError;
  /** The call that it came from: the thread of the node still has the error itself. */
  call?: number;
}

export function toWire(error: unknown, call?: number): WireError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  const { name, message, stack, cause } = error;
  const from = call ?? (error as { call?: number }).call;
  return {
    ...{ name, message, stack },
    ...(isNodeError(error) ? { coded: codedOf(error) } : {}),
    ...(cause === undefined ? {} : { cause: toWire(cause) }),
    ...(from === undefined ? {} : { call: from }),
  };
}

function codedOf({ code, fault, retryable, fix, privateDetail }: NodeError): NonNullable<WireError['coded']> {
  return { code, fault, retryable, fix, privateDetail };
}

export function fromWire({ name, message, stack, coded, cause, call }: WireError): Error {
  const options = cause === undefined ? {} : { cause: fromWire(cause) };
  const error =
    coded === undefined
      ? new Error(message, options)
      : new NodeError(coded.code, message, { ...given(coded), ...options });
  if (coded === undefined) Object.defineProperty(error, 'name', { value: name });
  if (stack !== undefined) error.stack = stack;
  if (call !== undefined) Object.defineProperty(error, 'call', { value: call });
  return error;
}

function given({ fault, retryable, fix, privateDetail }: NonNullable<WireError['coded']>) {
  return {
    ...{ fault, retryable },
    ...(fix === undefined ? {} : { fix }),
    ...(privateDetail === undefined ? {} : { privateDetail }),
  };
}
