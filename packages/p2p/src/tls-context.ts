/**
 * One TLS configuration for both roles, and the one fact taken from a finished handshake: the hash of the peer's key.
 * OpenSSL has by then verified that the peer holds that key (CertificateVerify, RFC 8446 §4.4.3).
 * @module
 */
import { constants } from 'node:crypto';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Hash } from '@2pm/core';
import { selfSignedCertificate, spkiHash } from './certificate.ts';
import { ALPN } from './hello.ts';

export function tlsContext(privateKeyPem: string): SecureContextOptions & { spkiHash: Hash } {
  const certificate = selfSignedCertificate(privateKeyPem);
  return {
    key: privateKeyPem,
    cert: certificate.pem,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    secureOptions: constants.SSL_OP_NO_TICKET,
    spkiHash: certificate.spkiHash,
  };
}

/** Hash of the key that the other end proved to hold in this very handshake; undefined when there was no such proof. */
export function provenKey(socket: TLSSocket): Hash | undefined {
  if (socket.isSessionReused() || socket.alpnProtocol !== ALPN) return undefined;
  try {
    const certificate = socket.getPeerX509Certificate();
    return certificate === undefined ? undefined : spkiHash(certificate.publicKey);
  } catch {
    // A certificate with a key that OpenSSL cannot read pins nobody.
    return undefined;
  }
}
