/** The outputs of a prepared attempt: what all members sign, and the sealed bytes that the seats hand out. @module */
import { concatBytes, NodeError, type NodeId, type TaskId } from '@2pm/core';
import { commandDigests, verifySignature } from '@2pm/crypto';
import { checkSealed, resultRoot, sortLeaves } from '../release.ts';
import { asNodeError } from './attempt.ts';
import { badRequest, type Desk } from './desk.ts';
import type { CoordinatorTask } from './log.ts';

/** Of one seat's output for one recipient. */
const MAX_SEALED_BYTES = 256 * 1024 * 1024;

/** @throws {NodeError} `TASK_TRANSCRIPT` when the seats disagree. */
export function outcomeOf(task: CoordinatorTask) {
  const attempt = task.releasing?.attempt ?? 0;
  const leaves = sortLeaves([...task.prepared.values()].flatMap((prepared) => prepared.leaves));
  return {
    attempt,
    leaves,
    transcriptRoot: agreedTranscript(task),
    resultRoot: resultRoot(task.taskId, attempt, leaves),
  };
}

/** Asks every member to release and attest, and fetches what the seats sealed. Repeats until all have answered. */
export async function gatherOutputs(desk: Desk, taskId: TaskId, signal: AbortSignal): Promise<void> {
  const { control } = desk;
  const task = desk.book.task(taskId);
  const { members } = desk.book.roster(taskId);
  const { attempt, leaves, resultRoot: root, transcriptRoot } = outcomeOf(task);
  const digest = commandDigests.attest(desk.chain.info.domain, taskId, root, transcriptRoot);
  desk.book.say(taskId, 'releasing', 'outputs leave, sealed to the recipients');
  await Promise.all(
    members.map(async (member) => {
      for (let pause = 250; !desk.book.task(taskId).released.has(member); pause = Math.min(pause * 2, 4_000)) {
        try {
          const { attestation } = await control().call(
            member,
            { kind: 'release', taskId, attempt, leaves, transcriptRoot },
            { signal },
          );
          if (!verifySignature(digest, attestation, member)) {
            throw new NodeError('TASK_ATTESTATION', `${member} did not sign this result`, { fault: 'peer' });
          }
          const sealed = await Promise.all(
            leaves
              .filter(({ seat }) => seat === member)
              .map(async ({ recipient, sealedHash }) => {
                const bytes = await fetchSealed(desk, member, taskId, attempt, recipient, signal);
                checkSealed(member, bytes, sealedHash);
                return { recipient, bytes };
              }),
          );
          desk.book.log(taskId, { type: 'released', node: member, attestation, sealed });
          desk.book.heard(taskId, member, 'attested', 'released and attested');
        } catch (error) {
          signal.throwIfAborted();
          const cause = asNodeError(error);
          if (!cause.retryable) throw cause;
          await desk.clock.sleep(pause, signal);
        }
      }
    }),
  );
}

async function fetchSealed(
  desk: Desk,
  member: NodeId,
  taskId: TaskId,
  attempt: number,
  recipient: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const request = { kind: 'sealed', taskId, attempt, recipient } as const;
  const chunks: Uint8Array[] = [];
  for (let offset = 0, end = 1; offset < end; ) {
    const { bytes, total } = await desk.control().call(member, { ...request, offset }, { signal });
    if (bytes.length === 0 || total > MAX_SEALED_BYTES) throw badRequest('an output ended early, or is too long');
    chunks.push(bytes);
    offset += bytes.length;
    end = total;
  }
  return concatBytes(...chunks);
}

function agreedTranscript({ prepared, submitted }: CoordinatorTask) {
  const seats = submitted.signed.spec.seats;
  const transcripts = new Set(seats.map((seat) => prepared.get(seat)?.transcript));
  const [transcript] = transcripts;
  if (transcripts.size !== 1 || transcript === undefined) {
    throw new NodeError('TASK_TRANSCRIPT', 'the seats do not agree on what was said', { fault: 'peer' });
  }
  return transcript;
}
