/** Branded identifiers. Made only by a parser at the edge, so inside they are facts. @module */
import { z } from 'zod';
import type { Hex } from './bytes.ts';

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A node: the secp256k1 address of its signing key, lower case. Printed as `did:pkh:eip155:<chain>:<address>`. */
export type NodeId = Brand<Hex, 'NodeId'>;
/** A task: keccak256 of (domain, coordinator, nonce), see `ledger`. */
export type TaskId = Brand<Hex, 'TaskId'>;
/** 32 bytes that name something: spec, plan, program, roster, record. */
export type Hash = Brand<Hex, 'Hash'>;

export const NodeId: z.ZodType<NodeId> = z
  .string()
  .regex(/^0x[0-9a-f]{40}$/, 'expected a lower-case 20-byte address')
  .transform((text) => text as NodeId);
export const Hash: z.ZodType<Hash> = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/, 'expected 32 bytes in lower-case hexadecimal')
  .transform((text) => text as Hash);
export const TaskId: z.ZodType<TaskId> = Hash.transform((hash) => hash as unknown as TaskId);
/** 65-byte secp256k1 signature r ‖ s ‖ v with v ∈ {27, 28} and low s. */
export const Signature: z.ZodType<Hex> = z
  .string()
  .regex(/^0x[0-9a-f]{128}(?:1b|1c)$/, 'expected a 65-byte signature')
  .transform((text) => text as Hex);
export const HexBytes: z.ZodType<Hex> = z
  .string()
  .regex(/^0x(?:[0-9a-f]{2})*$/, 'expected lower-case hexadecimal')
  .transform((text) => text as Hex);

export const ZERO_HASH = `0x${'00'.repeat(32)}` as Hash;
