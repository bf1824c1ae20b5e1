/** The engine in this process, for simulation: the same jobs and limits of DuckDB, but no crash safety and no kill. @module */
import { rm } from 'node:fs/promises';
import type { Engine, EngineFailure, EngineLimits, OpenSession } from './engine.ts';
import { engineError } from './engine.ts';

const INTERRUPT_MS = 50;

export function inlineEngine(limits: EngineLimits): Engine {
  const load = async () =>
    (await import(new URL('./session.js', import.meta.url).href)) as {
      openSession: OpenSession;
      failureOf: (error: unknown) => EngineFailure;
    };

  async function withSession<T>(
    files: readonly string[],
    signal: AbortSignal | undefined,
    work: (session: Awaited<ReturnType<OpenSession>>) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const { openSession, failureOf } = await load();
    const session = await openSession(limits, files);
    // An interrupt that comes before a statement has begun is forgotten, so it is said until the job has ended.
    let again: NodeJS.Timeout | undefined;
    const interrupt = () => {
      session.interrupt();
      again ??= setInterval(() => session.interrupt(), INTERRUPT_MS);
    };
    const timer = setTimeout(interrupt, limits.wallMs);
    signal?.addEventListener('abort', interrupt);
    try {
      // It may have been aborted while the session was opened, when nobody listened yet.
      signal?.throwIfAborted();
      return await work(session);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof Error && 'code' in error ? error : engineError(failureOf(error));
    } finally {
      clearTimeout(timer);
      clearInterval(again);
      signal?.removeEventListener('abort', interrupt);
      session.close();
    }
  }

  return {
    query: (job, { signal }) => withSession(job.files, signal, (session) => session.query(job.statements)),
    records: (job, { signal }) =>
      withSession(job.files, signal, (session) => session.records(job.statement, job.shape)),
    append: (job, batches, { signal }) =>
      withSession([job.target], signal, async (session) => {
        await session.appendBegin(job.columns);
        for await (const batch of batches) {
          signal?.throwIfAborted();
          session.appendBatch(batch);
        }
        return session.appendEnd(job.target);
      }),
    close: () => rm(limits.tempDirectory, { recursive: true, force: true }),
  };
}
