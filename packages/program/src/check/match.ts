/** Rows of holders that are matched by keys. @module */
import { cuckooBins, type Operation, type Plan, type PlanNode, type ValueType } from '@2pm/core';
import { bounds, hull } from './bounds.ts';
import { inputColumn } from './columns.ts';
import { as, type Of, shared } from './placement.ts';
import { demand } from './refusal.ts';

/** Operations that choose or order slots of the rows that they take. */
const SELECTIONS: ReadonlySet<Operation> = new Set(['keep/1', 'sort/1', 'head/1']);
export const MAX_JOINED = 8;
export const MAX_SETS = 16;

export function keyed(plan: Plan, table: Of<'table'>, { args, attrs }: PlanNode): ValueType {
  const { key = '', columns = [], capacity: length = 1 } = attrs;
  const keys = plan.tables[table.table]?.keys ?? {};
  demand(Object.hasOwn(keys, key), `table ${table.table} has no key ${key}`);
  demand(plan.roles[table.role]?.max === 1, `role ${table.role} may have several members`);
  demand(new Set(columns).size === columns.length, 'carries a column twice');
  for (const name of columns) inputColumn(plan, table, args[0] as number, name);
  return { kind: 'keyed', role: table.role, table: table.table, key, length };
}

/** Keyed rows of different roles, whose keys are made by the same rules: others could never meet. */
function matched(plan: Plan, args: readonly ValueType[]): Of<'keyed'>[] {
  const sides = args.map((arg) => as('keyed', arg));
  demand(new Set(sides.map(({ role }) => role)).size === sides.length, 'a role comes twice');
  const rules = sides.map(({ table, key }) =>
    JSON.stringify(plan.tables[table]?.keys?.[key]?.map((pass) => pass.map(({ rule }) => rule))),
  );
  demand(new Set(rules).size === 1, 'the keys are made by different rules');
  return sides;
}

export function joined(plan: Plan, { args, attrs }: PlanNode, types: readonly ValueType[]): ValueType {
  const sides = matched(plan, types);
  const roles = sides.map(({ role }) => role);
  const { matching, atLeast } = attrs;
  if (matching === undefined) {
    demand(atLeast === undefined, 'counts sets where the rows are matched by tags');
    return { kind: 'joined', roles, length: Math.min(...sides.map(({ length }) => length)) };
  }
  onePass(plan, sides);
  if (atLeast !== undefined) {
    demand(atLeast < sides.length, `has ${sides.length} sets, of which fewer must be enough`);
    const bare = args.slice(1).every((arg) => plan.nodes[arg]?.attrs.columns?.length === 0);
    demand(bare, 'brings columns of sets that a row may be absent from');
  }
  return { kind: 'joined', roles, length: cuckooBins(sides[0]?.length ?? 0) };
}

export function intersected(plan: Plan, { args, attrs }: PlanNode, types: readonly ValueType[]): ValueType {
  const sides = matched(plan, types);
  const { to: role = '', deliver, atLeast } = attrs;
  demand(
    sides.some((side) => side.role === role),
    `role ${role} brings no rows`,
  );
  onePass(plan, sides);
  if (atLeast !== undefined) {
    demand(atLeast < sides.length, `has ${sides.length} sets, of which fewer must be enough`);
    demand(deliver === undefined, 'delivers columns of sets that a row may be absent from');
  }
  if (deliver !== undefined) {
    demand(sides.length === 2, 'delivers columns among more than two sides');
    const other = args.find((_, side) => sides[side]?.role !== role);
    demand((plan.nodes[other ?? -1]?.attrs.columns ?? []).length > 0, 'delivers no column');
  }
  return { kind: 'held', role };
}

function onePass(plan: Plan, sides: readonly Of<'keyed'>[]): void {
  for (const { table, key } of sides) {
    demand(plan.tables[table]?.keys?.[key]?.length === 1, `key ${table}.${key} has several passes`);
  }
}

export function joinedColumn(plan: Plan, { args, attrs }: PlanNode, slots: Of<'joined'>): ValueType {
  let join = plan.nodes[args[0] as number];
  while (join !== undefined && SELECTIONS.has(join.op)) join = plan.nodes[join.args[0] as number];
  const side = join?.args.map((arg) => plan.nodes[arg]).find((one) => roleOf(one?.type) === attrs.role);
  const table = plan.nodes[side?.args[0] ?? -1]?.type;
  demand(side?.attrs.columns?.includes(attrs.name ?? '') === true, `${attrs.role} brings no column ${attrs.name}`);
  const { dtype, fractionBits, ...range } = inputColumn(plan, as('table', table), 0, attrs.name as string);
  const like = { length: slots.length, dtype: dtype === 'bool' ? 'bool' : 'int', fractionBits } as const;
  return shared(like, hull(bounds(range), { lo: 0n, hi: 0n }));
}

export function roleOf(type: ValueType | undefined): string | undefined {
  return type?.kind === 'keyed' || type?.kind === 'local' ? type.role : undefined;
}
