export { rpcCall } from '../json-rpc.ts';
export { anvilBinary } from './binary.ts';
export { type EmbeddedChain, type EmbeddedChainOptions, startEmbeddedChain } from './embedded-chain.ts';
export { type RpcProxy, type RpcProxyOptions, startRpcProxy } from './rpc-proxy.ts';
export { type Anvil, type AnvilOptions, startAnvil } from './supervisor.ts';
