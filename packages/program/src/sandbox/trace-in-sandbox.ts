/**
 * Programs run only here, only to be traced: QuickJS inside WebAssembly, without clock, randomness, input or output, with
 * limits on memory, stack and steps. Steps and not seconds, so that a program is refused on every machine or on none;
 * whoever calls sets the wall clock. What comes out is text, which is checked again as if a stranger had sent it.
 * @module
 */

import type { Plan } from '@2pm/core';
import type { QuickJSContext, QuickJSHandle } from 'quickjs-emscripten-core';
import { checkPlan } from '../check/check-plan.ts';
import type { PackedPlan } from '../language/packed.ts';
import { ProgramError } from '../language/program-error.ts';
import { stripTypes } from '../strip.ts';
import { startInterpreter } from './interpreter.ts';
import { LANGUAGE } from './language.generated.ts';
import { LOCKDOWN, sealed } from './lockdown.ts';
import { unpackPlan } from './unpack-plan.ts';

export interface SandboxLimits {
  /** Bytes that the program may allocate. */
  memoryBytes: number;
  /** At most 64 KiB: beyond, recursion could exhaust the host's stack before the sandbox's. */
  stackBytes: number;
  /** Calls of the interpreter's interrupt hook, which comes about every 10,000 operations. */
  steps: number;
  /** Bytes of the plan on its way out. */
  outputBytes: number;
}

export const SANDBOX_LIMITS: SandboxLimits = {
  memoryBytes: 96 * 2 ** 20,
  stackBytes: 64 * 2 ** 10,
  steps: 10_000,
  outputBytes: 24 * 2 ** 20,
};

const PROGRAM = 'program.ts';
const SEALED = 'language/sealed';

const MODULES: Readonly<Record<string, string>> = { ...LANGUAGE, [SEALED]: sealed(Object.keys(LANGUAGE)) };

const LINES = `export { readLinesWith } from 'language/line.ts';`;

const ENTRY = `import * as program from '${PROGRAM}';
import { traced } from 'language/task.ts';
import { pack } from 'language/packed.ts';
const { head, words, bounds } = pack(traced(program.default));
export { head };
export const numbers = [words.buffer, bounds.buffer];
`;

/**
 * Traces a program. The plan is validated and checked.
 * @throws {ProgramError} `PROGRAM_*` with the line; `PROGRAM_LIMIT` when it ran out of memory, stack or steps.
 */
export async function traceInSandbox(source: Uint8Array, limits: SandboxLimits = SANDBOX_LIMITS): Promise<Plan> {
  return readPlan(await traceToPacked(source, limits), limits);
}

/** Reads and checks a plan that came out of a sandbox. @throws {NodeError} `PLAN_*`, `CODEC_SCHEMA`. */
export function readPlan(packed: PackedPlan, limits: SandboxLimits = SANDBOX_LIMITS): Plan {
  if (packed.head.length + packed.words.byteLength + packed.bounds.byteLength > limits.outputBytes) {
    throw new ProgramError('PROGRAM_SIZE', `the plan has more than ${limits.outputBytes} bytes`, { line: 0 });
  }
  const plan = unpackPlan(packed);
  checkPlan(plan);
  return plan;
}

