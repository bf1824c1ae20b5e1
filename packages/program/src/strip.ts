/**
 * TypeScript to JavaScript by blanking the types out: lines and columns stay. A program is one UTF-8 file of at most 1 MB.
 * @module
 */
import { ProgramError } from './language/program-error.ts';

export const MAX_SOURCE_BYTES = 1_000_000;

/**
 * @throws {ProgramError} `PROGRAM_SIZE`, `PROGRAM_ENCODING`, `PROGRAM_SYNTAX` with line and column, `PROGRAM_LIMIT`.
 */
export async function stripTypes(source: Uint8Array): Promise<string> {
  if (source.length > MAX_SOURCE_BYTES) {
    throw new ProgramError('PROGRAM_SIZE', `the program has ${source.length} bytes, more than 1,000,000`, { line: 0 });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(source);
  } catch {
    throw new ProgramError('PROGRAM_ENCODING', 'the program is not UTF-8 text', { line: 0 });
  }
  const { transformSync } = await loadStripper();
  try {
    return transformSync(text, { mode: 'strip-only', module: true, filename: 'program.ts' }).code;
  } catch (error) {
    const { code, message, startLine, startColumn } = (error ?? {}) as Record<string, unknown>;
    if (code === undefined) {
      // No verdict on the text: the stripper itself broke, by nesting too deep for its stack.
      throw new ProgramError('PROGRAM_LIMIT', 'the program is nested too deeply', { line: 0 });
    }
    const line = typeof startLine === 'number' ? startLine : 0;
    const column = typeof startColumn === 'number' ? `, column ${startColumn + 1}` : '';
    const problem = typeof message === 'string' ? message.slice(0, 300) : 'not TypeScript';
    throw new ProgramError('PROGRAM_SYNTAX', `${problem}${column}`, { line });
  }
}

/** Loaded when first needed: it is 3.7 MB. */
export function loadStripper() {
  return import('@swc/wasm-typescript');
}
