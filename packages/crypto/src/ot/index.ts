export {
  type BaseOtContext,
  type BaseOtReceiver,
  type BaseOtSender,
  baseOtReceiver,
  baseOtSender,
} from './base.ts';
export { BASE_COUNT, extendReceiver, extendSender, hashCorrelations } from './extension.ts';
export {
  KEPT_SETUP_BYTES,
  KeptOtReceiver,
  KeptOtSender,
  type KeptSession,
  keptOtReceiver,
  keptOtSender,
} from './kept.ts';
