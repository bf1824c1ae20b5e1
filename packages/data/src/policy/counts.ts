/** Counts of rows as a plan writes them, by name: what may withhold a reveal. @module */
import type { PlanNode } from '@2pm/core';
import type { Lineage } from '../lineage.ts';

/** Name of the count that a support is. */
export function countName(lineage: Lineage, support: number): { name: string; scalar: boolean } | undefined {
  const node = lineage.node(support);
  const local = node.args[0];
  if ((node.op !== 'total/1' && node.op !== 'stack/1') || local === undefined) return undefined;
  const count = lineage.node(local);
  const [of] = count.args;
  if (count.type.kind !== 'local' || of === undefined) return undefined;
  switch (count.op) {
    case 'count/1': {
      const kind = lineage.node(of).type.kind === 'table' ? 'rows' : 'values';
      return { name: `${node.op} ${kind} ${lineage.key(of)}`, scalar: true };
    }
    case 'histogram/1':
    case 'count-by/1':
      return { name: `${node.op} slots ${lineage.key(local)}`, scalar: false };
    default:
      return undefined;
  }
}

/**
 * Names of the matches that a support counts: those of its join node, and of all from which it keeps some, for they are
 * no fewer. undefined where it counts something else, or chooses by what is no column of the join.
 */
export function matchesCounted(lineage: Lineage, support: number, roles: readonly string[]): string[] | undefined {
  const node = lineage.node(support);
  const counted = node.op === 'sum/1' ? lineage.node(node.args[0] as number) : undefined;
  if (counted?.op !== 'matched/1') return undefined;
  const { chain, conditions } = lineage.join(counted.args[0] as number);
  if (conditions.some((condition) => touches(lineage, condition, roles, ['local']))) return undefined;
  return chain.map((joined) => `matches ${lineage.key(joined)}`);
}

/** The same for all that shows the same groups in the same slots. */
export function groupsName(lineage: Lineage, { args, attrs }: PlanNode): string {
  const [rows = -1, by = -1] = args;
  return `groups ${lineage.key(rows)} ${lineage.key(by)} ${attrs.length}`;
}

/** Name of the groups that a support counts; undefined where rows are chosen or grouped by what is no column of theirs. */
export function groupsCounted(
  lineage: Lineage,
  support: number,
  roles: readonly string[],
): { name: string; scalar: boolean } | undefined {
  const node = lineage.node(support);
  if (node.op !== 'group-count/1') return undefined;
  const [rows = -1, by = -1] = node.args;
  const { conditions } = lineage.join(rows);
  if ([by, ...conditions].some((one) => touches(lineage, one, roles, ['local']))) return undefined;
  return { name: groupsName(lineage, node), scalar: false };
}

export function touchesJoin(lineage: Lineage, join: number, roles: readonly string[]): boolean {
  const { type } = lineage.node(join);
  return type.kind === 'joined' && type.roles.some((role) => roles.includes(role));
}

export function touches(
  lineage: Lineage,
  root: number,
  roles: readonly string[],
  kinds: readonly string[] = ['local', 'keyed'],
): boolean {
  const seen = new Set<number>();
  const stack = [root];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    if (seen.has(index)) continue;
    seen.add(index);
    const node = lineage.node(index);
    const { type } = node;
    if (kinds.includes(type.kind) && 'role' in type && roles.includes(type.role)) return true;
    // Rows are no aggregate of a holder's, though they enter as a local value does.
    if (node.op !== 'union/1' || kinds.includes('keyed')) stack.push(...node.args);
  }
  return false;
}
