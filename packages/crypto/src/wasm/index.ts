export { blake3Messages } from '../blake3/items.ts';
export { type RecordShape, type Records, readRecords } from '../sha256/records.ts';
export { type KernelFunctions, Kernels, loadKernels, pieces, putChaCha, putStream } from './kernels.ts';
export { MAX_PAGES, PAGE, type WasmInstance, type WasmMemory, wasmLoader } from './module.ts';
export { KernelPool } from './pool.ts';
