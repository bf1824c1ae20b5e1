export {
  bytesToWords,
  concatBytes,
  discard,
  equalBytes,
  fromHex,
  type Hex,
  toHex,
  wordsToBytes,
} from './bytes.ts';
export type {
  AbortCommand,
  ChainCommand,
  ChainConnector,
  ChainDomain,
  ChainHealth,
  ChainItem,
  ChainReceipt,
  CreateCommand,
  Cursor,
  ExpireCommand,
  FinalityLevel,
  LeaveCommand,
  LedgerEvent,
  LedgerTask,
  NodeStatus,
  RegisterCommand,
  RegisteredNode,
  RevokeCommand,
  RotateCommand,
  SettleCommand,
  Signer,
  StartCommand,
  TaskStatus,
  UpdateCommand,
} from './chain.ts';
export { COMMAND_TYPES } from './chain.ts';
export { type Channel, type ChannelStats, channelClosed, channelPair, emptyStats, Inbox } from './channel.ts';
export { Bytes, decode, encode, hashValue, parse, sha256Bytes, taggedHash } from './codec.ts';
export type {
  DataHolder,
  DataSource,
  Decision,
  DeliveredColumn,
  KeyedRows,
  PhysicalType,
  PreparedData,
  SourceSession,
  TableInfo,
  TaskRequest,
} from './data.ts';
export { KeyReport } from './data.ts';
export type { Backbone, Clock, Disk, Env, Journal, JournalEntry, Rng, SessionBinding } from './env.ts';
export {
  assert,
  type Fault,
  isNodeError,
  NodeError,
  type NodeErrorOptions,
  type PublicError,
  publicError,
} from './errors.ts';
export { AnalystKeys, NodeRecord, recordBytesHash, recordHash } from './identity.ts';
export { Hash, HexBytes, NodeId, Signature, TaskId, ZERO_HASH } from './ids.ts';
export { type Loop, Loops } from './loops.ts';
export {
  BIN_POSITIONS,
  type CircuitMatch,
  circuitExits,
  circuitMatch,
  circuitWords,
  cuckooBins,
  taggedJoins,
} from './match.ts';
export {
  Attributes,
  ColumnType,
  deliveredColumns,
  KEY_RULES,
  type KeyField,
  type KeyRule,
  KeyType,
  keyedColumns,
  nodesOf,
  noiseDigits,
  OPERATIONS,
  type Operation,
  Plan,
  PlanNode,
  planHash,
  ResultTree,
  SHARING_OPERATIONS,
  slice,
  TableType,
  ValueType,
} from './plan.ts';
export {
  admitsSeats,
  type CryptoProvider,
  type ProtocolCard,
  type RoleSizes,
  type SeatContext,
  type SeatOutput,
  type SharedBackend,
  seatsOf,
} from './protocol.ts';
export {
  Consent,
  consentHash,
  invitedHash,
  invitedNodes,
  matchingSeats,
  programHash,
  SecurityModel,
  SignedConsent,
  SignedSpec,
  sessionId,
  specHash,
  TaskSpec,
} from './task.ts';
