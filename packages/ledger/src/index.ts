export { apply, judge } from './apply.ts';
export { CONTRACT_ERRORS, type LedgerCode, type Refusal, refusal, refusalOfContract } from './refusal.ts';
export {
  type BlockPoint,
  emptyLedger,
  type LedgerNode,
  type LedgerState,
  nextTaskNonce,
  type Transition,
} from './state.ts';
