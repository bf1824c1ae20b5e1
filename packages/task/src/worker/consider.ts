/** From an offer to a consent or a refusal: fetch, check, trace, judge, fix the data. @module */
import {
  consentHash,
  type Hash,
  isNodeError,
  type NodeId,
  type Plan,
  planHash,
  type SignedConsent,
  specHash,
  type TaskId,
} from '@2pm/core';
import { signConsent, taskId as taskIdOf } from '@2pm/crypto';
import { backendOf } from '../backends.ts';
import { checkProtocol } from '../check-protocol.ts';
import type { ControlAnswers, Reason } from '../messages.ts';
import { mismatch } from '../mismatch.ts';
import { checkFetched, decide, refusalOf } from './decide.ts';
import type { WorkerDesk } from './desk.ts';
import { watchDeadlines } from './ending.ts';
import { report, tell } from './tell.ts';

interface Refusal {
  code: string;
  reasons: Reason[];
}

/** What this node would say to a task, by its policy alone. Nothing is kept, and no row is read. Never throws. */
export async function judgeDraft(
  desk: WorkerDesk,
  coordinator: NodeId,
  { signed, program }: ControlAnswers['fetch'],
): Promise<ControlAnswers['check']> {
  const { chain, data, signer } = desk;
  try {
    const taskId = taskIdOf(chain.info.domain, signed.spec.coordinator, signed.spec.nonce);
    const plan = await understand(desk, { signed, program }, { taskId, coordinator, specHash: specHash(signed.spec) });
    const decision = await data?.judge({ taskId, signed, plan, self: signer.id });
    return decision?.verdict === 'refuse' ? decision : { verdict: decision?.verdict ?? 'allow', code: '', reasons: [] };
  } catch (error) {
    const { code, reasons } = refusalOf(error);
    return { verdict: 'refuse', code, reasons };
  }
}

/** Says again what was said to a task; undefined where nothing was said yet. */
export function repeatAnswer(desk: WorkerDesk, taskId: TaskId, coordinator: NodeId): Promise<void> | undefined {
  const { consent, ended, refusal } = desk.book.find(taskId) ?? {};
  if (consent !== undefined) return tell(desk, { kind: 'consent', taskId, signed: consent });
  if (refusal !== undefined) return repeatRefusal(desk, taskId, coordinator, refusal);
  return ended === undefined ? undefined : Promise.resolve();
}

/** Fetches, checks, traces, judges, fixes the data, consents. Once a task, whatever comes of it. */
export async function consider(desk: WorkerDesk, taskId: TaskId, coordinator: NodeId): Promise<void> {
  const { book, chain, control, data, signer, stopped: signal } = desk;
  const onChain = await chain.task(taskId);
  if (onChain === null || onChain.status !== 'open' || onChain.coordinator !== coordinator) return;
  let fetched: ControlAnswers['fetch'];
  try {
    fetched = await control().call(coordinator, { kind: 'fetch', taskId }, { signal });
  } catch (error) {
    if (isNodeError(error, 'TASK_NOT_INVITED'))
      book.log(taskId, { type: 'ended', status: 'ignored', reason: 'not invited' });
    return;
  }
  const { signed } = fetched;
  let plan: Plan;
  try {
    plan = await understand(desk, fetched, { taskId, coordinator, specHash: onChain.specHash });
  } catch (error) {
    return refuse(desk, taskId, coordinator, refusalOf(error));
  }
  book.log(taskId, { type: 'understood', taskId, signed, plan });
  const answer = await decide({ taskId, signed, plan, self: signer.id }, data, {
    signal,
    onChecking: () => report(desk, taskId, 'checking', 'fixing and checking the data'),
  });
  if (answer.type === 'refuse') return refuse(desk, taskId, coordinator, answer);
  const { consent, keys } = answer;
  const signature = await signConsent(signer, chain.info.domain, { taskId, consentHash: consentHash(consent) });
  const given: SignedConsent = { consent, signature };
  book.log(taskId, { type: 'consented', signed: given, ...(keys.length === 0 ? {} : { keys }) });
  for (const { table, key, warnings } of keys) {
    for (const warning of warnings) book.say(taskId, 'warning', `${table} by ${key}: ${warning}`);
  }
  watchDeadlines(desk, taskId);
  await tell(desk, { kind: 'consent', taskId, signed: given });
}

/** The plan of a program, if all that was handed out belongs together. @throws {NodeError} of whatever is wrong with it. */
async function understand(
  desk: WorkerDesk,
  fetched: ControlAnswers['fetch'],
  expected: { taskId: TaskId; coordinator: NodeId; specHash: Hash },
): Promise<Plan> {
  const { chain, signer, stopped, trace } = desk;
  const { spec } = fetched.signed;
  checkFetched(fetched, { ...expected, self: signer.id, domain: chain.info.domain });
  const plan = await trace(fetched.program, stopped);
  if (planHash(plan) !== spec.planHash) throw mismatch('the program traces to another plan than the spec names');
  checkProtocol(backendOf(desk, spec.protocol), plan, spec);
  return plan;
}

async function refuse(
  { book, control, stopped }: WorkerDesk,
  taskId: TaskId,
  coordinator: NodeId,
  { code, reasons }: Refusal,
): Promise<void> {
  if (stopped.aborted) return;
  book.log(taskId, { type: 'refused', code, reasons });
  book.say(taskId, 'refused', `${code}: ${reasons[0]?.message ?? ''}`);
  await control().call(coordinator, { kind: 'refuse', taskId, code, reasons }, { signal: stopped });
}

/** A refusal may have been lost. It is for the coordinator of the task alone, whom the chain names. */
async function repeatRefusal(
  { chain, control, stopped }: WorkerDesk,
  taskId: TaskId,
  coordinator: NodeId,
  refusal: Refusal,
): Promise<void> {
  if ((await chain.task(taskId))?.coordinator !== coordinator) return;
  await control().call(coordinator, { kind: 'refuse', taskId, ...refusal }, { signal: stopped });
}
