/** Where rows of a table enter a plan's shared part. @module */
import { SHARING_OPERATIONS, slice } from '@2pm/core';
import type { Lineage } from '../lineage.ts';

/** Where the table enters what a reveal opens: shared aggregates and joins. */
export function inputsOf(lineage: Lineage, reveal: number, roles: readonly string[], table: string): number[] {
  return slice(lineage.plan, [reveal]).filter((index) => {
    const { op, args } = lineage.node(index);
    if (op === 'join/1') return args.some((arg) => isKeyed(lineage, arg, roles, table));
    if (!SHARING_OPERATIONS.includes(op)) return false;
    const local = lineage.node(args[0] as number);
    if (local.type.kind !== 'local' || !roles.includes(local.type.role)) return false;
    return lineage.node(lineage.base(lineage.table(args[0] as number)).input).attrs.table === table;
  });
}

export function isKeyed(lineage: Lineage, node: number, roles: readonly string[], table: string): boolean {
  const { type } = lineage.node(node);
  if (type.kind !== 'keyed' || !roles.includes(type.role)) return false;
  return lineage.node(lineage.base(lineage.table(node)).input).attrs.table === table;
}
