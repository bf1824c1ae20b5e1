/** What members say to the coordinator. Every message may come twice; none may speak for another. @module */
import { invitedNodes, NodeError, type NodeId } from '@2pm/core';
import type { ControlAnswers, ControlRequest } from '../messages.ts';
import { rosterOf } from '../roster.ts';
import { badRequest, type Desk } from './desk.ts';

export async function answerMember({ book, chain }: Desk, peer: NodeId, request: ControlRequest): Promise<unknown> {
  if (request.kind === 'ping' || !('taskId' in request)) throw badRequest('not a message about a task');
  const task = book.find(request.taskId);
  if (task === undefined || !invitedNodes(task.submitted.signed.spec).includes(peer)) {
    throw new NodeError('TASK_NOT_INVITED', 'this node was not invited to such a task', { fault: 'caller' });
  }
  const { taskId } = task;
  switch (request.kind) {
    case 'fetch':
      book.heard(taskId, peer, 'fetched', 'reads spec and program');
      return { signed: task.submitted.signed, program: task.submitted.program } satisfies ControlAnswers['fetch'];
    case 'consent': {
      const { consent } = request.signed;
      if (consent.member !== peer) throw badRequest('a consent is given by its member');
      rosterOf([request.signed], task.submitted.signed.spec, chain.info.domain);
      if (consent.taskId !== taskId) throw badRequest('a consent for another task');
      if (!task.consents.has(peer) && task.chosen === undefined) {
        book.log(taskId, { type: 'consented', signed: request.signed });
        book.heard(taskId, peer, 'consented', 'takes part');
      }
      return {};
    }
    case 'refuse':
      if (!task.refusals.has(peer) && task.chosen === undefined) {
        book.log(taskId, { type: 'refused', node: peer, code: request.code, reasons: request.reasons });
        book.heard(taskId, peer, 'refused', `${request.code}: ${request.reasons[0]?.message ?? ''}`);
      }
      return {};
    case 'progress': {
      const { done, of } = request;
      const progress = done === undefined || of === undefined ? undefined : { done, of };
      book.heard(taskId, peer, request.phase, request.message, progress);
      return {};
    }
    case 'prepared': {
      const { kind: _, ...prepared } = request;
      if (prepared.leaves.some(({ seat }) => seat !== peer)) throw badRequest('a member speaks for its own seat only');
      if (request.attempt === task.attempt && !task.prepared.has(peer)) {
        const { taskId: __, ...event } = prepared;
        book.log(taskId, { type: 'prepared', node: peer, ...event });
        book.heard(taskId, peer, 'prepared', 'done, waits for the others');
      }
      return {};
    }
    case 'failed':
      if (request.attempt === task.attempt && task.releasing === undefined) {
        book.log(taskId, { type: 'failed', node: peer, attempt: request.attempt, error: request.error });
        const blame = request.culprit === undefined ? '' : `; it was with ${request.culprit}`;
        book.heard(taskId, peer, 'failed', `${request.error.code}: ${request.error.message}${blame}`);
      }
      return {};
    default:
      throw badRequest(`${request.kind} is not for a coordinator`);
  }
}
