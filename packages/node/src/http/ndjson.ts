/** An async iterable as NDJSON: pulled only as fast as the reader takes it, stopped when the reader goes. @module */
import { publicError } from '@2pm/core';

export function ndjson(
  open: (signal: AbortSignal) => AsyncIterable<unknown>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  let items: AsyncIterator<unknown> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          items ??= open(gone.signal)[Symbol.asyncIterator]();
          const { done, value } = await items.next();
          if (gone.signal.aborted) return;
          if (done) controller.close();
          else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
        } catch (error) {
          if (gone.signal.aborted) return;
          // The status line is long gone: the error is the last line.
          onError(error);
          controller.enqueue(encoder.encode(`${JSON.stringify({ error: publicError(error) })}\n`));
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
