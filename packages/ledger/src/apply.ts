/** The state machine: which rule judges which command, and the one place where state changes. @module */
import type { ChainCommand, LedgerEvent } from '@2pm/core';
import { leave, register, revoke, rotate, update } from './nodes.ts';
import type { BlockPoint, LedgerState, Transition } from './state.ts';
import { abort, create, expire, settle, start } from './tasks.ts';

/**
 * What `command` would do in the block `at`. Changes nothing.
 * @throws {NodeError} `LEDGER_<REASON>` when the rules refuse it, `SIGNATURE_BAD_VALUE` when its fields fit no struct.
 */
export function judge(state: LedgerState, command: ChainCommand, at: BlockPoint): Transition {
  switch (command.type) {
    case 'register':
      return register(state, command);
    case 'update':
      return update(state, command);
    case 'rotate':
      return rotate(state, command);
    case 'leave':
      return leave(state, command);
    case 'revoke':
      return revoke(state, command);
    case 'create':
      return create(state, command, at);
    case 'start':
      return start(state, command, at);
    case 'settle':
      return settle(state, command, at);
    case 'abort':
      return abort(state, command);
    case 'expire':
      return expire(state, command, at);
  }
}

/** Applies `command` to `state`. @throws as `judge`, and then `state` is as before. */
export function apply(state: LedgerState, command: ChainCommand, at: BlockPoint): LedgerEvent[] {
  const { nodes = [], task, event } = judge(state, command, at);
  for (const node of nodes) state.nodes.set(node.node, node);
  if (task !== undefined) state.tasks.set(task.taskId, task);
  return [event];
}
