export { blake3Messages } from '../blake3/items.ts';
export { type KernelFunctions, Kernels, loadKernels, pieces, putStream } from './kernels.ts';
