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
  receiveWordProducts,
  type Sent,
  sendBitProducts,
  sendBits,
  sendSixteen,
  sendWordProducts,
  WORD_PRODUCT_BYTES,
  WORD_TRANSFERS,
} from './products.ts';
export { type SilentOtContext, SilentOtReceiver, SilentOtSender, silentOtMessageBytes } from './silent.ts';
