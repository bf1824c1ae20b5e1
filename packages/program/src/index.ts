export { checkPlan } from './check-plan.ts';
export { describePlan } from './describe.ts';
export {
  bool,
  category,
  combine,
  concat,
  date,
  defineTask,
  dotEach,
  type Each,
  fixed,
  type Groups,
  int,
  type Joined,
  type KeyedRows,
  key,
  type LocalColumn,
  type LocalTable,
  type LocalVector,
  matrix,
  mean,
  type OpenedVector,
  type Precision,
  type PsiOptions,
  type PublicVector,
  passes,
  type RevealOptions,
  SharedMatrix,
  type SharedVector,
  standardDeviation,
  type Task,
  table,
  variance,
} from './language/index.ts';
export { ProgramError } from './language/program-error.ts';
export { trace } from './language/task.ts';
export {
  parsePlan,
  SANDBOX_LIMITS,
  type SandboxLimits,
  traceInSandbox,
  traceToJson,
} from './sandbox/trace-in-sandbox.ts';
export { MAX_SOURCE_BYTES, stripTypes } from './strip.ts';
