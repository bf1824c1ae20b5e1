/** What a coordinator says, and what is: they differ. @module */
import { NodeError } from '@2pm/core';

export function mismatch(problem: string): NodeError {
  return new NodeError('TASK_MISMATCH', problem, { fault: 'peer', fix: 'ask the coordinator for a new task' });
}
