/**
 * Judges a whole task by the policies of the datasets it would read, before a row is read. A permit either covers all
 * that the task does with a dataset or does not count; what is unknown is refused.
 * @module
 */
import {
  type ColumnType,
  circuitMatch,
  type Decision,
  deliveredColumns,
  matchingSeats,
  NodeError,
  type NodeId,
  nodesOf,
  type Plan,
  SHARING_OPERATIONS,
  slice,
  type TaskSpec,
} from '@2pm/core';
import { type Contract, type Property, policyOf, tableOf } from '../contract/contract.ts';
import { ruleReads } from '../keys/rules.ts';
import { Lineage } from '../lineage.ts';
import { usedColumns } from '../usage.ts';
import { describeTask } from './describe.ts';
import { distinguishable, groupsShown, type Shown } from './differences.ts';
import { operationsOf, type Permit, PLUMBING } from './policy.ts';
import { GROUPED, rowsForOne, unprotected } from './protection.ts';
import { sensitivity } from './sensitivity.ts';

export interface JudgedTask {
  plan: Plan;
  spec: TaskSpec;
  self: NodeId;
  /** Milliseconds since the Unix epoch. */
  nowMs: number;
  /** Contract of a logical table. */
  contractOf(table: string): Contract | undefined;
  /** Tasks prepared on a dataset in the current UTC day, this one not counted. */
  tasksToday(contractId: string): number;
  /** Millionths of ε that private reveals took from a dataset, this task's not counted. */
  epsilonSpent(contractId: string): number;
}

interface Reason {
  code: string;
  message: string;
  line?: number;
  fix?: string;
}

const LOGICAL: Record<ColumnType['type'], readonly Property['logicalType'][]> = {
  int: ['integer'],
  fixed: ['number', 'integer'],
  bool: ['boolean'],
  date: ['date', 'timestamp'],
  category: ['string'],
};

/** Roles of the plan that the node takes. */
export function rolesOf(spec: TaskSpec, self: NodeId): string[] {
  return Object.keys(spec.roles)
    .filter((role) => spec.roles[role]?.includes(self))
    .sort();
}

export function judgeTask(task: JudgedTask): Decision {
  try {
    return decide(task);
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    return { verdict: 'refuse', code: 'POLICY_UNKNOWN_PLAN', reasons: [{ message: error.message }] };
  }
}

