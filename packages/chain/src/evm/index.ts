export { type Deployment, type DeployOptions, deployContracts } from './deploy.ts';
export { type EvmChainOptions, evmChain } from './evm-chain.ts';
export type { FinalityPolicy } from './log-source.ts';
