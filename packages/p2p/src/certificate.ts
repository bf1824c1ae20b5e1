/**
 * The TLS key and its certificate. The certificate is an envelope that TLS asks for: nobody reads its names or dates, the
 * key in it is what the signed node record pins (`keys.tls`), so it never expires and is the same bytes up to the
 * signature. P-256, because every TLS 1.3 stack has it (RFC 8446 §9.1) and OpenSSL signs with it fastest.
 *
 * The few DER fields (RFC 5280 §4.1) are written here; reading is left to OpenSSL.
 * @module
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { concatBytes, type Hash, NodeError, toHex } from '@2pm/core';

export interface TlsKeyPair {
  /** PKCS #8, PEM, P-256. */
  privateKeyPem: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo: `keys.tls` of the node record. */
  spkiHash: Hash;
}

export interface Certificate {
  pem: string;
  spkiHash: Hash;
}

export function tlsKeyPair(): TlsKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    spkiHash: spkiHash(publicKey),
  };
}

export function spkiHash(publicKey: KeyObject): Hash {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return toHex(createHash('sha256').update(spki).digest()) as Hash;
}

/** Self-signed certificate for the key. @throws {NodeError} `P2P_TLS_KEY` when it is not a P-256 key in PKCS #8 PEM. */
export function selfSignedCertificate(privateKeyPem: string): Certificate {
  const privateKey = readPrivateKey(privateKeyPem);
  const publicKey = createPublicKey(privateKey);
  const hash = spkiHash(publicKey);
  // Serial numbers are positive and not zero; the first bytes of the key's hash serve, as nobody else issues.
  const serial = concatBytes(new Uint8Array([1]), Buffer.from(hash.slice(2, 18), 'hex'));
  const toBeSigned = sequence(
    element(0xa0, integer(new Uint8Array([2]))),
    integer(serial),
    ECDSA_WITH_SHA256,
    NAME,
    VALIDITY,
    NAME,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, element(0x03, new Uint8Array([0]), signature));
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return { pem: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`, spkiHash: hash };
}

function readPrivateKey(pem: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The parser's own error may quote what it read.
  }
  if (key?.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  throw new NodeError('P2P_TLS_KEY', 'the TLS key is not a P-256 private key in PKCS #8 PEM', {
    fault: 'caller',
    fix: 'Make a new TLS key and publish its hash in the node record.',
  });
}

function element(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const content = concatBytes(...contents);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concatBytes(new Uint8Array([tag, ...size]), content);
}

function sequence(...contents: Uint8Array[]): Uint8Array {
  return element(0x30, ...contents);
}

function integer(bytes: Uint8Array): Uint8Array {
  return element(0x02, bytes);
}

const ascii = (text: string) => new TextEncoder().encode(text);
/** OID 1.2.840.10045.4.3.2 */
const ECDSA_WITH_SHA256 = sequence(element(0x06, new Uint8Array([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])));
/** One attribute, commonName (OID 2.5.4.3). */
const NAME = sequence(
  element(0x31, sequence(element(0x06, new Uint8Array([0x55, 0x04, 0x03])), element(0x0c, ascii('2pm-node')))),
);
/** The end date is RFC 5280 §4.1.2.5's way to say "no well-defined expiration date". */
const VALIDITY = sequence(element(0x17, ascii('200101000000Z')), element(0x18, ascii('99991231235959Z')));
