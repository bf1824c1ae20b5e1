/** Columns of a table that a plan reads, and operations on its rows: that the dataset has them, and a policy lets them be. @module */
import type { ColumnType } from '@2pm/core';
import { type Contract, type Property, tableOf } from '../contract/contract.ts';
import { ruleReads } from '../keys/rules.ts';
import type { Lineage } from '../lineage.ts';
import { usedColumns } from '../usage.ts';
import type { JudgedTask } from './judged-task.ts';
import type { Reason } from './reason.ts';

const LOGICAL: Record<ColumnType['type'], readonly Property['logicalType'][]> = {
  int: ['integer'],
  fixed: ['number', 'integer'],
  bool: ['boolean'],
  date: ['date', 'timestamp'],
  category: ['string'],
};

export function schemaReasons(
  task: JudgedTask,
  lineage: Lineage,
  contract: Contract,
  table: string,
  roles: readonly string[],
): Reason[] {
  const properties = new Map(tableOf(contract).properties.map((property) => [property.name, property]));
  const declared = task.plan.tables[table]?.columns ?? {};
  return roles.flatMap((role) =>
    usedColumns(lineage, role, table).flatMap(({ column, line, rule }): Reason[] => {
      const [type, property] = [declared[column], properties.get(column)];
      if (rule !== undefined && property !== undefined) {
        if (ruleReads(rule, property.logicalType)) return [];
        const message = `column "${column}" of "${table}" is ${property.logicalType}, which ${rule} cannot read`;
        return [{ code: 'POLICY_COLUMN_TYPE', message, line, fix: 'match by another column, or by another rule' }];
      }
      if (type === undefined || property === undefined) {
        const message = `dataset "${table}" has no column "${column}"`;
        return [{ code: 'POLICY_UNKNOWN_COLUMN', message, line, fix: 'use the columns that the holder publishes' }];
      }
      if (LOGICAL[type.type].includes(property.logicalType)) return [];
      const message = `column "${column}" of "${table}" is ${property.logicalType}, not ${type.type}`;
      return [{ code: 'POLICY_COLUMN_TYPE', message, line, fix: 'declare the column as the holder publishes it' }];
    }),
  );
}

export function columnReasons(
  lineage: Lineage,
  roles: readonly string[],
  table: string,
  allowed: (column: string) => boolean,
  verb: 'prohibits' | 'does not permit',
): Reason[] {
  const uses = roles.flatMap((role) => usedColumns(lineage, role, table)).filter(({ column }) => !allowed(column));
  return uses.map(({ column, line }) => ({
    code: verb === 'prohibits' ? 'POLICY_COLUMN_PROHIBITED' : 'POLICY_COLUMN',
    message: `the policy ${verb} column "${column}" of "${table}"`,
    line,
    fix: 'leave the column out of the program, or ask the holder to change its policy',
  }));
}

/** Operations on the table's rows, and on what is computed from them in secret. */
export function operationReasons(
  lineage: Lineage,
  roles: readonly string[],
  table: string,
  allowed: (op: string) => boolean,
  verb: 'prohibits' | 'does not permit',
): Reason[] {
  const own = new Set<number>();
  const reasons: Reason[] = [];
  const named = new Set<string>();
  for (const [index, node] of lineage.plan.nodes.entries()) {
    const { type } = node;
    const local = ['table', 'column', 'local', 'keyed'].includes(type.kind) && 'role' in type;
    const mine = local
      ? roles.includes(type.role) && lineage.node(lineage.base(lineage.table(index)).input).attrs.table === table
      : ['shared', 'joined', 'held'].includes(type.kind) && node.args.some((arg) => own.has(arg));
    if (!mine) continue;
    own.add(index);
    if (allowed(node.op) || named.has(node.op)) continue;
    named.add(node.op);
    reasons.push({
      code: verb === 'prohibits' ? 'POLICY_OPERATION_PROHIBITED' : 'POLICY_OPERATION',
      message: `the policy ${verb} ${node.op} on "${table}"`,
      line: node.line,
      fix: 'write the program without it, or ask the holder to change its policy',
    });
  }
  return reasons;
}
