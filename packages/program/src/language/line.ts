/**
 * Lines of the analyst's program, read from error stacks. V8 and QuickJS both end a frame in `file:line:column`, and the
 * type stripper keeps lines, so the line of the JavaScript is the line of the TypeScript.
 * @module
 */

const POSITION = /:(\d+):\d+\)?$/;

/** The folder (or module prefix) of the language itself: its own frames are skipped. */
const OWN = ownFolder(new Error('where').stack ?? '');

function ownFolder(stack: string): string {
  const frame = stack.split('\n').find((line) => POSITION.test(line)) ?? '';
  const open = frame.lastIndexOf('(');
  const location = (open >= 0 ? frame.slice(open + 1) : frame.slice(frame.indexOf('at ') + 3)).replace(POSITION, '');
  return location.slice(0, location.lastIndexOf('/') + 1);
}

/** Line of the innermost frame outside the language; 0 when there is none. */
export function lineOf(stack: string): number {
  for (let start = 0; start < stack.length; ) {
    const newline = stack.indexOf('\n', start);
    const end = newline < 0 ? stack.length : newline;
    const frame = stack.slice(start, end);
    start = end + 1;
    if (frame.includes(OWN) || frame.includes('node:') || frame.includes('<input>')) continue;
    const position = POSITION.exec(frame);
    if (position !== null) return Number(position[1]);
  }
  return 0;
}

let fixed: number | undefined;

/** What the language's own code computes for one line of the program: the stack is read once. `body` calls no program. */
export function atOneLine<Out>(body: () => Out): Out {
  if (fixed !== undefined) return body();
  fixed = callerLine();
  try {
    return body();
  } finally {
    fixed = undefined;
  }
}

let read = (): number => lineOf(new Error('where').stack ?? '');

/** For an engine in which there is something quicker than an error. */
export function readLinesWith(reader: () => number): void {
  read = reader;
}

/** The line at which the program called into the language. */
export function callerLine(): number {
  return fixed ?? read();
}