function decide(task: JudgedTask): Decision {
  const lineage = new Lineage(task.plan);
  const roles = rolesOf(task.spec, task.self);
  const tables = new Map<string, string[]>();
  for (const role of roles) {
    const declared = task.plan.roles[role];
    if (declared === undefined) {
      return refusal([{ code: 'POLICY_UNKNOWN_PLAN', message: `the plan knows no role "${role}"` }]);
    }
    for (const table of declared.tables) tables.set(table, [...(tables.get(table) ?? []), role]);
  }
  // A table that the role does not list, yet reads.
  for (const node of task.plan.nodes) {
    if (node.op !== 'input/1' || node.type.kind !== 'table' || !roles.includes(node.type.role)) continue;
    if (node.attrs.table !== node.type.table || !tables.get(node.type.table)?.includes(node.type.role)) {
      const message = `the plan reads table "${node.attrs.table}", which its role does not list`;
      return refusal([{ code: 'POLICY_UNKNOWN_PLAN', message, line: node.line }]);
    }
  }
  let ask = false;
  const contracts: Contract[] = [];
  const budgets: string[] = [];
  for (const [table, of] of tables) {
    const contract = task.contractOf(table);
    if (contract === undefined) {
      return refusal([{ code: 'POLICY_NO_DATASET', message: `this node has no dataset for table "${table}"` }]);
    }
    const mapping = schemaReasons(task, lineage, contract, table, of);
    if (mapping.length > 0) return refusal(mapping);
    const policy = policyOf(contract);
    const prohibited = policy.prohibit.flatMap((rule) => [
      ...columnReasons(lineage, of, table, (column) => !rule.columns?.includes(column), 'prohibits'),
      ...operationReasons(lineage, of, table, (op) => !operationsOf(rule.operations ?? []).has(op), 'prohibits'),
    ]);
    if (prohibited.length > 0) return refusal(prohibited);
    if (policy.permit.length === 0) {
      const fix = `add a permit to twopm.policy of ${contract.id}`;
      return refusal([{ code: 'POLICY_DENIED', message: `dataset "${table}" permits nothing yet`, fix }]);
    }
    const verdicts = policy.permit.map((permit) => ({
      permit,
      reasons: permitReasons(task, lineage, contract, table, of, permit),
    }));
    const covering = verdicts.filter(({ reasons }) => reasons.length === 0);
    if (covering.length === 0) {
      // The permit that comes nearest says best what is in the way.
      return refusal(
        verdicts.reduce((best, next) => (next.reasons.length < best.reasons.length ? next : best)).reasons,
      );
    }
    ask ||= covering.every(({ permit }) => permit.approval === 'manual');
    contracts.push(contract);
    const asked = epsilonOf(lineage, of, table);
    if (asked > 0) {
      const totals = covering.map(({ permit }) => microsOf(permit.privacy?.epsilonTotal ?? 0));
      const left = Math.max(...totals) - task.epsilonSpent(contract.id);
      budgets.push(
        `Takes ε = ${asked / MICRO} of the ${left / MICRO} that the privacy budget of ${contract.id} has left`,
      );
    }
  }
  return ask
    ? {
        verdict: 'ask',
        question: [describeTask(task.plan, task.spec, lineage, roles, contracts), ...budgets].join('\n'),
      }
    : { verdict: 'allow' };
}

