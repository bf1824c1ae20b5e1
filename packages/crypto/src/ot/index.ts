export {
  type BaseOtContext,
  type BaseOtReceiver,
  type BaseOtSender,
  baseOtReceiver,
  baseOtSender,
} from './base.ts';
export { BASE_COUNT, extendReceiver, extendSender, hashCorrelations } from './extension.ts';
