/** The process in which a hostile program may do its worst. Loads everything, says so, then traces what it is sent. @module */
import { isNodeError } from '@2pm/core';
import { type ProgramError, traceToPacked } from '@2pm/program';

const WARM_UP = "import { defineTask } from '@2pm/program';\nexport const warm: unknown = defineTask;\n";

await traceToPacked(new TextEncoder().encode(WARM_UP)).catch(() => undefined);

process.on('message', (source) => {
  void answer(source as Uint8Array).then((reply) => process.send?.(reply));
});
process.send?.({ type: 'ready' });

async function answer(source: Uint8Array) {
  try {
    return { type: 'plan', ...(await traceToPacked(source)) };
  } catch (error) {
    if (!isNodeError(error)) return { type: 'error', code: 'PROGRAM_LIMIT', message: 'the sandbox broke', line: 0 };
    const { code, message, fix, line } = error as unknown as ProgramError;
    return { type: 'error', code, message, line, ...(fix === undefined ? {} : { fix }) };
  }
}
