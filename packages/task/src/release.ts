/**
 * How results leave: each seat commits to its output shares with a fresh opening, seals shares and opening to the
 * recipient (HPKE, RFC 9180), and only the commitments and the hashes of the sealed bytes are known to anyone else. All
 * members sign the Merkle root over these leaves. Leakage to the coordinator and the chain: number and length of outputs.
 * @module
 */
import {
  type AnalystKeys,
  Bytes,
  decode,
  encode,
  type Hash,
  type Hex,
  hashValue,
  NodeError,
  type NodeId,
  type Plan,
  type Rng,
  sha256Bytes,
  type TaskId,
  type TaskSpec,
  toHex,
} from '@2pm/core';
import { merkleRoot, openSealed, seal } from '@2pm/crypto';
import { z } from 'zod';
import type { Leaf } from './messages.ts';

/** What a seat hands to one recipient. `opening` makes the commitment hiding: results are small, bare hashes invert. */
export const OutputShare = z.strictObject({
  taskId: z.string(),
  attempt: z.number().int(),
  seat: z.string(),
  outputs: z.array(z.tuple([z.number().int(), Bytes])),
  opening: Bytes.refine((bytes) => bytes.length === 32, 'expected 32 bytes'),
});
export type OutputShare = z.infer<typeof OutputShare>;

const INFO = new TextEncoder().encode('2pm/output/1');

export function commitmentOf(share: OutputShare): Hash {
  return hashValue('2pm/output-share/1', share) as Hash;
}

/** Reveal nodes of a plan that go to this recipient, ascending. */
export function revealsTo(plan: Plan, recipient: string): number[] {
  return plan.nodes.flatMap((node, index) => (node.op === 'reveal/1' && node.attrs.to === recipient ? [index] : []));
}

/** Seals one seat's outputs for every recipient. Call once an attempt: each call draws fresh openings. */
export async function sealOutputs(options: {
  plan: Plan;
  spec: TaskSpec;
  taskId: TaskId;
  attempt: number;
  seat: NodeId;
  outputs: ReadonlyMap<number, Uint8Array>;
  rng: Rng;
}): Promise<{ leaves: Leaf[]; sealed: Record<string, Uint8Array> }> {
  const { plan, spec, taskId, attempt, seat, outputs, rng } = options;
  const leaves: Leaf[] = [];
  const sealed: Record<string, Uint8Array> = {};
  for (const [recipient, keys] of Object.entries(spec.recipients)) {
    const share: OutputShare = {
      taskId,
      attempt,
      seat,
      outputs: revealsTo(plan, recipient).map((node) => {
        const bytes = outputs.get(node);
        if (bytes === undefined)
          throw new NodeError('TASK_OUTPUT_MISSING', `no output for node ${node}`, { fault: 'node' });
        return [node, bytes];
      }),
      opening: rng.fill(new Uint8Array(32)),
    };
    const commitment = commitmentOf(share);
    const bytes = await seal(keys.hpke, INFO, aad(taskId, commitment), encode(share));
    sealed[recipient] = bytes;
    leaves.push({ seat, recipient, commitment, sealedHash: toHex(sha256Bytes(bytes)) as Hash });
  }
  return { leaves, sealed };
}

/** @throws {NodeError} `TASK_SEALED_OUTPUT` when bytes, commitment and leaf do not belong together. */
export async function openOutput(options: {
  leaf: Leaf;
  sealed: Uint8Array;
  taskId: TaskId;
  attempt: number;
  privateKey: Hex;
}): Promise<OutputShare> {
  const { leaf, sealed, taskId, attempt, privateKey } = options;
  checkSealed(leaf.seat, sealed, leaf.sealedHash);
  const share = decode(
    await openSealed(privateKey, INFO, aad(taskId, leaf.commitment), sealed),
    OutputShare,
    'output share',
  );
  checkShare(leaf, share, taskId, attempt);
  return share;
}

/** What anyone can tell of sealed bytes. @throws {NodeError} `TASK_SEALED_OUTPUT`. */
export function checkSealed(seat: string, sealed: Uint8Array, sealedHash: Hash): void {
  if (toHex(sha256Bytes(sealed)) !== sealedHash) throw badOutput(seat, 'is not what the members signed');
}

/** @throws {NodeError} `TASK_SEALED_OUTPUT`. */
export function checkShare(leaf: Leaf, share: OutputShare, taskId: TaskId, attempt: number): void {
  if (commitmentOf(share) !== leaf.commitment) throw badOutput(leaf.seat, 'does not open its commitment');
  if (share.taskId !== taskId || share.attempt !== attempt || share.seat !== leaf.seat) {
    throw badOutput(leaf.seat, 'belongs to another run');
  }
}

/** @throws {NodeError} `TASK_LEAVES` unless there is exactly one leaf for each seat and recipient, in canonical order. */
export function checkLeaves(leaves: readonly Leaf[], spec: TaskSpec): void {
  const expected = spec.seats.flatMap((seat) =>
    Object.keys(spec.recipients).map((recipient) => `${seat} ${recipient}`),
  );
  const found = leaves.map(({ seat, recipient }) => `${seat} ${recipient}`);
  if (expected.sort().join() !== found.join()) {
    throw new NodeError('TASK_LEAVES', 'the outputs do not belong to the seats and recipients of the spec', {
      fault: 'peer',
    });
  }
}

export function sortLeaves(leaves: readonly Leaf[]): Leaf[] {
  const key = ({ seat, recipient }: Leaf) => `${seat} ${recipient}`;
  return [...leaves].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

export function resultRoot(taskId: TaskId, attempt: number, leaves: readonly Leaf[]): Hash {
  return merkleRoot(leaves.map((leaf) => encode({ taskId, attempt, ...leaf })));
}

export function recipientsHeldBy(spec: TaskSpec, keys: AnalystKeys): string[] {
  return Object.keys(spec.recipients).filter((name) => spec.recipients[name]?.hpke === keys.hpke);
}

function aad(taskId: TaskId, commitment: Hash): Uint8Array {
  return encode([taskId, commitment]);
}

function badOutput(seat: string, problem: string): NodeError {
  return new NodeError('TASK_SEALED_OUTPUT', `the output of seat ${seat} ${problem}`, { fault: 'peer' });
}
