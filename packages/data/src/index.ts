export { childEngine } from './engine/child-engine.ts';
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
export { type CompiledLocal, compileLocal, type TableBinding } from './plan-sql.ts';
