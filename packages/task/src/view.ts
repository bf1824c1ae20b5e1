/** What people and tools see of a task, from either side of it. @module */
import { invitedNodes, type NodeId, type TaskSpec } from '@2pm/core';
import type { MemberView, TaskPhase, TaskView } from '@2pm/core/api';
import { describePlan } from '@2pm/program';
import type { MemberProgress } from './coordinator/book.ts';
import type { CoordinatorTask } from './coordinator/log.ts';
import type { WorkerTask } from './worker/log.ts';

export function coordinatorView(
  task: CoordinatorTask,
  progress: ReadonlyMap<NodeId, MemberProgress>,
  orgOf: (node: NodeId) => string,
): TaskView {
  const { spec } = task.submitted.signed;
  const member = memberOf(spec, orgOf, (node) => {
    if (task.released.has(node)) return 'attested';
    if (task.refusals.has(node)) return 'refused';
    return progress.get(node)?.phase ?? (task.consents.has(node) ? 'consented' : 'invited');
  });
  const costs = [...task.prepared.values()].map(({ cost }) => cost);
  const transactions = [task.published, task.started, task.ended].filter((tx) => tx !== undefined && tx.tx !== '');
  return {
    taskId: task.taskId,
    name: task.submitted.plan.name,
    purpose: spec.purpose,
    coordinator: spec.coordinator,
    mine: true,
    phase: phaseOf(task),
    attempt: task.attempt,
    members: invitedNodes(spec).map(member),
    ...(task.ended?.error === undefined ? {} : { error: withoutUndefined(task.ended.error) }),
    refusals: [...task.refusals].map(([node, { code, reasons }]) => ({ node, code, reasons })),
    learns: describePlan(task.submitted.plan),
    cost: {
      gas: transactions.reduce((sum, tx) => sum + (tx?.gasUsed ?? 0), 0),
      transactions: transactions.length,
      bytesSent: costs.reduce((sum, cost) => sum + cost.bytesSent, 0),
      bytesReceived: costs.reduce((sum, cost) => sum + cost.bytesReceived, 0),
      rounds: Math.max(0, ...costs.map((cost) => cost.rounds)),
      phaseMs: phaseTimes(task),
    },
  };
}

export function workerView(task: WorkerTask, orgOf: (node: NodeId) => string): TaskView | undefined {
  const { signed, plan } = task;
  if (signed === undefined || plan === undefined) return undefined;
  const { spec } = signed;
  const phase: TaskPhase =
    task.ended !== undefined && task.ended.status !== 'ignored'
      ? task.ended.status
      : task.refusal !== undefined
        ? 'refused'
        : task.released !== undefined
          ? 'attesting'
          : task.attempt > 0
            ? 'computing'
            : 'gathering';
  const { keys } = task;
  const { cost, kept = [] } = task.prepared ?? {};
  return {
    taskId: task.taskId,
    name: plan.name,
    purpose: spec.purpose,
    coordinator: spec.coordinator,
    mine: false,
    phase,
    attempt: task.attempt,
    members: invitedNodes(spec).map(memberOf(spec, orgOf, (node) => stateSeenBy(task, node))),
    refusals: [],
    learns: describePlan(plan),
    ...(keys === undefined && kept.length === 0 ? {} : { own: { keys: keys ?? [], kept } }),
    cost: {
      gas: 0,
      transactions: 0,
      bytesSent: cost?.bytesSent ?? 0,
      bytesReceived: cost?.bytesReceived ?? 0,
      rounds: cost?.rounds ?? 0,
      phaseMs: {},
    },
  };
}

/** A member hears of the others by the roster and by how the task ended, no more. */
function stateSeenBy({ consents, ended }: WorkerTask, node: NodeId): string {
  if (ended?.status === 'settled') return 'attested';
  return consents?.some(({ consent }) => consent.member === node) === true ? 'member' : 'invited';
}

function memberOf(spec: TaskSpec, orgOf: (node: NodeId) => string, state: (node: NodeId) => string) {
  return (node: NodeId): MemberView => {
    const seat = spec.seats.indexOf(node);
    return {
      node,
      org: orgOf(node),
      roles: Object.keys(spec.roles).filter((role) => spec.roles[role]?.includes(node)),
      seat: seat < 0 ? null : seat,
      state: state(node),
    };
  };
}

function phaseOf(task: CoordinatorTask): TaskPhase {
  // Settled on the chain, and the result is not open yet: whoever reads `settled` may ask for it.
  if (task.ended?.phase === 'settled' && task.opened === undefined) return 'settling';
  if (task.ended !== undefined) return task.ended.phase;
  if (task.settling !== undefined) return 'settling';
  if (task.releasing !== undefined) return 'releasing';
  if (task.started !== undefined) return 'computing';
  if (task.chosen !== undefined) return 'starting';
  return task.published === undefined ? 'created' : 'gathering';
}

function phaseTimes(task: CoordinatorTask): Record<string, number> {
  const marks: [string, number | undefined][] = [
    ['publish', task.published?.at],
    ['gather', task.chosen?.at],
    ['start', task.started?.at],
    ['compute', task.releasing?.at],
    ['release', task.settling?.at],
    ['settle', task.ended?.at],
  ];
  const times: Record<string, number> = {};
  let previous = task.submitted.at;
  for (const [name, at] of marks) {
    if (at === undefined) continue;
    times[name] = at - previous;
    previous = at;
  }
  return times;
}

function withoutUndefined({
  fix,
  ...rest
}: {
  code: string;
  message: string;
  fault: 'caller' | 'peer' | 'chain' | 'data' | 'policy' | 'node';
  retryable: boolean;
  fix?: string | undefined;
}) {
  return fix === undefined ? rest : { ...rest, fix };
}
