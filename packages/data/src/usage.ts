/** What a plan takes from a holder's tables: the columns by name, and the nodes of one role. @module */
import { type KeyRule, nodesOf, type Plan, SHARING_OPERATIONS } from '@2pm/core';
import type { Lineage } from './lineage.ts';

export interface ColumnUse {
  column: string;
  /** First line of the program that uses it. */
  line: number;
  /** Where rows are matched by the column; such a column need not be among those that the plan declares. */
  rule?: KeyRule;
}

/** Columns of a logical table that nodes of the role read, `rows/1` and keys included, in order of first use. */
export function usedColumns(lineage: Lineage, role: string, table: string): ColumnUse[] {
  const uses = new Map<string, ColumnUse>();
  for (const [index, node] of lineage.plan.nodes.entries()) {
    const { type, line } = node;
    if ((type.kind !== 'column' && type.kind !== 'local' && type.kind !== 'keyed') || type.role !== role) continue;
    const names = node.op === 'column/1' ? [node.attrs.name ?? ''] : (node.attrs.columns ?? []);
    const fields =
      node.op === 'keyed/1' ? (lineage.plan.tables[table]?.keys?.[node.attrs.key ?? '']?.flat() ?? []) : [];
    if (names.length === 0 && fields.length === 0) continue;
    const { input } = lineage.base(lineage.table(index));
    if (lineage.node(input).attrs.table !== table) continue;
    const found = [
      ...names.map((column): ColumnUse => ({ column, line })),
      ...fields.map(({ column, rule }): ColumnUse => ({ column, line, rule })),
    ];
    for (const use of found) {
      const key = `${use.column} ${use.rule ?? ''}`;
      if (!uses.has(key)) uses.set(key, use);
    }
  }
  return [...uses.values()];
}

/** The `keyed/1` nodes of a role, ascending. */
export function keyedNodes(plan: Plan, role: string): number[] {
  return nodesOf(plan, 'keyed/1').filter((index) => {
    const type = plan.nodes[index]?.type;
    return type?.kind === 'keyed' && type.role === role;
  });
}

/** Local nodes of the role that enter shares, ascending. */
export function sharedLocals(plan: Plan, role: string): number[] {
  const inputs = nodesOf(plan, ...SHARING_OPERATIONS).flatMap((index) => plan.nodes[index]?.args ?? []);
  const mine = inputs.filter((index) => {
    const type = plan.nodes[index]?.type;
    return type?.kind === 'local' && type.role === role;
  });
  return [...new Set(mine)].sort((a, b) => a - b);
}
