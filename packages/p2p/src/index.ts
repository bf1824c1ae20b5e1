export { type Address, parseAddress } from './address.ts';
export { type Certificate, selfSignedCertificate, spkiHash, type TlsKeyPair, tlsKeyPair } from './certificate.ts';
export { type Directory, directory, MAX_RECORD_BYTES, type PeerDirectory, type RecordRefusal } from './directory.ts';
export { DEFAULT_LIMITS, type P2pLimits } from './limits.ts';
export { keyAt } from './probe.ts';
export { type TlsBackbone, type TlsBackboneOptions, tlsBackbone } from './tls-backbone.ts';
