/**
 * Typed structured data (EIP-712) for the flat structs of `COMMAND_TYPES`, and personal messages (EIP-191). Each member
 * is one 32-byte word, so encoding is concatenation; nested structs, strings and arrays are not needed and refused.
 * @module
 */
import {
  type ChainDomain,
  COMMAND_TYPES,
  concatBytes,
  fromHex,
  type Hash,
  type Hex,
  NodeError,
  type NodeId,
  type TaskId,
  toHex,
} from '@2pm/core';
import { keccak256 } from './keccak.ts';

export type CommandType = keyof typeof COMMAND_TYPES;
type Values = Record<string, Hex | number | bigint>;

const utf8 = new TextEncoder();
const DOMAIN_TYPE = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';

/** What a wallet is shown to sign: keccak256(0x1901 ‖ domainSeparator ‖ hashStruct). 32 bytes. */
export function commandDigest(domain: ChainDomain, type: CommandType, values: Values): Uint8Array {
  return keccak256(
    concatBytes(Uint8Array.of(0x19, 0x01), domainSeparator(domain), structHash(COMMAND_TYPES[type], values)),
  );
}

/** hashStruct of the domain; wider than `ChainDomain`, so that published vectors can be checked. */
export function domainSeparator(domain: {
  name: string;
  version: string;
  chainId: number;
  verifyingContract: Hex;
}): Uint8Array {
  return keccak256(
    concatBytes(
      keccak256(utf8.encode(DOMAIN_TYPE)),
      keccak256(utf8.encode(domain.name)),
      keccak256(utf8.encode(domain.version)),
      word('uint64', domain.chainId, 'chainId'),
      word('address', domain.verifyingContract, 'verifyingContract'),
    ),
  );
}

/** @throws {NodeError} `SIGNATURE_BAD_VALUE` when `values` does not fit `type` exactly. */
export function structHash(type: string, values: Values): Uint8Array {
  const members = parseType(type);
  const unknown = Object.keys(values).find((name) => !members.some((member) => member.name === name));
  if (unknown !== undefined) throw badValue(unknown, 'is not a member of the type');
  const words = members.map(({ kind, name }) => {
    const value = values[name];
    if (value === undefined) throw badValue(name, 'is missing');
    return word(kind, value, name);
  });
  return keccak256(concatBytes(keccak256(utf8.encode(type)), ...words));
}

/** EIP-191 digest of a personal message: what wallets sign with `personal_sign`. */
export function personalDigest(message: Uint8Array): Uint8Array {
  return keccak256(concatBytes(utf8.encode(`\x19Ethereum Signed Message:\n${message.length}`), message));
}

/** Name of a roster: keccak256(members, each as a 32-byte word ‖ consentHashes). */
export function rosterHash(members: readonly NodeId[], consentHashes: readonly Hash[]): Hash {
  const words = [
    ...members.map((member) => word('address', member, 'member')),
    ...consentHashes.map((hash) => word('bytes32', hash, 'consentHash')),
  ];
  return toHex(keccak256(concatBytes(...words))) as Hash;
}

/** keccak256(abi.encode(chainId, verifyingContract, coordinator, nonce)): unique over chains and deployments. */
export function taskId(domain: ChainDomain, coordinator: NodeId, nonce: number): TaskId {
  const words = [
    word('uint64', domain.chainId, 'chainId'),
    word('address', domain.verifyingContract, 'verifyingContract'),
    word('address', coordinator, 'coordinator'),
    word('uint64', nonce, 'nonce'),
  ];
  return toHex(keccak256(concatBytes(...words))) as TaskId;
}

interface Member {
  kind: string;
  name: string;
}

const parsed = new Map<string, Member[]>();

function parseType(type: string): Member[] {
  let members = parsed.get(type);
  if (members === undefined) {
    const body = /^\w+\((.+)\)$/.exec(type)?.[1];
    if (body === undefined) throw badValue(type, 'is not a struct type');
    members = body.split(',').map((text) => {
      const [kind = '', name = ''] = text.split(' ');
      return { kind, name };
    });
    parsed.set(type, members);
  }
  return members;
}

const HEX_BYTES: Record<string, number> = { address: 20, bytes32: 32 };
const UINT_BITS: Record<string, bigint> = { uint8: 8n, uint64: 64n };

/** One ABI word, big-endian; addresses and integers on the right. */
function word(kind: string, value: Hex | number | bigint, name: string): Uint8Array {
  const out = new Uint8Array(32);
  const length = HEX_BYTES[kind];
  if (length !== undefined) {
    if (typeof value !== 'string' || !/^0x[0-9a-fA-F]*$/.test(value) || value.length !== 2 + 2 * length) {
      throw badValue(name, `is not ${length} bytes in hexadecimal`);
    }
    out.set(fromHex(value), 32 - length);
    return out;
  }
  const bits = UINT_BITS[kind];
  if (bits === undefined) throw badValue(name, `has the type ${kind}, which is not supported`);
  if (typeof value === 'string' || (typeof value === 'number' && !Number.isSafeInteger(value))) {
    throw badValue(name, 'is not an integer');
  }
  const integer = BigInt(value);
  if (integer < 0n || integer >> bits !== 0n) throw badValue(name, `does not fit ${kind}`);
  out.set(fromHex(`0x${integer.toString(16).padStart(64, '0')}`));
  return out;
}

function badValue(name: string, why: string): NodeError {
  return new NodeError('SIGNATURE_BAD_VALUE', `${name} ${why}`, { fault: 'caller' });
}
