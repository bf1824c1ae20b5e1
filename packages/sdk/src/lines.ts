/** Splits a byte stream into lines (NDJSON). Empty lines are skipped; a line is at most 1 MiB. @module */
import { NodeError } from '@2pm/core';

const MAX_LINE = 1 << 20;

export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      pending += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const complete = pending.split('\n');
      // Without a closing newline the last line was cut off, unless the stream ended in order.
      pending = done ? '' : (complete.pop() ?? '');
      if (pending.length > MAX_LINE) {
        throw new NodeError('API_BAD_ANSWER', 'a line of the answer is longer than 1 MiB', { fault: 'node' });
      }
      for (const line of complete) if (line !== '') yield line;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
