import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { selfSignedCertificate, spkiHash, tlsKeyPair } from './certificate.ts';

it('makes certificates that OpenSSL reads back, signed by the very key they carry', () => {
  for (let round = 0; round < 20; round++) {
    const { privateKeyPem, spkiHash: published } = tlsKeyPair();
    const made = selfSignedCertificate(privateKeyPem);
    const certificate = new X509Certificate(made.pem);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true);
    expect(spkiHash(certificate.publicKey)).toBe(published);
    expect(made.spkiHash).toBe(published);
    expect(certificate.subject).toBe('CN=2pm-node');
    expect(certificate.issuer).toBe('CN=2pm-node');
    expect(Date.parse(certificate.validFrom)).toBe(Date.UTC(2020, 0, 1));
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(9999);
  }
});

it('refuses keys of another kind and what is no key, without quoting it', () => {
  const other = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  for (const pem of [other, 'a secret that is no key', '']) {
    expect(() => selfSignedCertificate(pem)).toThrow(expect.objectContaining({ code: 'P2P_TLS_KEY' }));
    expect(() => selfSignedCertificate(pem)).not.toThrow('a secret');
  }
});
