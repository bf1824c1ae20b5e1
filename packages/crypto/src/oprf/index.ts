export { PROOF_BYTES } from './dleq.ts';
export { ELEMENT_BYTES, SCALAR_BYTES } from './group.ts';
export { type Blinded, loadOprf, Oprf, type OprfKeyPair, type OprfMode } from './oprf.ts';
