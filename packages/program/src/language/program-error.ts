/** What is wrong with a program, and at which of its lines. Has the shape of core's NodeError without its schema library. @module */
import { callerLine } from './line.ts';

export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly code: string;
  readonly fault = 'caller';
  readonly retryable = false;
  readonly fix: string | undefined;
  readonly privateDetail = undefined;
  /** 1-based line of the analyst's program; 0 where no single line is to blame. */
  readonly line: number;

  constructor(code: string, message: string, options: { line: number; fix?: string | undefined }) {
    const said = onOneLine(message);
    super(options.line > 0 ? `line ${options.line}: ${said}` : said);
    this.code = code;
    this.fix = options.fix === undefined ? undefined : onOneLine(options.fix);
    this.line = options.line;
  }
}

/** What a program calls things may not end a line, nor turn one around: the next one would be of its own making. */
function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** Throws at the line of the program that called into the language. */
export function fail(code: `PROGRAM_${string}`, message: string, fix?: string): never {
  throw new ProgramError(code, message, { line: callerLine(), fix });
}
