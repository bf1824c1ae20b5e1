export { type MemoryChain, type MemoryFaults, memoryChain } from './memory-chain.ts';
