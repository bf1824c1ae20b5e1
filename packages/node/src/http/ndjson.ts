/**
 * An async iterable as NDJSON: pulled only as fast as the reader takes it, stopped when the reader goes. While there is
 * nothing to say an empty line goes out now and then, because clients and proxies give up on a silent connection (`fetch`
 * of Node.js after five minutes).
 * @module
 */
import { publicError } from '@2pm/core';

export function ndjson(
  open: (signal: AbortSignal) => AsyncIterable<unknown>,
  onError: (error: unknown) => void,
  quietMs = 15_000,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  let items: AsyncIterator<unknown> | undefined;
  let pending: Promise<IteratorResult<unknown>> | undefined;
  const line = (value: unknown) => encoder.encode(`${JSON.stringify(value)}\n`);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          items ??= open(gone.signal)[Symbol.asyncIterator]();
          pending ??= items.next();
          const next = await within(pending, quietMs);
          if (gone.signal.aborted) return;
          if (next === undefined) return controller.enqueue(encoder.encode('\n'));
          pending = undefined;
          if (next.done) controller.close();
          else controller.enqueue(line(next.value));
        } catch (error) {
          if (gone.signal.aborted) return;
          // The status line is long gone: the error is the last line.
          onError(error);
          controller.enqueue(line({ error: publicError(error) }));
          controller.close();
        }
      },
      async cancel() {
        gone.abort();
        await items?.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Undefined when it takes longer; a rejection that comes later is found by whoever waits again. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  promise.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
