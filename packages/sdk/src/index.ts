export { type AbortOptions, type ConnectOptions, connect, type NodeClient } from './client.ts';
