/**
 * The receipt of a settled task: everything that a stranger needs to check, offline, that these members consented to this
 * spec on this chain, that they attested these outputs, and that the result is what the outputs open to. It discloses the
 * result to whoever holds it. The coordinator signs the whole, so no bit of it can change unnoticed.
 * @module
 */
import {
  Bytes,
  concatBytes,
  decode,
  encode,
  equalBytes,
  fromHex,
  Hash,
  HexBytes,
  NodeError,
  NodeId,
  Plan,
  parse,
  planHash,
  programHash,
  type RoleSizes,
  type SharedBackend,
  Signature,
  SignedConsent,
  SignedSpec,
  TaskId,
  toHex,
} from '@2pm/core';
import { type ResultNode, ResultNode as ResultNodeSchema } from '@2pm/core/api';
import { commandDigests, personalDigest, taskId as taskIdOf, verifySignature } from '@2pm/crypto';
import { z } from 'zod';
import { finish, type Opened } from './finish.ts';
import { Leaf } from './messages.ts';
import { checkLeaves, checkShare, OutputShare, resultRoot, revealsTo } from './release.ts';
import { checkRoster, roleSizes, rosterOf } from './roster.ts';

export const ReceiptBody = z.strictObject({
  v: z.literal(1),
  taskId: TaskId,
  domain: z.strictObject({
    name: z.literal('2PM Node'),
    version: z.literal('1'),
    chainId: z.number().int(),
    verifyingContract: HexBytes,
  }),
  signed: SignedSpec,
  program: Bytes,
  plan: Plan,
  consents: z.array(SignedConsent),
  attempt: z.number().int(),
  leaves: z.array(Leaf),
  transcriptRoot: Hash,
  resultRoot: Hash,
  attestations: z.array(z.strictObject({ member: NodeId, signature: Signature })),
  recipient: z.string(),
  /** What the leaves of this recipient open to, in seat order. */
  shares: z.array(OutputShare),
  result: ResultNodeSchema,
  /** Where the settlement stands. Not checked offline. */
  settlement: z.strictObject({ tx: z.string(), block: z.number().int() }),
});
export type ReceiptBody = z.infer<typeof ReceiptBody>;

const SIGNATURE_BYTES = 65;

/** Canonical CBOR of the body, then the coordinator's signature over it. */
export async function sealReceipt(
  body: ReceiptBody,
  sign: (digest: Uint8Array) => Promise<`0x${string}`>,
): Promise<Uint8Array> {
  const bytes = encode(body);
  return concatBytes(bytes, fromHex(await sign(personalDigest(bytes))));
}

export interface VerifiedReceipt {
  taskId: TaskId;
  name: string;
  purpose: string;
  members: NodeId[];
  coordinator: NodeId;
  chainId: number;
  settlement: { tx: string; block: number };
  result: ResultNode;
}

/**
 * Checks a receipt with nothing but itself. What it cannot tell: that the settlement really stands on the chain.
 * @throws {NodeError} `RECEIPT_INVALID`, with the first check that fails.
 */
export function verifyReceipt(bytes: Uint8Array, backends: readonly SharedBackend[]): VerifiedReceipt {
  try {
    return verify(bytes, backends);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError('RECEIPT_INVALID', `the receipt does not hold: ${why}`, {
      fault: 'caller',
      fix: 'ask the analyst for the receipt again; do not trust the result in this one',
      cause,
    });
  }
}

function verify(bytes: Uint8Array, backends: readonly SharedBackend[]): VerifiedReceipt {
  if (bytes.length <= SIGNATURE_BYTES) throw new Error('it is too short');
  const bodyBytes = bytes.slice(0, -SIGNATURE_BYTES);
  const signature = parse(toHex(bytes.slice(-SIGNATURE_BYTES)), Signature, 'its last part, the signature,');
  const body = decode(bodyBytes, ReceiptBody, 'receipt');
  const { spec } = body.signed;

  ensure(verifySignature(personalDigest(bodyBytes), signature, spec.coordinator), 'the coordinator did not sign it');
  ensure(
    taskIdOf(body.domain, spec.coordinator, spec.nonce) === body.taskId,
    'the task id does not follow from the spec',
  );
  ensure(programHash(body.program) === spec.programHash, 'the program is not the one in the spec');
  ensure(planHash(body.plan) === spec.planHash, 'the plan is not the one in the spec');
  for (const [name, keys] of Object.entries(spec.recipients)) {
    const given = body.signed.signatures[name];
    ensure(
      given !== undefined && verifySignature(personalDigest(encode(spec)), given, keys.id),
      `${name} did not sign the spec`,
    );
  }

  const roster = rosterOf(body.consents, spec, body.domain);
  checkRoster(roster, spec, body.plan);
  ensure(
    roster.consents.every(({ consent }) => consent.taskId === body.taskId),
    'a consent is for another task',
  );

  checkLeaves(body.leaves, spec);
  ensure(
    resultRoot(body.taskId, body.attempt, body.leaves) === body.resultRoot,
    'the outputs do not hash to the result root',
  );
  const digest = commandDigests.attest(body.domain, body.taskId, body.resultRoot, body.transcriptRoot);
  const attesting = new Set(body.attestations.map(({ member }) => member));
  ensure(attesting.size === body.attestations.length, 'a member attests twice');
  for (const { member, signature: attestation } of body.attestations) {
    ensure(roster.members.includes(member), `${member} attests but is no member`);
    ensure(verifySignature(digest, attestation, member), `the attestation of ${member} is not signed by it`);
  }
  const needed = spec.quorum === 0 ? roster.members.length : spec.quorum;
  ensure(attesting.size >= needed, `${attesting.size} of ${needed} attestations are there`);

  const backend = backends.find(({ card }) => card.id === spec.protocol);
  if (backend === undefined) throw new Error(`protocol ${spec.protocol} is unknown here`);
  const opened = openShares({
    plan: body.plan,
    roles: roleSizes(roster),
    seats: spec.seats,
    backend,
    recipient: body.recipient,
    shares: spec.seats.map((seat) => {
      const leaf = body.leaves.find((candidate) => candidate.seat === seat && candidate.recipient === body.recipient);
      const share = body.shares.find((candidate) => candidate.seat === seat);
      if (leaf === undefined || share === undefined) throw new Error(`the output of seat ${seat} is missing`);
      checkShare(leaf, share, body.taskId, body.attempt);
      return share;
    }),
  });
  const recomputed = finish(body.plan, opened);
  ensure(equalBytes(encode(recomputed), encode(body.result)), 'the result is not what the outputs open to');
  return {
    taskId: body.taskId,
    name: body.plan.name,
    purpose: spec.purpose,
    members: roster.members,
    coordinator: spec.coordinator,
    chainId: body.domain.chainId,
    settlement: body.settlement,
    result: body.result,
  };
}

/** Reconstructs every reveal of one recipient from the seats' shares, in seat order. */
export function openShares(options: {
  plan: Plan;
  roles: RoleSizes;
  seats: readonly NodeId[];
  backend: SharedBackend;
  recipient: string;
  shares: readonly OutputShare[];
}): Opened {
  const { plan, roles, backend, recipient, shares } = options;
  return new Map(
    revealsTo(plan, recipient).map((node) => {
      const perSeat = shares.map(({ outputs }) => {
        const found = outputs.find(([index]) => index === node);
        if (found === undefined)
          throw new NodeError('TASK_OUTPUT_MISSING', `no output for node ${node}`, { fault: 'peer' });
        return found[1];
      });
      return [node, backend.open(plan, roles, node, perSeat)];
    }),
  );
}

function ensure(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}
