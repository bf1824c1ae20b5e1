export { Budget } from './budget.ts';
export { opensCommitment } from './commitment.ts';
export {
  type Contract,
  type LoadedContract,
  type Property,
  type PropertyRule,
  parseContract,
  policyOf,
  type TableRule,
  tableOf,
} from './contract/contract.ts';
export { type DraftRequest, draftContract } from './contract/draft.ts';
export { openContract } from './contract/server.ts';
export { type CheckOptions, checkDataset, checkKey } from './dataset-check.ts';
export { type ChildEngine, childEngine } from './engine/child-engine.ts';
export {
  type AppendJob,
  type AppendType,
  type ColumnBatch,
  DEFAULT_LIMITS,
  type Engine,
  type EngineLimits,
  type QueryJob,
  type ResultColumn,
  type ResultTable,
} from './engine/engine.ts';
export { inlineEngine } from './engine/inline.ts';
export { type DataHolderOptions, dataHolder } from './holder.ts';
export { keyedTable } from './keys/keyed.ts';
export { Lineage } from './lineage.ts';
export { type CompiledLocal, compileLocal, type TableBinding } from './plan-sql.ts';
export { judgeTask, rolesOf } from './policy/judge.ts';
export type { JudgedTask } from './policy/judged-task.ts';
export { OPERATION_GROUPS, Permit, Policy } from './policy/policy.ts';
export type { DatasetReport, QualityCheck } from './quality.ts';
