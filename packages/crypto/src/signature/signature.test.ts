import { type ChainDomain, COMMAND_TYPES, fromHex, type Hash, type Hex, type NodeId, toHex } from '@2pm/core';
import fc from 'fast-check';
import {
  encodeAbiParameters,
  hashMessage,
  hashTypedData,
  recoverAddress,
  stringToHex,
  keccak256 as viemKeccak,
} from 'viem';
import { privateKeyToAddress } from 'viem/accounts';
import { describe, expect, test } from 'vitest';
import { commandDigests, signAttestation, signConsent, signRegister, signStart } from './commands.ts';
import { generatePrivateKey, localSigner, recoverSigner, verifySignature } from './ecdsa.ts';
import { type CommandType, commandDigest, domainSeparator, personalDigest, rosterHash, taskId } from './eip712.ts';
import { keccak256 } from './keccak.ts';
import { isReason, reasonBytes32, reasonText } from './reason.ts';

const domain: ChainDomain = {
  name: '2PM Node',
  version: '1',
  chainId: 31337,
  verifyingContract: `0x${'c0'.repeat(20)}`,
};
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hex = (length: number) => bytes(length).map(toHex);
const key = bytes(32).filter((k) => k.some((byte) => byte !== 0) && k[0] !== 0xff);
const arbitraryOf: Record<string, fc.Arbitrary<Hex | number | bigint>> = {
  address: hex(20),
  bytes32: hex(32),
  uint8: fc.integer({ min: 0, max: 255 }),
  uint64: fc.bigInt(0n, 2n ** 64n - 1n),
};
const membersOf = (type: string) =>
  (/\((.+)\)/.exec(type)?.[1] ?? '').split(',').map((text) => {
    const [kind = '', name = ''] = text.split(' ');
    return { type: kind, name };
  });
const chance = { numRuns: 25 };

describe('digests', () => {
  test('every command type has the digest that an independent EIP-712 implementation gives', () => {
    for (const type of Object.keys(COMMAND_TYPES) as CommandType[]) {
      const members = membersOf(COMMAND_TYPES[type]);
      const values = fc.record(Object.fromEntries(members.map((m) => [m.name, arbitraryOf[m.type] ?? fc.constant(0)])));
      fc.assert(
        fc.property(values, (message) => {
          const expected = hashTypedData({ domain, types: { [type]: members }, primaryType: type, message } as never);
          expect(toHex(commandDigest(domain, type, message))).toBe(expected);
        }),
        chance,
      );
    }
  });

  test('the domain separator of the EIP-712 example is the published one', () => {
    const separator = domainSeparator({
      name: 'Ether Mail',
      version: '1',
      chainId: 1,
      verifyingContract: '0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC',
    });
    // EIP-712, "Example" (CC0).
    expect(toHex(separator)).toBe('0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f');
  });

  test('the published Mail digest follows from its domain separator and struct hash', () => {
    // EIP-712, "Example" (CC0): hashStruct of the Mail, and the digest that Cow signs.
    const separator = fromHex('0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f');
    const mail = fromHex('0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e');
    expect(toHex(keccak256(Uint8Array.of(0x19, 1, ...separator, ...mail)))).toBe(
      '0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2',
    );
  });

  test('values that do not fit the struct are refused', () => {
    const node = `0x${'11'.repeat(20)}` as const;
    const refused = (values: Record<string, Hex | number | bigint>) =>
      expect(() => commandDigest(domain, 'Leave', values)).toThrow(
        expect.objectContaining({ code: 'SIGNATURE_BAD_VALUE' }),
      );
    refused({ node });
    refused({ node, nonce: 1, more: 1 });
    refused({ node, nonce: -1 });
    refused({ node, nonce: 1.5 });
    refused({ node, nonce: 2n ** 64n });
    refused({ node: '0x11', nonce: 1 });
    refused({ node: 17, nonce: 1 });
    refused({ node, nonce: '0x01' });
  });

  test('personal messages, rosters and task ids agree with independent encodings', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), hex(20), hex(32), fc.nat(), (message, address, hash, nonce) => {
        expect(toHex(personalDigest(message))).toBe(hashMessage({ raw: message }));
        expect(rosterHash([address as NodeId], [hash as Hash])).toBe(
          viemKeccak(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [address, hash])),
        );
        const words = [{ type: 'uint256' }, { type: 'address' }, { type: 'address' }, { type: 'uint64' }] as const;
        const id = encodeAbiParameters(words, [31337n, domain.verifyingContract, address, BigInt(nonce)]);
        expect(taskId(domain, address as NodeId, nonce)).toBe(viemKeccak(id));
      }),
      chance,
    );
  });

  test('a reason survives the way to the chain and back, anything else is refused', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Z0-9_]{1,32}$/), (text) => {
        expect(reasonBytes32(text)).toBe(stringToHex(text, { size: 32 }));
        expect(reasonText(reasonBytes32(text))).toBe(text);
      }),
      chance,
    );
    for (const text of ['', 'lower', 'TWO WORDS', 'X'.repeat(33), 'É']) {
      expect(isReason(text)).toBe(false);
      expect(() => reasonBytes32(text)).toThrow(expect.objectContaining({ code: 'SIGNATURE_BAD_REASON' }));
    }
    for (const word of [`0x${'00'.repeat(32)}`, `0x4100${'41'.repeat(30)}`, '0x41', `0x${'ff'.repeat(32)}`] as const) {
      expect(() => reasonText(word)).toThrow(expect.objectContaining({ code: 'SIGNATURE_BAD_REASON' }));
    }
  });
});