function schemaReasons(
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

function columnReasons(
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
function operationReasons(
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

function permitReasons(
  task: JudgedTask,
  lineage: Lineage,
  contract: Contract,
  table: string,
  roles: readonly string[],
  permit: Permit,
): Reason[] {
  const { spec, plan } = task;
  const reasons: Reason[] = [];
  const refuse = (code: string, message: string, fix: string) => reasons.push({ code, message, fix });
  const recipients = Object.values(spec.recipients).map((keys) => keys.id);

  if (permit.parties !== 'any' && !permit.parties.includes(spec.coordinator)) {
    const listed = permit.parties as readonly NodeId[];
    if (recipients.length === 0 || !recipients.every((id) => listed.includes(id))) {
      refuse('POLICY_PARTY', `who asks is not among the parties that "${table}" permits`, 'ask the holder to list you');
    }
  }
  if (permit.purposes !== undefined && !permit.purposes.includes(spec.purpose)) {
    const purposes = permit.purposes.join('", "');
    refuse(
      'POLICY_PURPOSE',
      `the purpose is not among those permitted: "${purposes}"`,
      'state one of these purposes, word for word',
    );
  }
  if (!permit.recipientsMaySit) {
    const asking = [...recipients, spec.coordinator];
    if (spec.seats.some((seat) => asking.includes(seat))) {
      refuse('POLICY_RECIPIENT_SITS', 'who asks is also one of the computing parties', 'name other seats for the task');
    }
  }
  if (permit.security === 'malicious' && spec.security !== 'malicious') {
    refuse(
      'POLICY_SECURITY',
      'the policy asks for a protocol that withstands malicious seats',
      'set security to malicious',
    );
  }
  const day = new Date(task.nowMs).toISOString().slice(0, 10);
  if (permit.limits.validUntil !== undefined && day > permit.limits.validUntil) {
    refuse('POLICY_EXPIRED', `the permit ended on ${permit.limits.validUntil}`, 'ask the holder to renew it');
  }
  const { maxTasksPerDay } = permit.limits;
  if (maxTasksPerDay !== undefined && task.tasksToday(contract.id) >= maxTasksPerDay) {
    refuse(
      'POLICY_TASKS_PER_DAY',
      `"${table}" takes ${maxTasksPerDay} tasks a day, and has taken them`,
      'try again tomorrow',
    );
  }
  const { minParties, minGroupSize } = permit.thresholds;
  for (const role of roles) {
    const invited = new Set(spec.roles[role]).size;
    const least = plan.roles[role]?.min ?? 0;
    if (invited < minParties || least < minParties) {
      const message = `role "${role}" may start with ${Math.min(invited, least)} members, the policy asks for ${minParties}`;
      refuse(
        'POLICY_MIN_PARTIES',
        message,
        `invite ${minParties} members or more, and set min of the role to ${minParties}`,
      );
    }
  }
  const columns = permit.columns;
  if (columns !== 'any')
    reasons.push(...columnReasons(lineage, roles, table, (name) => columns.includes(name), 'does not permit'));
  const operations = operationsOf([...permit.operations, ...PLUMBING]);
  reasons.push(...operationReasons(lineage, roles, table, (op) => operations.has(op), 'does not permit'));
  reasons.push(...revealReasons(lineage, table, roles, permit, minGroupSize));
  reasons.push(...budgetReasons(task, lineage, contract, table, roles, permit));
  reasons.push(...matchReasons(task, lineage, table, roles, permit));
  return reasons;
}

/** Where the table enters what a reveal opens: shared aggregates and joins. */
function inputsOf(lineage: Lineage, reveal: number, roles: readonly string[], table: string): number[] {
  return slice(lineage.plan, [reveal]).filter((index) => {
    const { op, args } = lineage.node(index);
    if (op === 'join/1') return args.some((arg) => isKeyed(lineage, arg, roles, table));
    if (!SHARING_OPERATIONS.includes(op)) return false;
    const local = lineage.node(args[0] as number);
    if (local.type.kind !== 'local' || !roles.includes(local.type.role)) return false;
    return lineage.node(lineage.base(lineage.table(args[0] as number)).input).attrs.table === table;
  });
}

/** Beyond it the chance that one of them is a number that has nothing to do with the value (mpc/src/noise.ts) would show. */
const MOST_NOISY = 2 ** 16;

/** A reveal under noise: it must hide a row of the table, by what the plan does and not by what it says of itself. */
function privateReasons(
  lineage: Lineage,
  reveal: number,
  roles: readonly string[],
  table: string,
  permit: Permit,
): Reason[] {
  const { attrs, args, line } = lineage.node(reveal);
  const [noise, name] = [args[0] as number, attrs.name ?? ''];
  const refuse = (code: string, message: string, fix: string): Reason[] => [{ code, message, line, fix }];
  if (!permit.reveals.includes('private') || permit.privacy === undefined) {
    const message = `"${name}" reveals values under noise of "${table}", which the policy does not permit`;
    return refuse('POLICY_REVEAL', message, 'ask the holder for a privacy budget');
  }
  const { type, args: noisy, attrs: claimed } = lineage.node(noise);
  const members = type.kind === 'shared' && type.stacked !== undefined ? lineage.plan.roles[type.stacked]?.max : 1;
  if (type.kind !== 'shared' || type.length * (members ?? MOST_NOISY) > MOST_NOISY) {
    return refuse(
      'POLICY_PRIVACY',
      `"${name}" holds more than ${MOST_NOISY} numbers under noise`,
      'reveal fewer numbers',
    );
  }
  // What is computed from the noise itself could take it away again.
  const others = lineage.plan.nodes.filter(({ op, args: used }) => op !== 'reveal/1' && used.includes(noise));
  if (others.length > 0) {
    return refuse('POLICY_PRIVACY', `the noise of "${name}" is used otherwise`, 'reveal it, and nothing else with it');
  }
  const needed = sensitivity(lineage, noisy[0] as number, roles, table);
  if (needed === undefined) {
    const message = `how much one row of "${table}" changes "${name}" has no known bound`;
    return refuse('POLICY_PRIVACY', message, 'reveal counts, sums and histograms under noise');
  }
  if (BigInt(claimed.sensitivity ?? 0) < needed) {
    const message = `one row of "${table}" changes "${name}" by up to ${needed}, its noise hides ${claimed.sensitivity}`;
    return refuse('POLICY_PRIVACY', message, 'trace the program anew with this version of the language');
  }
  return [];
}

/** Millionths of ε that the task takes from the table: of each noise that is revealed, once, for it is drawn once. */
export function epsilonOf(lineage: Lineage, roles: readonly string[], table: string): number {
  const noises = new Set<number>();
  for (const reveal of nodesOf(lineage.plan, 'reveal/1')) {
    const noise = lineage.node(reveal).args[0] as number;
    if (lineage.node(noise).op === 'noise/1' && inputsOf(lineage, reveal, roles, table).length > 0) noises.add(noise);
  }
  return [...noises].reduce((sum, noise) => sum + (lineage.node(noise).attrs.epsilonMicros ?? 0), 0);
}

function budgetReasons(
  task: JudgedTask,
  lineage: Lineage,
  contract: Contract,
  table: string,
  roles: readonly string[],
  permit: Permit,
): Reason[] {
  const asked = epsilonOf(lineage, roles, table);
  if (permit.privacy === undefined || asked === 0) return [];
  const [perTask, total] = [permit.privacy.epsilonPerTask, permit.privacy.epsilonTotal].map(microsOf) as [
    number,
    number,
  ];
  const left = Math.max(total - task.epsilonSpent(contract.id), 0);
  if (asked <= perTask && asked <= left) return [];
  const least = asked > perTask ? perTask : left;
  const whose = asked > perTask ? 'a task may take' : 'are left';
  return [
    {
      code: asked > perTask ? 'POLICY_EPSILON' : 'POLICY_BUDGET',
      message: `the task takes ε = ${asked / MICRO} from "${table}"; ${least / MICRO} ${whose}`,
      fix: least > 0 ? `reveal less, or with epsilon values that add up to ${least / MICRO}` : 'ask the holder',
    },
  ];
}

const MICRO = 1_000_000;
const microsOf = (epsilon: number) => Math.round(epsilon * MICRO);

/** Where rows of the table are matched with those of others. */
function matchReasons(
  task: JudgedTask,
  lineage: Lineage,
  table: string,
  roles: readonly string[],
  permit: Permit,
): Reason[] {
  const { plan, spec } = task;
  const matchers = matchingSeats(plan, spec);
  return nodesOf(plan, 'join/1', 'intersect/1').flatMap((index): Reason[] => {
    const { op, args, attrs, line } = lineage.node(index);
    if (!args.some((arg) => isKeyed(lineage, arg, roles, table))) return [];
    const reasons: Reason[] = [];
    if (matchers.has(index) && matchers.get(index) === undefined) {
      const fix = "name a seat that brings no rows into the join, or match in a circuit: { matching: 'circuit' }";
      reasons.push({ code: 'POLICY_NO_MATCHER', message: 'no seat may see the tags of the join', line, fix });
    }
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

function isKeyed(lineage: Lineage, node: number, roles: readonly string[], table: string): boolean {
  const { type } = lineage.node(node);
  if (type.kind !== 'keyed' || !roles.includes(type.role)) return false;
  return lineage.node(lineage.base(lineage.table(node)).input).attrs.table === table;
}

function revealReasons(
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

function refusal(reasons: readonly Reason[]): Decision {
  const [first] = reasons;
  return {
    verdict: 'refuse',
    code: first?.code ?? 'POLICY_DENIED',
    reasons: reasons.slice(0, 20).map(({ message, line, fix }) => ({
      message,
      ...(line === undefined ? {} : { line }),
      ...(fix === undefined ? {} : { fix }),
    })),
  };
}
