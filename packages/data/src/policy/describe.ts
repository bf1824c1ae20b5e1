/** A task in plain words, for the person who decides. @module */
import { circuitMatch, deliveredColumns, nodesOf, type Plan, slice, type TaskSpec } from '@2pm/core';
import { type Contract, tableOf } from '../contract/contract.ts';
import type { Lineage } from '../lineage.ts';
import { usedColumns } from '../usage.ts';

export function describeTask(
  plan: Plan,
  spec: TaskSpec,
  lineage: Lineage,
  roles: readonly string[],
  contracts: readonly Contract[],
): string {
  const lines = [`Task "${plan.name}", for the purpose: ${spec.purpose}`];
  for (const [name, keys] of Object.entries(spec.recipients)) lines.push(`Result goes to: ${name} (${keys.id})`);
  for (const contract of contracts) {
    const { name: table, properties } = tableOf(contract);
    const columns = new Set(roles.flatMap((role) => usedColumns(lineage, role, table).map(({ column }) => column)));
    const shown = properties
      .filter(({ name }) => columns.has(name))
      .map(({ name, classification }) => (classification === undefined ? name : `${name} (${classification})`));
    lines.push(`Reads from ${contract.id}: ${shown.join(', ') || 'the number of rows only'}`);
  }
  for (const join of nodesOf(plan, 'join/1')) {
    const match = circuitMatch(plan, join);
    if (match === undefined) continue;
    const sides = match.sides.map(({ role, capacity }) => `up to ${capacity} rows of ${role}`).join(' and ');
    lines.push(`Matched so that nobody learns which match, or how many: ${sides} (line ${lineage.node(join).line})`);
  }
  for (const intersection of nodesOf(plan, 'intersect/1')) {
    const { args, attrs, line } = lineage.node(intersection);
    const tables = args.map((arg) => lineage.node(lineage.base(lineage.table(arg)).input).attrs.table);
    const sets = `${attrs.atLeast === undefined ? 'all' : `at least ${attrs.atLeast}`} of ${tables.join(', ')}`;
    lines.push(`${attrs.to} learns which of its rows are in ${sets}: "${attrs.name}" (line ${line})`);
    const delivered = deliveredColumns(plan, intersection);
    if (delivered !== undefined) {
      const names = delivered.columns.map(({ name }) => name).join(', ');
      lines.push(`${attrs.to} also learns ${names} of ${delivered.role}, for these rows one by one (line ${line})`);
    }
  }
  for (const reveal of nodesOf(plan, 'reveal/1')) {
    const node = lineage.node(reveal);
    const within = slice(plan, [reveal]).map((index) => lineage.node(index));
    const local = [
      ...new Set(within.filter((each) => each.type.kind === 'local').map((each) => WORDS[each.op] ?? each.op)),
    ];
    for (const { op, attrs } of within) {
      if (op === 'join/1')
        local.push(attrs.atLeast === undefined ? 'matched rows' : `rows in ${attrs.atLeast} sets or more`);
    }
    const ordered = within.flatMap((each) => ORDERED[each.op] ?? []);
    if (ordered.length > 0) local.push(`${[...new Set(ordered)].join(' and ')} of these`);
    const filtered = within.some((each) => each.op === 'where/1') ? ' over filtered rows' : '';
    const stacked = within.some((each) => each.op === 'stack/1')
      ? ', for each holder apart'
      : ', over all holders together';
    const floors = within.flatMap((each) => (each.op === 'suppress/1' ? [each.attrs.min ?? 0] : []));
    const { op, attrs } = lineage.node(node.args[0] as number);
    const noise = op === 'noise/1' ? `; under noise, ε = ${(attrs.epsilonMicros ?? 0) / 1_000_000}` : '';
    const floor = floors.length === 0 ? noise : `; withheld below ${Math.min(...floors)} rows`;
    const size = 'length' in node.type && node.type.length > 1 ? `${node.type.length} numbers` : 'one number';
    lines.push(
      `${node.attrs.to} learns "${node.attrs.name}": ${size} from ${local.join(' and ')}${filtered}${stacked}${floor} (line ${node.line})`,
    );
  }
  const members = Object.entries(spec.roles).map(
    ([role, invited]) => `${role}: ${invited.length} invited, at least ${plan.roles[role]?.min ?? 1}`,
  );
  lines.push(
    `Members: ${members.join('; ')}`,
    `Computed by ${spec.seats.length} seats with ${spec.protocol} (${spec.security})`,
  );
  return lines.join('\n');
}

const ORDERED: Readonly<Record<string, string>> = {
  'quantile/1': 'quantiles',
  'rank/1': 'ranks',
  'group-key/1': 'the values that they are grouped by',
  'group-count/1': 'groups',
  'group-sum/1': 'sums over groups',
  'sort/1': 'an order',
};

const WORDS: Readonly<Record<string, string>> = {
  'count/1': 'a count',
  'sum/1': 'a sum',
  'histogram/1': 'a histogram',
  'count-by/1': 'counts by category',
  'sum-by/1': 'sums by category',
  'rows/1': 'single rows',
};
