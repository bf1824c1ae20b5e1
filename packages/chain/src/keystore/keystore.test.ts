import { createPrivateKey, sign, verify } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@2pm/core';
import { recoverSigner } from '@2pm/crypto';
import { seededRng } from '@2pm/testing/seeded-rng';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readKeyFile } from './key-file.ts';
import { changePassphrase, createKeystore, openKeystore } from './keystore.ts';
import { decryptSecret, SecretStorage } from './secret-storage.ts';

const FAST = { scryptN: 2 ** 10 };
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), '2pm-keystore-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

// Web3 Secret Storage Definition, version 3, "Test Vectors" (Ethereum wiki, now ethereum.org documentation, MIT licence).
const PUBLISHED = {
  pbkdf2: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
      ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
      kdf: 'pbkdf2',
      kdfparams: {
        c: 262144,
        dklen: 32,
        prf: 'hmac-sha256',
        salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
      },
      mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
  scrypt: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
      ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
      kdf: 'scrypt',
      kdfparams: {
        dklen: 32,
        n: 262144,
        r: 1,
        p: 8,
        salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
      },
      mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
};

describe('secret storage', () => {
  it('opens the published PBKDF2 vector', async () => {
    const secret = await decryptSecret(SecretStorage.parse(PUBLISHED.pbkdf2), 'testpassword');
    expect(toHex(secret)).toBe('0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d');
  });

  it('refuses the published scrypt vector, whose N is too large for its r by RFC 7914', async () => {
    await expect(decryptSecret(SecretStorage.parse(PUBLISHED.scrypt), 'testpassword')).rejects.toMatchObject({
      code: 'KEYSTORE_MALFORMED',
    });
  });

  it('does not open an altered ciphertext', async () => {
    const altered = structuredClone(PUBLISHED.pbkdf2);
    altered.crypto.ciphertext = altered.crypto.ciphertext.replace('5318', '5319');
    await expect(decryptSecret(SecretStorage.parse(altered), 'testpassword')).rejects.toMatchObject({
      code: 'KEYSTORE_WRONG_PASSPHRASE',
    });
  });

  it('refuses a file whose parameters would take gigabytes to try', () => {
    const hostile = structuredClone(PUBLISHED.scrypt);
    hostile.crypto.kdfparams.n = 2 ** 30;
    expect(SecretStorage.safeParse(hostile).success).toBe(false);
  });
});

describe('keystore', () => {
  it('opens with the same keys that it was made with', async () => {
    const made = await createKeystore(dir, 'correct horse', seededRng(1), FAST);
    const opened = await openKeystore(dir, 'correct horse');
    expect(opened.signer.id).toBe(made.signer.id);
    expect(opened.hpke).toEqual(made.hpke);
    expect(opened.tls).toEqual(made.tls);
    expect(opened.relayerKey).toEqual(made.relayerKey);
    const digest = new Uint8Array(32).fill(7);
    expect(recoverSigner(digest, await opened.signer.sign(digest))).toBe(made.signer.id);
  });

  it('gives a P-256 key that TLS can sign with', async () => {
    const { tls } = await createKeystore(dir, 'x', seededRng(2), FAST);
    const key = createPrivateKey(tls.privateKeyPem);
    expect(key.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    const message = Buffer.from('message');
    expect(verify('sha256', message, tls.privateKeyPem, sign('sha256', message, key))).toBe(true);
  });

  it('writes no key in the clear', async () => {
    const { hpke, relayerKey } = await createKeystore(dir, 'x', seededRng(3), FAST);
    const files = Buffer.concat([readFileSync(join(dir, 'node.json')), readFileSync(join(dir, 'keys.bin'))]);
    for (const secret of [hpke.privateKey.slice(2), toHex(relayerKey).slice(2)]) {
      expect(files.includes(secret)).toBe(false);
      expect(files.includes(Buffer.from(secret, 'hex'))).toBe(false);
    }
  });

  it('refuses a wrong passphrase in plain words', async () => {
    await createKeystore(dir, 'right', seededRng(4), FAST);
    await expect(openKeystore(dir, 'wrong')).rejects.toMatchObject({
      code: 'KEYSTORE_WRONG_PASSPHRASE',
      fault: 'caller',
    });
  });

  it.each(['node.json', 'keys.bin'])('refuses to open when others may read %s', async (name) => {
    await createKeystore(dir, 'x', seededRng(5), FAST);
    expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    chmodSync(join(dir, name), 0o640);
    await expect(openKeystore(dir, 'x')).rejects.toMatchObject({ code: 'KEYSTORE_PERMISSIONS', fix: /chmod 600/ });
  });

  it('never replaces a keystore', async () => {
    await createKeystore(dir, 'x', seededRng(6), FAST);
    await expect(createKeystore(dir, 'x', seededRng(7), FAST)).rejects.toMatchObject({ code: 'KEYSTORE_EXISTS' });
  });

  it('notices that keys.bin was altered or comes from another node', async () => {
    await createKeystore(dir, 'x', seededRng(8), FAST);
    const path = join(dir, 'keys.bin');
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await expect(openKeystore(dir, 'x')).rejects.toMatchObject({ code: 'KEYSTORE_MALFORMED' });
  });

  it('keeps the keys of analysts', async () => {
    const made = await createKeystore(dir, 'x', seededRng(9), FAST);
    const ada = await made.addAnalyst('ada', seededRng(10));
    const opened = await openKeystore(dir, 'x');
    expect(opened.analysts.get('ada')?.signer.id).toBe(ada.signer.id);
    expect(opened.analysts.get('ada')?.hpke).toEqual(ada.hpke);
    await expect(opened.addAnalyst('ada', seededRng(11))).rejects.toMatchObject({ code: 'KEYSTORE_EXISTS' });
  });

  it('opens with the new passphrase only after it was changed, at the standard cost', async () => {
    const { signer } = await createKeystore(dir, 'old', seededRng(12), FAST);
    await changePassphrase(dir, 'old', 'new', seededRng(13));
    await expect(readKeyFile(join(dir, 'node.json'), 'old')).rejects.toMatchObject({
      code: 'KEYSTORE_WRONG_PASSPHRASE',
    });
    expect((await openKeystore(dir, 'new')).signer.id).toBe(signer.id);
    expect(JSON.parse(readFileSync(join(dir, 'node.json'), 'utf8')).crypto.kdfparams.n).toBe(2 ** 17);
  });
});
