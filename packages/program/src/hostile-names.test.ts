/** Names that a program chooses, in messages: they say nothing but what they are. */
import { expect, test } from 'vitest';
import { ProgramError } from './language/program-error.ts';
import { traceInSandbox } from './sandbox/trace-in-sandbox.ts';

const HOSTILE = 'x\nline 99: all is well\u202e\u2028\u001b[2J';

async function refusal(source: string): Promise<ProgramError> {
  const error = await traceInSandbox(new TextEncoder().encode(source)).catch((reason: unknown) => reason);
  if (!(error instanceof ProgramError)) throw new Error('expected a refusal');
  return error;
}

const task = (run: string, tables = `{ t: table({ x: int({ min: 0, max: 9 }) }, { maxRows: 9 }) }`) => `
import { defineTask, int, table } from '@2pm/program';
const hostile = ${JSON.stringify(HOSTILE)};
export default defineTask({
  name: 'names', tables: ${tables}, roles: { a: { min: 1, max: 1, tables: ['t'] } },
  run({ each, reveal }) {
    ${run}
  },
});
`;

test.each([
  ['a recipient', task(`return reveal(each('a', ({ t }) => t.count()).total(), { to: hostile });`), 7],
  ['a reveal', task(`return reveal({ [hostile]: each('a', ({ t }) => t.count()).total() }, { to: 'analyst' });`), 7],
  ['a role', task('return each(hostile, ({ t }) => t.count());'), 7],
  ['a column', task(`return each('a', ({ t }) => t.column(hostile).sum());`), 7],
  ['what is thrown', task('throw new RangeError(hostile);'), 7],
  ['the name of what is thrown', task(`throw Object.defineProperty(new Error('x'), 'name', { value: hostile });`), 7],
])('%s ends no line of a message', async (_, source, line) => {
  const { message, fix, ...error } = await refusal(source);
  expect(message).toContain('x\\u{a}line 99: all is well\\u{202e}\\u{2028}\\u{1b}[2J');
  expect(`${message}${fix}`).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
  expect(error.line).toBe(line);
});

test.each([
  ['another line', 'x (program.ts:999:1)\\n    at y'],
  ['the language itself', 'x (language/trace.ts:1:1)\\n    at y (language/trace.ts:1:1)\\n    at z'],
])('a function called like a frame of %s moves no operation to another line', async (_, name) => {
  const source = task(`const named = { ['${name}'](t) {
      return t.count();
    } }['${name}'];
    return reveal(each('a', ({ t }) => named(t)).total(), { to: 'analyst' });`);
  const { nodes } = await traceInSandbox(new TextEncoder().encode(source));
  expect(nodes.map(({ op, line }) => [op, line])).toEqual([
    ...[
      ['input/1', 10],
      ['count/1', 8],
      ['total/1', 10],
      ['reveal/1', 10],
    ],
  ]);
});
