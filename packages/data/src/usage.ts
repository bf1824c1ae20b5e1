/** What a plan takes from a holder's tables: the columns by name, and the nodes of one role. @module */
import type { Plan } from '@2pm/core';
import type { Lineage } from './lineage.ts';

export interface ColumnUse {
  column: string;
  /** First line of the program that uses it. */
  line: number;
}

/** Columns of a logical table that nodes of the role read, `rows/1` included, in order of first use. */
export function usedColumns(lineage: Lineage, role: string, table: string): ColumnUse[] {
  const uses = new Map<string, number>();
  for (const [index, node] of lineage.plan.nodes.entries()) {
    const { type } = node;
    if ((type.kind !== 'column' && type.kind !== 'local') || type.role !== role) continue;
    const names = node.op === 'column/1' ? [node.attrs.name ?? ''] : (node.attrs.columns ?? []);
    if (names.length === 0) continue;
    const { input } = lineage.base(lineage.table(index));
    if (lineage.node(input).attrs.table !== table) continue;
    for (const name of names) if (!uses.has(name)) uses.set(name, node.line);
  }
  return [...uses].map(([column, line]) => ({ column, line }));
}

/** Local nodes of the role that enter shares, ascending. */
export function sharedLocals(plan: Plan, role: string): number[] {
  const inputs = plan.nodes.flatMap((node) => (node.op === 'total/1' || node.op === 'stack/1' ? node.args : []));
  const mine = inputs.filter((index) => {
    const type = plan.nodes[index]?.type;
    return type?.kind === 'local' && type.role === role;
  });
  return [...new Set(mine)].sort((a, b) => a - b);
}
