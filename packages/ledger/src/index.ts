export { apply, judge } from './apply.ts';
export { type ContractCall, contractCall } from './contract-call.ts';
export { type EventArguments, ledgerEvent, NODE_STATUSES, TASK_STATUSES } from './contract-event.ts';
export { LEDGER_ABI, LEDGER_BYTECODE, LEDGER_CODE_HASH } from './contracts.generated.ts';
export { CONTRACT_ERRORS, type LedgerCode, type Refusal, refusal, refusalOfContract } from './refusal.ts';
export {
  type BlockPoint,
  emptyLedger,
  type LedgerNode,
  type LedgerState,
  nextTaskNonce,
  type Transition,
} from './state.ts';