/** The unchecked plan: for a child process whose parent checks. */
export async function traceToPacked(source: Uint8Array, limits: SandboxLimits = SANDBOX_LIMITS): Promise<PackedPlan> {
  const code = await stripTypes(source);
  const { runtime, context, lineReader } = await startInterpreter(limits.memoryBytes, limits.stackBytes, PROGRAM);
  let steps = 0;
  runtime.setInterruptHandler(() => ++steps > limits.steps);
  let refused: string | undefined;
  runtime.setModuleLoader(
    (name) => {
      const text = name === PROGRAM ? code : Object.hasOwn(MODULES, name) ? MODULES[name] : undefined;
      return text ?? { error: new Error('no such module') };
    },
    (importer, request) => {
      if (importer === 'entry' || importer === 'lines' || importer === SEALED) return request;
      if (importer.startsWith('language/') && request.startsWith('./')) return `language/${request.slice(2)}`;
      if (importer === PROGRAM && request === '@2pm/program') return SEALED;
      refused = request;
      return { error: new Error('a program imports only @2pm/program') };
    },
  );
  try {
    context.unwrapResult(context.evalCode(LOCKDOWN, 'lockdown', { type: 'global', strict: true }));
    if (lineReader !== undefined) {
      const lines = context.unwrapResult(context.evalCode(LINES, 'lines', { type: 'module' }));
      context.unwrapResult(
        context.callFunction(context.getProp(lines, 'readLinesWith'), context.undefined, lineReader),
      );
    }
    const result = context.evalCode(ENTRY, 'entry', { type: 'module' });
    if (refused !== undefined) throw importRefused(code, refused);
    if (result.error !== undefined) throw thrown(context, result.error, () => steps > limits.steps);
    if (runtime.hasPendingJob()) throw asynchronous();
    const head = context.getProp(result.value, 'head');
    if (context.typeof(head) !== 'string') throw asynchronous();
    const numbers = context.getProp(result.value, 'numbers');
    const list = (place: number) => copied(context, context.getProp(numbers, place));
    return { head: context.getString(head), words: new Uint32Array(list(0)), bounds: new BigInt64Array(list(1)) };
  } catch (error) {
    if (error instanceof ProgramError) throw error;
    // The interpreter itself gave up: memory or stack of the WebAssembly instance.
    throw limitReached('memory or stack', 0);
  }
}

function copied(context: QuickJSContext, buffer: QuickJSHandle): ArrayBuffer {
  return context.getArrayBuffer(buffer).value.slice().buffer;
}

function thrown(context: QuickJSContext, error: QuickJSHandle, interrupted: () => boolean): ProgramError {
  if (interrupted()) return limitReached('steps', 0);
  // The program may have thrown anything, with getters of its own: each property is read as text or not at all.
  const text = (name: string): string => {
    if (context.typeof(error) !== 'object') return '';
    const value = context.getProp(error, name);
    return context.typeof(value) === 'string' ? context.getString(value) : '';
  };
  const [name, message, code, fix] = [text('name'), text('message'), text('code'), text('fix')].map((t) =>
    t.slice(0, 500),
  ) as [string, string, string, string];
  const line = lineOfProgram(text('stack'));
  // A getter of the program may have used up what was left.
  if (interrupted()) return limitReached('steps', 0);
  if (name === 'InternalError' && /^(?:out of memory|stack overflow)$/.test(message))
    return limitReached(message, line);
  if (name === 'ProgramError' && /^PROGRAM_[A-Z_]{1,40}$/.test(code)) {
    const [, at, said] = /^line (\d{1,7}): (.*)$/s.exec(message) ?? [undefined, '0', message];
    return new ProgramError(code, said ?? message, { line: Number(at), fix: fix === '' ? undefined : fix });
  }
  if (name === 'SyntaxError' && /stack overflow|out of memory/.test(message)) return limitReached(message, line);
  const absent = /^Could not find export '([^']{1,100})' in module 'language\//.exec(message)?.[1];
  if (absent !== undefined) {
    return new ProgramError('PROGRAM_IMPORT', `@2pm/program exports no "${absent}"`, { line });
  }
  if (name === 'SyntaxError') return new ProgramError('PROGRAM_SYNTAX', message, { line });
  const what = name === '' ? 'the program threw something that is no error' : `${name}: ${message}`;
  return new ProgramError('PROGRAM_THREW', what, { line });
}

function lineOfProgram(stack: string): number {
  return Number(/program\.ts:(\d{1,7})/.exec(stack)?.[1] ?? 0);
}

function limitReached(what: string, line: number): ProgramError {
  return new ProgramError('PROGRAM_LIMIT', `tracing was stopped: ${what}`, {
    line,
    fix: 'A program only describes the computation; keep loops over data out of it',
  });
}

function asynchronous(): ProgramError {
  return new ProgramError('PROGRAM_ASYNC', 'a program runs once, without await, promises or import()', { line: 0 });
}

function importRefused(code: string, request: string): ProgramError {
  const lines = code.split('\n');
  const quoted = lines.findIndex((text) => text.includes(`'${request}'`) || text.includes(`"${request}"`));
  return new ProgramError('PROGRAM_IMPORT', `a program imports only @2pm/program, not "${request.slice(0, 100)}"`, {
    line: quoted + 1,
  });
}
