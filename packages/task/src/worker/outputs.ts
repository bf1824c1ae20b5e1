/** The one release of a task, seen from a member: what it signs, and the sealed bytes that a seat hands out. @module */
import { hashValue, NodeError } from '@2pm/core';
import { signAttestation } from '@2pm/crypto';
import type { ControlAnswers, ControlRequest } from '../messages.ts';
import { checkLeaves, resultRoot, sortLeaves } from '../release.ts';
import { badState } from './book.ts';
import type { WorkerDesk } from './desk.ts';
import type { WorkerTask } from './log.ts';

/** Sealed bytes handed out by one answer. */
const CHUNK_BYTES = 512 * 1024;

/** Signs the result of a prepared attempt; asked again, gives the same signature. */
export async function release(
  { book, chain, signer }: WorkerDesk,
  { taskId, signed, prepared, released }: WorkerTask,
  { attempt, leaves, transcriptRoot }: Extract<ControlRequest, { kind: 'release' }>,
): Promise<ControlAnswers['release']> {
  const root = resultRoot(taskId, attempt, leaves);
  if (released !== undefined) {
    if (released.attempt !== attempt || released.resultRoot !== root || released.transcriptRoot !== transcriptRoot) {
      throw badState('another release of this task was signed already');
    }
    return { attestation: released.attestation };
  }
  if (signed === undefined || prepared?.attempt !== attempt) throw badState(`attempt ${attempt} is not prepared here`);
  checkLeaves(leaves, signed.spec);
  const own = leaves.filter(({ seat }) => seat === signer.id);
  if (hashValue('leaves', own) !== hashValue('leaves', sortLeaves(prepared.leaves))) {
    throw badState('the outputs listed for this seat are not its own');
  }
  if (prepared.transcript !== undefined && prepared.transcript !== transcriptRoot) {
    throw new NodeError('TASK_TRANSCRIPT', 'the seats do not agree on what was said', { fault: 'peer' });
  }
  const attestation = await signAttestation(signer, chain.info.domain, { taskId, resultRoot: root, transcriptRoot });
  book.log(taskId, { type: 'released', attempt, resultRoot: root, transcriptRoot, attestation });
  book.say(taskId, 'released', 'outputs released, result attested');
  return { attestation };
}

/** A piece of what was released. */
export function handOut(
  { released, prepared }: WorkerTask,
  { attempt, recipient, offset }: Extract<ControlRequest, { kind: 'sealed' }>,
): ControlAnswers['sealed'] {
  if (released?.attempt !== attempt) throw badState('nothing was released');
  const bytes = prepared?.sealed[recipient];
  if (bytes === undefined || offset > bytes.length) throw badState('no such output');
  return { bytes: bytes.slice(offset, offset + CHUNK_BYTES), total: bytes.length };
}
