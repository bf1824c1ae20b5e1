/**
 * One error class for the whole product. A code for machines, a fault for blame, a fix for people; never a data value,
 * because errors cross trust boundaries: detail that names rows or values goes into `privateDetail`, which stays on the
 * node that threw it (see `publicError`).
 * @module
 */

/** Who must act before a retry can work. */
export type Fault = 'caller' | 'peer' | 'chain' | 'data' | 'policy' | 'node';

export interface NodeErrorOptions {
  fault: Fault;
  /** True where the same call may succeed later without anyone changing anything. */
  retryable?: boolean;
  /** What the reader can do about it, as one imperative sentence. */
  fix?: string;
  /** Detail for the holder's own eyes (row numbers, values, paths). Never sent to a peer. */
  privateDetail?: string;
  cause?: unknown;
}

export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code: string;
  readonly fault: Fault;
  readonly retryable: boolean;
  readonly fix: string | undefined;
  readonly privateDetail: string | undefined;

  constructor(code: string, message: string, options: NodeErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fault = options.fault;
    this.retryable = options.retryable ?? false;
    this.fix = options.fix;
    this.privateDetail = options.privateDetail;
  }
}

/** By shape and not by `instanceof`, so that it holds across copies of this package. */
export function isNodeError(error: unknown, code?: string): error is NodeError {
  return (
    error instanceof Error &&
    'code' in error &&
    'fault' in error &&
    typeof error.code === 'string' &&
    (code === undefined || error.code === code)
  );
}

/** The part of an error that may leave this node. */
export interface PublicError {
  code: string;
  message: string;
  fault: Fault;
  retryable: boolean;
  fix?: string;
}

export function publicError(error: unknown): PublicError {
  if (!isNodeError(error)) {
    // A message we did not write may quote a row or a path.
    return { code: 'NODE_INTERNAL', message: 'internal error', fault: 'node', retryable: false };
  }
  const { code, message, fault, retryable, fix } = error;
  return { code, message, fault, retryable, ...(fix === undefined ? {} : { fix }) };
}

/** An invariant of our own code. Stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new NodeError('NODE_ASSERTION', `broken invariant: ${message}`, { fault: 'node' });
}
