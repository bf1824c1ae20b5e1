/** What a plan opens of a table, and whether it rests on enough rows. @module */
import { circuitMatch, nodesOf } from '@2pm/core';
import type { Lineage } from '../lineage.ts';
import { distinguishable, groupsShown, type Shown } from './differences.ts';
import { inputsOf } from './inputs.ts';
import type { Permit } from './policy.ts';
import { privateReasons } from './private.ts';
import { GROUPED, rowsForOne, unprotected } from './protection.ts';
import type { Reason } from './reason.ts';

export function revealReasons(
  lineage: Lineage,
  table: string,
  roles: readonly string[],
  permit: Permit,
  minGroupSize: number,
): Reason[] {
  const { plan } = lineage;
  const shown: Shown[] = [];
  const reasons = nodesOf(plan, 'reveal/1').flatMap((reveal): Reason[] => {
    const node = lineage.node(reveal);
    const inputs = inputsOf(lineage, reveal, roles, table);
    if (inputs.length === 0) return [];
    const name = node.attrs.name ?? '';
    if (lineage.node(node.args[0] as number).op === 'noise/1') {
      return privateReasons(lineage, reveal, roles, table, permit);
    }
    const slots = opensSlots(lineage, reveal);
    if (slots !== undefined && circuitMatch(plan, slots) !== undefined && !permit.reveals.includes('intersection')) {
      const message = `"${name}" opens slots of a match in a circuit, whose places tell holders whose rows of "${table}" match`;
      return [{ code: 'POLICY_REVEAL', message, line: node.line, fix: 'reveal totals, or ask the holder' }];
    }
    const single =
      slots !== undefined ||
      inputs.some((index) => {
        const { op, args } = lineage.node(index);
        return op !== 'union/1' && lineage.node(args[0] as number).op === 'rows/1';
      });
    const stacked = inputs.some((index) => lineage.node(index).op === 'stack/1');
    const kind = single ? 'rows' : stacked ? 'per-holder' : 'aggregate';
    if (!permit.reveals.includes(kind)) {
      return [
        {
          code: 'POLICY_REVEAL',
          message: `"${name}" reveals ${WORDS[kind]} of "${table}", which the policy does not permit`,
          line: node.line,
          fix: kind === 'aggregate' ? 'ask the holder to permit it' : 'reveal totals over all holders instead',
        },
      ];
    }
    // Whoever may learn the rows may learn what rests on few of them.
    if (kind === 'rows') return [];
    shown.push(groupsShown(lineage, reveal, roles, (index) => inputs.includes(index)));
    // The line is that of the reveal: what it opens may stand elsewhere too, protected.
    return unprotected(lineage, reveal, roles, minGroupSize).map(({ reason, what }) => ({
      code: reason === 'unprotected' ? 'POLICY_GROUP_SIZE' : 'POLICY_SUPPORT',
      message:
        reason === 'unprotected'
          ? `"${name}" could reveal a ${what} over fewer than ${minGroupSize} rows`
          : `"${name}" is withheld or computed by something that is no count of rows (${what})`,
      line: node.line,
      fix: `reveal it with minGroupSize: ${minGroupSize} or more`,
    }));
  });
  const nameOf = ({ reveal }: Shown) => lineage.node(reveal).attrs.name ?? '';
  const pairs = distinguishable(lineage, shown, minGroupSize).map(
    ([last, before]): Reason => ({
      code: 'POLICY_DIFFERENCE',
      message: `"${nameOf(last)}" less "${nameOf(before)}" could tell of fewer than ${minGroupSize} rows`,
      line: lineage.node(last.reveal).line,
      fix: `reveal both with minGroupSize: ${minGroupSize} or more`,
    }),
  );
  return [...reasons, ...pairs];
}

/**
 * The join or union of which a slot can be seen in the reveal: a path from it meets no sum, quantile or group. The least and
 * the greatest row are single rows. A match in a circuit before others.
 */
function opensSlots(lineage: Lineage, reveal: number): number | undefined {
  let opened: number | undefined;
  const seen = new Set<number>();
  const stack = [reveal];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    if (seen.has(index)) continue;
    seen.add(index);
    const { op, args } = lineage.node(index);
    const slots = op === 'matched/1' || op === 'joined-column/1' || op === 'rank/1';
    if (slots || (op === 'quantile/1' && rowsForOne(lineage, index) === undefined)) {
      const { join } = lineage.join(args[0] as number);
      if (opened === undefined || circuitMatch(lineage.plan, join) !== undefined) opened = join;
    } else if (!SUMS.has(op)) stack.push(...args);
  }
  return opened;
}

/** What stands for many slots. */
const SUMS: ReadonlySet<string> = new Set(['sum/1', 'dot/1', 'quantile/1', ...GROUPED]);

const WORDS = { aggregate: 'totals', 'per-holder': 'values of each single holder', rows: 'single rows' } as const;
