/** The Ledger contract as the driver speaks to it: calls out, events, entries and refusals in. @module */
import type { ChainCommand, Hash, Hex, LedgerTask, NodeId, RegisteredNode, TaskId } from '@2pm/core';
import { contractCall, LEDGER_ABI, ledgerEvent, NODE_STATUSES, refusalOfContract, TASK_STATUSES } from '@2pm/ledger';
import type { Abi } from 'viem';
import { decodeErrorResult, decodeEventLog, decodeFunctionResult, encodeFunctionData } from 'viem/utils';
import type { Block, LocatedEvent } from '../event-stream.ts';
import { RpcError, rpcCall } from '../json-rpc.ts';

/** By the names that `contractCall` gives, which only a test can hold against the ABI. */
const ABI: Abi = LEDGER_ABI;

export interface RpcLog {
  address: string;
  topics: [Hex, ...Hex[]];
  data: Hex;
  blockNumber: Hex;
  blockHash: Hex;
  logIndex: Hex;
  transactionHash: Hex;
  /** Newer servers send it. */
  blockTimestamp?: Hex;
  removed?: boolean;
}

export function encodeCommand(command: ChainCommand): Hex {
  const { functionName, args } = contractCall(command);
  return encodeFunctionData({ abi: ABI, functionName, args });
}

export function decodeLog(log: RpcLog, block: Block): LocatedEvent {
  const { eventName, args } = decodeEventLog({ abi: ABI, data: log.data, topics: log.topics });
  const event = ledgerEvent(eventName ?? '', args as unknown as Readonly<Record<string, unknown>>);
  return { block, index: Number(log.logIndex), tx: log.transactionHash, event };
}

/** The refusal behind a failed call or estimate, or the error itself. */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof RpcError) || error.data === undefined) return error;
  try {
    const { errorName, args } = decodeErrorResult({ abi: ABI, data: error.data as Hex });
    const who = args?.[0];
    return refusalOfContract(errorName, typeof who === 'string' ? who.toLowerCase() : undefined) ?? error;
  } catch {
    return error;
  }
}

/** @throws {NodeError} as `rpcCall`. */
export async function readNode(
  url: string,
  contract: Hex,
  id: NodeId,
): Promise<(RegisteredNode & { taskCount: number }) | null> {
  const [controller, status, seq, recordHash, taskCount] = await view(url, contract, 'nodeOf', id);
  const known = NODE_STATUSES[Number(status)];
  if (known === undefined) return null;
  return {
    node: id,
    controller: String(controller).toLowerCase() as NodeId,
    status: known,
    seq: Number(seq),
    recordHash: String(recordHash) as Hash,
    taskCount: Number(taskCount),
  };
}

/** @throws {NodeError} as `rpcCall`. */
export async function readTask(url: string, contract: Hex, id: TaskId): Promise<LedgerTask | null> {
  const [coordinator, status, joinBy, settleBy, quorum, ...hashes] = await view(url, contract, 'taskOf', id);
  const known = TASK_STATUSES[Number(status)];
  if (known === undefined) return null;
  const [specHash, rosterHash, resultRoot, transcriptRoot] = hashes as [Hash, Hash, Hash, Hash];
  return {
    taskId: id,
    coordinator: String(coordinator).toLowerCase() as NodeId,
    status: known,
    specHash,
    joinBy: Number(joinBy),
    settleBy: Number(settleBy),
    quorum: Number(quorum),
    rosterHash,
    resultRoot,
    transcriptRoot,
  };
}

async function view(url: string, contract: Hex, functionName: string, argument: string): Promise<readonly unknown[]> {
  const call = encodeFunctionData({ abi: ABI, functionName, args: [argument] });
  const data = (await rpcCall(url, 'eth_call', [{ to: contract, data: call }, 'latest'])) as Hex;
  return decodeFunctionResult({ abi: ABI, functionName, data }) as readonly unknown[];
}
