/** What every driver is built from; the drivers themselves have entries of their own. */
export { BLOCK_END, formatCursor, type Position, parseCursor } from './cursor.ts';
export { isEffectOf, subjectOf } from './effect.ts';
export {
  type Block,
  Changes,
  type EventSource,
  eventStream,
  type LocatedEvent,
  type StreamOptions,
} from './event-stream.ts';
