/** What a back-end cannot compute, said before the run. @module */
import { NodeError, type Plan } from '@2pm/core';
import type { Circuit, GateOperation } from './circuit.ts';

/** @throws {NodeError} `MPC_UNSUPPORTED`, with the line where the plan asks for it. */
export function refuseGates(
  { gates }: Circuit,
  { nodes }: Plan,
  backend: string,
  has: (op: GateOperation) => boolean,
  fix: string,
): void {
  const missing = new Set(gates.map(({ op }) => op).filter((op) => !has(op)));
  const [first] = missing;
  if (first === undefined) return;
  const node = nodes.find(({ op }) => [...missing].some((gate) => op.startsWith(`${gate}/`)));
  const where = node === undefined ? '' : `line ${node.line}: `;
  const what = node?.op.split('/')[0] ?? first;
  throw new NodeError('MPC_UNSUPPORTED', `${where}${backend} has no operation ${what}`, { fault: 'caller', fix });
}
