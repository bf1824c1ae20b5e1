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
    super(options.line > 0 ? `line ${options.line}: ${message}` : message);
    this.code = code;
    this.fix = options.fix;
    this.line = options.line;
  }
}

/** Throws at the line of the program that called into the language. */
export function fail(code: `PROGRAM_${string}`, message: string, fix?: string): never {
  throw new ProgramError(code, message, { line: callerLine(), fix });
}
