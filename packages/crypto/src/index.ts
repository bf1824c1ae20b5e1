export { commit, commitWith, OPENING_BYTES, verifyCommitment } from './commitment.ts';
export { type HpkeKeyPair, hpkeKeyPair, openSealed, seal } from './hpke.ts';
export { type InclusionProof, merkleRoot, proveInclusion, verifyInclusion } from './merkle.ts';
export { Prg, type PrgDomain, SEED_BYTES } from './prg.ts';
export {
  commandDigests,
  signAbort,
  signAttestation,
  signConsent,
  signCreate,
  signLeave,
  signRegister,
  signRevoke,
  signRotate,
  signStart,
  signUpdate,
} from './signature/commands.ts';
export { addressOf, generatePrivateKey, localSigner, recoverSigner, verifySignature } from './signature/ecdsa.ts';
export {
  type CommandType,
  commandDigest,
  domainSeparator,
  personalDigest,
  rosterHash,
  taskId,
} from './signature/eip712.ts';
export { keccak256 } from './signature/keccak.ts';
export { isReason, reasonBytes32, reasonText } from './signature/reason.ts';
export { type TranscriptBinding, TranscriptChannel } from './transcript.ts';
