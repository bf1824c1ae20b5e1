export { ELEMENT_BYTES, SCALAR_BYTES } from '../group/ristretto255.ts';
export { PROOF_BYTES } from './dleq.ts';
export { type Blinded, loadOprf, Oprf, type OprfKeyPair, type OprfMode } from './oprf.ts';
