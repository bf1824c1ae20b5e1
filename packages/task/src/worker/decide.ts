/** Whether this node takes part in a task: what it checks before it runs anything, and what it answers. @module */
import {
  type ChainDomain,
  type Consent,
  type DataHolder,
  encode,
  type Hash,
  invitedNodes,
  type KeyReport,
  NodeError,
  type NodeId,
  programHash,
  specHash,
  type TaskId,
  type TaskRequest,
  ZERO_HASH,
} from '@2pm/core';
import { personalDigest, taskId as taskIdOf, verifySignature } from '@2pm/crypto';
import { wireError } from '../control.ts';
import type { ControlAnswers, Reason } from '../messages.ts';
import { mismatch } from '../mismatch.ts';

export type Answer =
  | { type: 'consent'; consent: Consent; keys: KeyReport[] }
  | { type: 'refuse'; code: string; reasons: Reason[] };

/**
 * Hashes and signatures of what a coordinator handed out, before any of it is parsed or run.
 * @throws {NodeError} `TASK_MISMATCH`.
 */
export function checkFetched(
  { signed, program }: ControlAnswers['fetch'],
  expected: { taskId: TaskId; coordinator: NodeId; specHash: Hash; self: NodeId; domain: ChainDomain },
): void {
  const { spec } = signed;
  if (specHash(spec) !== expected.specHash) throw mismatch('the spec is not the one on the chain');
  if (programHash(program) !== spec.programHash) throw mismatch('the program is not the one that the spec names');
  const taskId = taskIdOf(expected.domain, spec.coordinator, spec.nonce);
  if (taskId !== expected.taskId || spec.coordinator !== expected.coordinator) {
    throw mismatch('the spec is for another task');
  }
  if (!invitedNodes(spec).includes(expected.self)) throw mismatch('this node is not invited');
  for (const [name, keys] of Object.entries(spec.recipients)) {
    const signature = signed.signatures[name];
    if (signature === undefined || !verifySignature(personalDigest(encode(spec)), signature, keys.id)) {
      throw mismatch(`recipient ${name} did not sign the spec`);
    }
  }
}

/** The policy's word on the whole plan, then the data, fixed and checked. Never throws: whatever is wrong is a refusal. */
export async function decide(
  request: TaskRequest,
  data: DataHolder | undefined,
  options: { signal: AbortSignal; onChecking: () => void },
): Promise<Answer> {
  const { plan, self, signed, taskId } = request;
  const { spec } = signed;
  const roles = Object.keys(spec.roles)
    .filter((role) => spec.roles[role]?.includes(self))
    .sort();
  try {
    const decision = (await data?.judge(request)) ?? { verdict: 'allow' as const };
    if (decision.verdict === 'refuse') return { type: 'refuse', code: decision.code, reasons: decision.reasons };
    if (decision.verdict === 'ask') {
      throw new NodeError('POLICY_NEEDS_APPROVAL', 'a person must approve this task, and no approval is on file', {
        fault: 'policy',
        fix: 'let the data holder set approval: auto in its policy, or wait for its approval',
      });
    }
    let dataCommitment = ZERO_HASH;
    let keys: KeyReport[] = [];
    if (roles.length > 0) {
      if (data === undefined) throw new NodeError('TASK_NO_DATA', 'this node has no data to bring', { fault: 'data' });
      options.onChecking();
      const prepared = await data.prepare(request, { signal: options.signal });
      dataCommitment = prepared.commitment;
      keys = prepared.keys;
    }
    const minimumMembers = Object.fromEntries(Object.entries(plan.roles).map(([role, { min }]) => [role, min]));
    const consent: Consent = {
      v: 1,
      taskId,
      member: self,
      specHash: specHash(spec),
      planHash: spec.planHash,
      dataCommitment,
      roles,
      minimumMembers,
    };
    return { type: 'consent', consent, keys };
  } catch (error) {
    return refusalOf(error);
  }
}

/** An error as a refusal that may leave the node. */
export function refusalOf(error: unknown): Extract<Answer, { type: 'refuse' }> {
  const { code, message, fix } = wireError(error);
  const line = error instanceof Error && 'line' in error && typeof error.line === 'number' ? error.line : undefined;
  const reason = { message, ...(line === undefined ? {} : { line }), ...(fix === undefined ? {} : { fix }) };
  return { type: 'refuse', code, reasons: [reason] };
}
