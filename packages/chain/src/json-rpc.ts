/** JSON-RPC 2.0 over HTTP: one call, one answer, and errors that say whose fault they are. @module */
import { NodeError } from '@2pm/core';

/** The other end understood, and answered with an error. Worth another try unless `data` says why not. */
export class RpcError extends NodeError {
  readonly rpcCode: number;
  /** ABI-encoded error of a contract that reverted. */
  readonly data: string | undefined;

  constructor(method: string, error: { code?: unknown; message?: unknown; data?: unknown }) {
    super('CHAIN_RPC', `the chain answered ${method} with an error: ${String(error.message)}`, {
      fault: 'chain',
      retryable: true,
    });
    this.rpcCode = Number(error.code);
    this.data = revertData(error.data);
  }
}

/** @throws {NodeError} `CHAIN_UNREACHABLE` (retryable), `CHAIN_RPC` (an `RpcError`). */
export async function rpcCall(
  url: string,
  method: string,
  params: readonly unknown[] = [],
  options: { timeoutMs?: number } = {},
): Promise<unknown> {
  let answer: { result?: unknown; error?: { code?: unknown; message?: unknown; data?: unknown } };
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(options.timeoutMs ?? 10_000),
    });
    if (response.status === 429 || response.status >= 500) throw new Error(`HTTP status ${response.status}`);
    answer = (await response.json()) as typeof answer;
  } catch (cause) {
    throw new NodeError('CHAIN_UNREACHABLE', `the chain did not answer ${method}`, {
      fault: 'chain',
      retryable: true,
      fix: 'Check the RPC address in the config, and that the host of the chain is up.',
      cause,
    });
  }
  if (answer.error !== undefined && answer.error !== null) throw new RpcError(method, answer.error);
  return answer.result;
}

/** Servers put it in `data`, or in an object below it. */
function revertData(data: unknown): string | undefined {
  const found = typeof data === 'object' && data !== null && 'data' in data ? data.data : data;
  return typeof found === 'string' && /^0x[0-9a-fA-F]+$/.test(found) ? found : undefined;
}