describe('signatures', () => {
  test('a signature recovers to the address of its key, here and in an independent implementation', async () => {
    await fc.assert(
      fc.asyncProperty(key, bytes(32), async (privateKey, digest) => {
        const signer = localSigner(privateKey);
        const signature = await signer.sign(digest);
        expect(signer.id).toBe(privateKeyToAddress(toHex(privateKey)).toLowerCase());
        expect(recoverSigner(digest, signature)).toBe(signer.id);
        expect((await recoverAddress({ hash: toHex(digest), signature })).toLowerCase()).toBe(signer.id);
        expect(verifySignature(digest, signature, signer.id)).toBe(true);
        digest[5] = (digest[5] ?? 0) ^ 1;
        expect(verifySignature(digest, signature, signer.id)).toBe(false);
      }),
      chance,
    );
  });

  test('a malleated, truncated or malformed signature is refused', async () => {
    const digest = new Uint8Array(32).fill(9);
    const signature = await localSigner(new Uint8Array(32).fill(1)).sign(digest);
    const s = BigInt(`0x${signature.slice(66, 130)}`);
    const v = signature.slice(130);
    const highS = (N - s).toString(16).padStart(64, '0');
    const bad: Hex[] = [
      `${signature.slice(0, 66)}${highS}${v === '1b' ? '1c' : '1b'}` as Hex,
      `${signature.slice(0, 130)}00` as Hex,
      `${signature.slice(0, 130)}1d` as Hex,
      signature.slice(0, 130) as Hex,
      `${signature}00`,
      '0x',
      `0x${'00'.repeat(64)}1b`,
      `0x${'ff'.repeat(32)}${'01'.padStart(64, '0')}1b`,
    ];
    for (const one of bad) {
      expect(() => recoverSigner(digest, one), one).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }));
    }
  });

  test('generated keys are usable and follow the generator; bad keys are refused', () => {
    const constant = (byte: number) => ({ fill: <T extends Uint8Array>(out: T) => out.fill(byte) as T });
    expect(localSigner(generatePrivateKey(constant(3))).id).toMatch(/^0x[0-9a-f]{40}$/);
    expect(generatePrivateKey(constant(3))).toEqual(generatePrivateKey(constant(3)));
    expect(generatePrivateKey(constant(3))).not.toEqual(generatePrivateKey(constant(4)));
    for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(31).fill(1)]) {
      expect(() => localSigner(bad)).toThrow(expect.objectContaining({ code: 'SIGNATURE_BAD_KEY' }));
    }
  });

  test('a built command carries the signature of its signer over its own digest', async () => {
    const signer = localSigner(new Uint8Array(32).fill(7));
    const register = await signRegister(signer, domain, { controller: signer.id, record: Uint8Array.of(1), nonce: 1 });
    expect(recoverSigner(commandDigests.register(domain, register), register.signature)).toBe(signer.id);

    const id = taskId(domain, signer.id, 0);
    const hash = toHex(keccak256(Uint8Array.of(2))) as Hash;
    const consent = await signConsent(signer, domain, { taskId: id, consentHash: hash });
    expect(recoverSigner(commandDigests.consent(domain, id, hash), consent)).toBe(signer.id);
    const roster = { taskId: id, members: [signer.id], consentHashes: [hash], consentSignatures: [consent] };
    const start = await signStart(signer, domain, roster);
    expect(recoverSigner(commandDigests.start(domain, start), start.signature)).toBe(signer.id);
    const attestation = await signAttestation(signer, domain, { taskId: id, resultRoot: hash, transcriptRoot: hash });
    expect(recoverSigner(commandDigests.attest(domain, id, hash, hash), attestation)).toBe(signer.id);
    expect(attestation).not.toBe(consent);
  });
});
