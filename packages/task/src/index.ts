export type { AnalystSecret } from './coordinator/desk.ts';
export type { Peer } from './coordinator/spec.ts';
export { finish, type Opened } from './finish.ts';
export { COMPUTE_PROTOCOL, CONTROL_PROTOCOL } from './messages.ts';
export { openShares, type ReceiptBody, sealReceipt, type VerifiedReceipt, verifyReceipt } from './receipt.ts';
export { type TaskOptions, Tasks } from './tasks.ts';
