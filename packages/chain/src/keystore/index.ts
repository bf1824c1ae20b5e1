export { addressOfKeyFile, readKeyFile, writeKeyFile } from './key-file.ts';
export { type AnalystKeyPair, changePassphrase, createKeystore, type Keystore, openKeystore } from './keystore.ts';
export { decryptSecret, encryptSecret, SCRYPT_N, SecretStorage } from './secret-storage.ts';
