/** JSON-RPC 2.0 over HTTP, as much as a supervisor needs to command its own anvil. @module */
import { NodeError } from '@2pm/core';

/** @throws {NodeError} `CHAIN_UNREACHABLE` (retryable), `CHAIN_RPC` when the other end answers with an error. */
export async function rpcCall(
  url: string,
  method: string,
  params: readonly unknown[] = [],
  options: { timeoutMs?: number } = {},
): Promise<unknown> {
  let answer: { result?: unknown; error?: { message?: string } };
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(options.timeoutMs ?? 10_000),
    });
    answer = (await response.json()) as typeof answer;
  } catch (cause) {
    throw new NodeError('CHAIN_UNREACHABLE', `the chain did not answer ${method}`, {
      fault: 'chain',
      retryable: true,
      cause,
    });
  }
  if (answer.error !== undefined) {
    throw new NodeError('CHAIN_RPC', `the chain refused ${method}: ${answer.error.message ?? 'no reason given'}`, {
      fault: 'chain',
    });
  }
  return answer.result;
}
