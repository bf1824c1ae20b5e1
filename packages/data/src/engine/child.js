/**
 * The child process: one job at a time, by messages over IPC in structured-clone form, so that results travel as raw
 * typed arrays. Requests: `query`, `records`, `append-begin`, `append-batch`, `append-end`, `abandon`, `interrupt`.
 * @module
 */
// @ts-check
import { loadRecords } from './records.js';
import { failureOf, openSession } from './session.js';

/** @type {import('./engine.ts').Session | undefined} */
let session;

function drop() {
  session?.close();
  session = undefined;
}

// Not awaited: most jobs need none.
loadRecords().catch(() => undefined);

/** @param {any} request */
async function serve(request) {
  switch (request.kind) {
    case 'query':
      session = await openSession(request.limits, request.files);
      try {
        return await session.query(request.statements);
      } finally {
        drop();
      }
    case 'records':
      session = await openSession(request.limits, request.files);
      try {
        return await session.records(request.statement, request.shape);
      } finally {
        drop();
      }
    case 'append-begin':
      session = await openSession(request.limits, request.files);
      return session.appendBegin(request.columns);
    case 'append-batch':
      return session?.appendBatch(request.batch);
    case 'append-end':
      try {
        return await session?.appendEnd(request.target);
      } finally {
        drop();
      }
    case 'abandon':
      return drop();
    default:
      throw new Error('unknown request');
  }
}

process.on('message', async (/** @type {any} */ request) => {
  if (request.kind === 'interrupt') {
    session?.interrupt();
    return;
  }
  try {
    const value = await serve(request);
    process.send?.({ id: request.id, value });
  } catch (error) {
    if (request.kind !== 'query' && request.kind !== 'records') drop();
    process.send?.({ id: request.id, failure: failureOf(error) });
  }
});
// The parent is gone: nobody is left to read a result.
process.on('disconnect', () => process.exit(0));
