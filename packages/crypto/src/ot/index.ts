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
export {
  BIT_PRODUCT_BYTES,
  choiceBits,
  type PadContext,
  padKey,
  type Received,
  receiveBitProducts,
  receiveBits,
  receiveSixteen,
  type Sent,
  sendBitProducts,
  sendBits,
  sendSixteen,
} from './products.ts';
export { type SilentOtContext, SilentOtReceiver, SilentOtSender, silentOtMessageBytes } from './silent.ts';
