/** What a holder's policy looks at: a task, and what the holder knows besides. @module */
import type { NodeId, Plan, TaskSpec } from '@2pm/core';
import type { Contract } from '../contract/contract.ts';

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
