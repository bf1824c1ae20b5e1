import { concatBytes, fromHex, type Hex } from '@2pm/core';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import { hpkeKeyPair, openSealed, seal } from './hpke.ts';

const utf8 = new TextEncoder();
const info = utf8.encode('task 1');
const aad = utf8.encode('node 7');

test('a message sealed elsewhere opens: RFC 9180, appendix A.1.1, sequence number 0', async () => {
  // Origin: RFC 9180 (IETF Trust, code components under the Simplified BSD licence).
  const skRm: Hex = '0x4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8';
  const enc = fromHex('0x37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431');
  const ct = fromHex('0xf938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a');
  const opened = await openSealed(
    skRm,
    fromHex('0x4f6465206f6e2061204772656369616e2055726e'),
    fromHex('0x436f756e742d30'),
    concatBytes(enc, ct),
  );
  expect(new TextDecoder().decode(opened)).toBe('Beauty is truth, truth beauty');
});

test('key pairs are derived as in RFC 9180, appendix A.1.1', async () => {
  const ikmR = fromHex('0x6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037');
  const fixed = { fill: <T extends Uint8Array>(bytes: T) => Object.assign(bytes, ikmR) };
  expect(await hpkeKeyPair(fixed)).toEqual({
    publicKey: '0x3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d',
    privateKey: '0x4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8',
  });
});

test('the recipient opens exactly what was sealed, also from a view into a larger buffer', async () => {
  const keys = await hpkeKeyPair(seededRng(1));
  const plaintext = utf8.encode('..forty-two..').subarray(2, 11);
  const sealed = await seal(keys.publicKey, info, aad, plaintext);
  expect(sealed.length).toBe(32 + plaintext.length + 16);
  const inside = concatBytes(new Uint8Array(3), sealed).subarray(3);
  expect(await openSealed(keys.privateKey, info, aad, inside)).toEqual(new Uint8Array(plaintext));
});

test('another key, info or aad, and any altered or missing byte, are refused', async () => {
  const [keys, other] = [await hpkeKeyPair(seededRng(1)), await hpkeKeyPair(seededRng(2))];
  const sealed = await seal(keys.publicKey, info, aad, utf8.encode('42'));
  const refused = { code: 'HPKE_OPEN_FAILED', fault: 'peer' };
  await expect(openSealed(other.privateKey, info, aad, sealed)).rejects.toMatchObject(refused);
  await expect(openSealed(keys.privateKey, aad, aad, sealed)).rejects.toMatchObject(refused);
  await expect(openSealed(keys.privateKey, info, info, sealed)).rejects.toMatchObject(refused);
  await expect(openSealed(keys.privateKey, info, aad, sealed.subarray(0, 40))).rejects.toMatchObject(refused);
  for (let i = 0; i < sealed.length; i++) {
    const altered = sealed.slice();
    altered[i] = (altered[i] ?? 0) ^ 0x80;
    await expect(openSealed(keys.privateKey, info, aad, altered)).rejects.toMatchObject(refused);
  }
});

test('a recipient key of the wrong length is refused before anything is encrypted', async () => {
  await expect(seal('0x1234', info, aad, new Uint8Array())).rejects.toMatchObject({ code: 'HPKE_BAD_KEY' });
});
