/** Node identities and the signed record by which nodes find and authenticate each other. @module */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { z } from 'zod';
import { toHex } from './bytes.ts';
import { encode } from './codec.ts';
import { Hash, HexBytes, NodeId } from './ids.ts';

/**
 * What a node says about itself. Its canonical CBOR is signed by the node key over EIP-712 (`Register` or `Update`, see
 * chain.ts), travels in the registry event, and is named on chain by `recordHash`. At most 1 KiB encoded.
 */
export const NodeRecord = z.strictObject({
  v: z.literal(1),
  node: NodeId,
  /** Starts at 1; a record with a lower number than one already seen is stale. */
  seq: z.number().int().positive(),
  /** Organisation, as text for people. Seats of a task must belong to distinct organisations. */
  org: z.string().min(1).max(64),
  /** `host:port`, in order of preference; empty for a node that only dials out. */
  addresses: z.array(z.string().regex(/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/)).max(4),
  keys: z.strictObject({
    /** SHA-256 of the SubjectPublicKeyInfo of the TLS certificate. */
    tls: Hash,
    /** X25519 public key to which results and shares for this node are sealed (HPKE, RFC 9180). */
    hpke: HexBytes,
  }),
  /** Protocol ids that this node speaks. */
  protocols: z.array(z.string().max(64)).max(32),
});
export type NodeRecord = z.infer<typeof NodeRecord>;

/** Bytes of a record's hash that the registry keeps: as many as share a storage slot with status and sequence number. */
const KEPT_BYTES = 25;

/**
 * What the registry keeps of a record: the first 25 bytes of keccak256 of its canonical bytes, then zeros. It tells
 * which record is current; authenticity comes from the node's signature, which binds the whole keccak256.
 */
export function recordHash(record: NodeRecord): Hash {
  return recordBytesHash(encode(record));
}

/** As `recordHash`, of a record's canonical bytes. */
export function recordBytesHash(bytes: Uint8Array): Hash {
  return toHex(keccak_256(bytes).fill(0, KEPT_BYTES)) as Hash;
}

/** An analyst: signs purposes, opens results. Its public keys stand in the task spec. */
export const AnalystKeys = z.strictObject({ id: NodeId, hpke: HexBytes });
export type AnalystKeys = z.infer<typeof AnalystKeys>;
