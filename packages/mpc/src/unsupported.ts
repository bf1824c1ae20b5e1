/** What a back-end cannot compute, said before the run. @module */
import { NodeError, type Operation, type Plan } from '@2pm/core';
import type { Circuit, GateOperation } from './circuit.ts';

/** Operations of a plan that come down to a gate which not all back-ends have. */
const MAKERS: Partial<Record<GateOperation, readonly Operation[]>> = {
  join: ['join/1'],
};

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
  const makers = [...missing].flatMap((op) => MAKERS[op] ?? []);
  const node = nodes.find(({ op }) => makers.includes(op) || [...missing].some((gate) => op.startsWith(`${gate}/`)));
  const where = node === undefined ? '' : `line ${node.line}: `;
  const what = node?.op.split('/')[0] ?? first;
  throw new NodeError('MPC_UNSUPPORTED', `${where}${backend} has no operation ${what}`, { fault: 'caller', fix });
}
