/** The analyst's part, which may live on the coordinator's node: open the outputs, finish in public, write the receipt. @module */
import type { TaskId } from '@2pm/core';
import type { ResultNode } from '@2pm/core/api';
import { backendOf } from '../backends.ts';
import { finish } from '../finish.ts';
import { openShares, sealReceipt } from '../receipt.ts';
import { openOutput, recipientsHeldBy } from '../release.ts';
import { roleSizes } from '../roster.ts';
import { badRequest, type Desk } from './desk.ts';
import { outcomeOf } from './outputs.ts';

/** The analyst's part: opens the outputs, finishes in public, writes the receipt. */
export async function openResult(desk: Desk, taskId: TaskId): Promise<void> {
  const { analyst, chain, signer } = desk;
  const task = desk.book.task(taskId);
  const { ended, opened, submitted } = task;
  if (ended?.phase !== 'settled' || opened !== undefined) return;
  const { signed, plan, program } = submitted;
  const recipient = recipientsHeldBy(signed.spec, analyst.keys)[0];
  if (recipient === undefined) return;
  const roster = desk.book.roster(taskId);
  const { attempt, leaves, resultRoot, transcriptRoot } = outcomeOf(task);
  const shares = await Promise.all(
    signed.spec.seats.map((seat) => {
      const leaf = leaves.find((candidate) => candidate.seat === seat && candidate.recipient === recipient);
      const sealed = task.released.get(seat)?.sealed.find((candidate) => candidate.recipient === recipient)?.bytes;
      if (leaf === undefined || sealed === undefined) throw badRequest(`the output of seat ${seat} is missing`);
      return openOutput({ leaf, sealed, taskId, attempt, privateKey: analyst.hpkePrivateKey });
    }),
  );
  const result: ResultNode = finish(
    plan,
    openShares({
      plan,
      roles: roleSizes(roster),
      seats: signed.spec.seats,
      backend: backendOf(desk, signed.spec.protocol),
      recipient,
      shares,
    }),
  );
  const receipt = await sealReceipt(
    {
      v: 1,
      taskId,
      domain: chain.info.domain,
      signed,
      program,
      plan,
      consents: roster.consents,
      attempt,
      leaves,
      transcriptRoot,
      resultRoot,
      attestations: roster.members.flatMap((member) => {
        const signature = task.released.get(member)?.attestation;
        return signature === undefined ? [] : [{ member, signature }];
      }),
      recipient,
      shares,
      result,
      settlement: { tx: ended.tx, block: ended.block },
    },
    (digest) => signer.sign(digest),
  );
  desk.book.log(taskId, { type: 'opened', result, receipt });
  desk.book.say(taskId, 'opened', 'the analyst opened the result');
}
