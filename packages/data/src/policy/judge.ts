/**
 * Judges a whole task by the policies of the datasets it would read, before a row is read. A permit either covers all
 * that the task does with a dataset or does not count; what is unknown is refused.
 * @module
 */
import { type Decision, NodeError, type NodeId, type TaskSpec } from '@2pm/core';
import { type Contract, policyOf } from '../contract/contract.ts';
import { Lineage } from '../lineage.ts';
import { describeTask } from './describe.ts';
import type { JudgedTask } from './judged-task.ts';
import { matchReasons } from './matching.ts';
import { operationsOf, type Permit, PLUMBING } from './policy.ts';
import { budgetReasons, epsilonOf, MICRO, microsOf } from './private.ts';
import { type Reason, refusal } from './reason.ts';
import { revealReasons } from './reveals.ts';
import { columnReasons, operationReasons, schemaReasons } from './uses.ts';

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
