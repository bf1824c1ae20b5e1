/** Where rows of a table are matched with those of others: who learns of it, and how many keys they may try. @module */
import { deliveredColumns, nodesOf } from '@2pm/core';
import type { Lineage } from '../lineage.ts';
import { isKeyed } from './inputs.ts';
import type { JudgedTask } from './judged-task.ts';
import type { Permit } from './policy.ts';
import type { Reason } from './reason.ts';

/** Where rows of the table are matched with those of others. */
export function matchReasons(
  task: JudgedTask,
  lineage: Lineage,
  table: string,
  roles: readonly string[],
  permit: Permit,
): Reason[] {
  const { plan } = task;
  return nodesOf(plan, 'join/1', 'intersect/1').flatMap((index): Reason[] => {
    const { op, args, attrs, line } = lineage.node(index);
    if (!args.some((arg) => isKeyed(lineage, arg, roles, table))) return [];
    const reasons: Reason[] = [];
    if (op === 'intersect/1' && !roles.includes(attrs.to ?? '') && !permit.reveals.includes('intersection')) {
      const which =
        attrs.atLeast === undefined ? `which rows of "${table}" it also has` : `of its rows, by "${table}" too`;
      const message = `"${attrs.name}" tells ${attrs.to} ${which}, which the policy does not permit`;
      reasons.push({ code: 'POLICY_REVEAL', message, line, fix: 'use join() and reveal totals, or ask the holder' });
    }
    const delivered = deliveredColumns(plan, index);
    if (delivered !== undefined && !roles.includes(attrs.to ?? '') && !permit.reveals.includes('rows')) {
      const names = delivered.columns.map(({ name }) => name).join(', ');
      const message = `"${attrs.name}" gives ${attrs.to} ${names} of single rows of "${table}", which the policy does not permit`;
      reasons.push({
        code: 'POLICY_REVEAL',
        message,
        line,
        fix: 'leave deliver away, or ask the holder to permit rows',
      });
    }
    const { maxKeys } = permit.limits;
    for (const arg of args) {
      const { type } = lineage.node(arg);
      if (maxKeys === undefined || type.kind !== 'keyed' || roles.includes(type.role) || type.length <= maxKeys)
        continue;
      const message = `${type.role} may bring ${type.length} keys to match with "${table}", the policy permits ${maxKeys}`;
      reasons.push({ code: 'POLICY_MAX_KEYS', message, line, fix: `give by() a capacity of ${maxKeys} or less` });
    }
    return reasons;
  });
}
