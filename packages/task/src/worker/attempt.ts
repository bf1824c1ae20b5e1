/** One attempt seen from a member: what it checks before it begins, and what it keeps and says when it is done. @module */
import { consentHash, type Hash, isNodeError, NodeError, type TaskId, type TaskRequest } from '@2pm/core';
import { backendOf } from '../backends.ts';
import { wireError } from '../control.ts';
import type { ControlRequest, Leaf } from '../messages.ts';
import { sealOutputs } from '../release.ts';
import { checkRoster, expectRoster, type Roster, rosterOf } from '../roster.ts';
import { blamed } from './blame.ts';
import { badState } from './book.ts';
import { runAttempt } from './compute.ts';
import { background, type WorkerDesk } from './desk.ts';
import type { WorkerTask } from './log.ts';
import { report, tell } from './tell.ts';

/** How long the start may take to become final here after the coordinator says that it is; less than a call's patience. */
const START_MS = 15_000;
const START_POLL_MS = 100;
const PROGRESS_EVERY_MS = 200;

/** Starts one attempt in the background; the answer only says that it was taken up. */
export async function takeUp(
  desk: WorkerDesk,
  { taskId, signed, plan, consent }: WorkerTask,
  { attempt, consents }: Extract<ControlRequest, { kind: 'attempt' }>,
): Promise<object> {
  const { book, chain, running, signer } = desk;
  if (signed === undefined || plan === undefined || consent === undefined) throw badState('this node did not consent');
  if (isTakenUp(desk, taskId, attempt)) return {};
  const roster = rosterOf(consents, signed.spec, chain.info.domain);
  checkRoster(roster, signed.spec, plan);
  expectRoster(roster, await rosterOnChain(desk, taskId));
  const own = roster.consentHashes[roster.members.indexOf(signer.id)];
  if (own !== consentHash(consent.consent)) throw badState('the roster holds another consent of this node');

  // The same request may have come twice while this one waited.
  if (isTakenUp(desk, taskId, attempt)) return {};
  const previous = running.get(taskId);
  previous?.abort.abort(
    new NodeError('TASK_SUPERSEDED', 'a later attempt has begun', { fault: 'peer', retryable: true }),
  );
  await previous?.done;
  if (isTakenUp(desk, taskId, attempt)) return {};
  book.log(taskId, { type: 'attempted', attempt, consents });
  begin(desk, { taskId, signed, plan, self: signer.id }, roster, attempt);
  return {};
}

/** True for a repeated request. @throws {NodeError} `TASK_STATE` for one that may not be begun. */
function isTakenUp({ book, running }: WorkerDesk, taskId: TaskId, attempt: number): boolean {
  const { attempt: latest, ended, prepared, released } = book.task(taskId);
  if (ended !== undefined) throw badState(`the task has ended: ${ended.status}`);
  if (released !== undefined) throw badState('outputs were released; there is no other attempt');
  if (attempt > latest) return false;
  if (running.get(taskId)?.attempt === attempt || prepared?.attempt === attempt) return true;
  throw badState(`attempt ${attempt} is used up`);
}

/**
 * The roster that this node's own view of the chain has for the task, at the finality that it waits for: the event
 * comes with the stream; where a seen block is enough, the chain is asked at once.
 */
async function rosterOnChain({ book, chain, env, finality, stopped }: WorkerDesk, taskId: TaskId): Promise<Hash> {
  for (let waited = 0; waited < START_MS; waited += START_POLL_MS) {
    const logged = book.task(taskId).rosterHash;
    if (logged !== undefined) return logged;
    const onChain = finality === 'seen' ? await chain.task(taskId) : null;
    if (onChain?.status === 'running') return onChain.rosterHash;
    await env.clock.sleep(START_POLL_MS, stopped);
  }
  throw new NodeError('TASK_NOT_STARTED', 'the start of the task is not final on the chain that this node sees', {
    fault: 'chain',
    retryable: true,
  });
}

/** Computes under the attempt's time limit. Whatever fails is said here and to the coordinator. */
function begin(desk: WorkerDesk, request: TaskRequest, roster: Roster, attempt: number): void {
  const { book, env, running, stopped } = desk;
  const { taskId, signed } = request;
  const abort = new AbortController();
  const timer = env.clock.sleep(signed.spec.limits.attemptMs, abort.signal).then(
    () => abort.abort(new NodeError('TASK_TIMEOUT', 'the attempt took too long', { fault: 'peer', retryable: true })),
    () => undefined,
  );
  const done = prepare(desk, request, roster, attempt, AbortSignal.any([abort.signal, stopped]))
    .catch(async (error) => {
      if (stopped.aborted || isNodeError(error, 'TASK_SUPERSEDED')) return;
      const culprit = blamed(error);
      const wire = wireError(error);
      book.say(taskId, 'failed', `${wire.code}: ${wire.message}`);
      const blame = culprit === undefined ? {} : { culprit };
      await tell(desk, { kind: 'failed', taskId, attempt, error: wire, ...blame });
    })
    .finally(() => {
      abort.abort();
      if (running.get(taskId)?.attempt === attempt) running.delete(taskId);
      return timer;
    });
  running.set(taskId, { attempt, abort, done });
  background(done);
}

/** Computes, seals what this seat puts out, and says that it is ready to let it go. */
async function prepare(
  desk: WorkerDesk,
  request: TaskRequest,
  roster: Roster,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  const { book, env } = desk;
  const { taskId, signed, plan, self } = request;
  let lastProgress = 0;
  const { output, cost, kept } = await runAttempt({
    ...desk,
    ...{ request, roster, attempt, signal, backend: backendOf(desk, signed.spec.protocol) },
    ...{ backbone: env.backbone, rng: env.rng },
    onProgress: (phase, message, done, of) => {
      const now = env.clock.now();
      if (done !== undefined && done !== of && now - lastProgress < PROGRESS_EVERY_MS) return;
      lastProgress = now;
      report(desk, taskId, phase, message, done === undefined || of === undefined ? undefined : { done, of });
    },
  });
  const { leaves, sealed } =
    output === undefined
      ? { leaves: [] as Leaf[], sealed: {} }
      : await sealOutputs({
          ...{ plan, spec: signed.spec, taskId, attempt, seat: self },
          ...{ outputs: output.outputs, rng: env.rng },
        });
  signal.throwIfAborted();
  const result = { attempt, leaves, cost, ...(output === undefined ? {} : { transcript: output.transcript }) };
  book.log(taskId, { type: 'prepared', ...result, sealed, ...(kept.length === 0 ? {} : { kept }) });
  for (const { name, file, rows } of kept) book.say(taskId, 'kept', `${rows} rows of "${name}" in ${file}`);
  book.say(taskId, 'prepared', 'outputs are sealed and wait for the others');
  await tell(desk, { kind: 'prepared', taskId, ...result });
}
