import { planHash } from '@2pm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSandbox, type ProgramSandbox } from './sandbox-process.ts';

const text = new TextEncoder();

/** A program whose run() has this body; the body starts on line 6. */
function task(body: string, prelude = ''): string {
  return `import { defineTask, table, int } from '@2pm/program';${prelude}
export default defineTask({
  name: 'hostile', tables: { t: table({ a: int({ min: 0, max: 9 }) }, { maxRows: 10 }) },
  roles: { h: { min: 1, max: 2, tables: ['t'] } },
  run({ each, reveal }) {
${body}
  },
});`;
}

const COUNT = "const n = each('h', ({ t }) => t.count()).total();";
const OPEN = "const r = reveal(n, { to: 'analyst', minGroupSize: 5 });";
const HONEST = `${COUNT} return reveal(n, { to: 'analyst', minGroupSize: 5 });`;

let sandbox: ProgramSandbox;
beforeAll(() => {
  // Half the time that a node grants: what never ends does not end in that either.
  sandbox = createSandbox({ timeoutMs: 1_000 });
});
afterAll(() => sandbox.close());

async function outcome(source: string | Uint8Array): Promise<string> {
  try {
    await sandbox.traceProgram(typeof source === 'string' ? text.encode(source) : source);
    return 'traced';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('a hostile program is refused and the node stays', () => {
  const programs: [what: string, code: string, source: string | Uint8Array][] = [
    ['endless loop', 'PROGRAM_LIMIT', task('for (;;) {}')],
    ['endless loop when loaded', 'PROGRAM_LIMIT', 'while (true) {}'],
    ['endless loop that catches', 'PROGRAM_LIMIT', task('for (;;) { try { for (;;) {} } catch {} }')],
    ['recursion', 'PROGRAM_LIMIT', task('const f = () => f() + 1; f();')],
    ['allocation', 'PROGRAM_LIMIT', task('const a = []; for (;;) a.push(new Array(1000).fill(1));')],
    ['a huge array', 'PROGRAM_LIMIT', task('new Uint8Array(2 ** 31 - 1);')],
    ['a huge string', 'PROGRAM_LIMIT', task("let s = 'x'; for (let i = 0; i < 28; i++) s = s + s; return [...s];")],
    ['regular expression bomb', 'PROGRAM_LIMIT', task("/(a+)+$/.test('a'.repeat(60) + 'b');")],
    [
      'a plan beyond any size',
      // Whichever comes first.
      'PROGRAM_SIZE or PROGRAM_LIMIT',
      task("let x = each('h', ({ t }) => t.count()).total(); for (let i = 0; ; i++) x = x.add(i).sub(i);"),
    ],
    ['prototype pollution', 'PROGRAM_THREW', task(`Object.prototype.min = 2; ${HONEST}`)],
    ['another Array.prototype', 'PROGRAM_THREW', task(`Array.prototype.map = () => []; ${HONEST}`)],
    ['another JSON.stringify', 'PROGRAM_THREW', task(`JSON.stringify = () => '{}'; ${HONEST}`)],
    ['another iterator', 'PROGRAM_THREW', task(`Array.prototype[Symbol.iterator] = function* () {}; ${HONEST}`)],
    ['another global', 'PROGRAM_THREW', task(`globalThis.Map = class {}; ${HONEST}`)],
    ['a getter among the values', 'PROGRAM_THREW', task("return { get x() { throw new TypeError('no'); } };")],
    ['a proxy as result', 'PROGRAM_LIMIT', task('return new Proxy({}, { ownKeys() { for (;;) {} } });')],
    ['a thrown proxy', 'PROGRAM_THREW', task('throw new Proxy({}, { get() { throw 1; } });')],
    ['a thrown null', 'PROGRAM_THREW', task('throw null;')],
    ['a thrown symbol', 'PROGRAM_THREW', "throw Symbol('x');"],
    ['an error with a getter that hangs', 'PROGRAM_LIMIT', 'throw { get name() { for (;;) {} } };'],
    ['an async run', 'PROGRAM_RESULT', task(HONEST).replace('run(', 'async run(')],
    ['await at the top', 'PROGRAM_ASYNC', `await new Promise(() => {});\n${task(HONEST)}`],
    ['a promise left running', 'PROGRAM_ASYNC', task(`Promise.resolve().then(() => { for (;;) {} }); ${HONEST}`)],
    ['the clock', 'PROGRAM_THREW', task(`Date.now(); ${HONEST}`)],
    ['randomness', 'PROGRAM_THREW', task(`Math.random(); ${HONEST}`)],
    ['the bits of a number', 'PROGRAM_THREW', task(`new Float64Array([0 / 0]); ${HONEST}`)],
    ['the bits of a number in a buffer', 'PROGRAM_THREW', task(`new DataView(new ArrayBuffer(8)); ${HONEST}`)],
    ['importing node:fs', 'PROGRAM_IMPORT', `import fs from 'node:fs';\n${task(HONEST)}`],
    ['importing the tracer', 'PROGRAM_IMPORT', `import { Trace } from 'language/trace.ts';\n${task(HONEST)}`],
    ['importing a URL', 'PROGRAM_IMPORT', `import 'https://example.org/x.js';\n${task(HONEST)}`],
    ['import()', 'PROGRAM_ASYNC', task(`import('node:fs').then(() => 0); ${HONEST}`)],
    ['Function from its prototype', 'PROGRAM_THREW', task(`(() => 0).constructor('return 1')(); ${HONEST}`)],
    ['a generator constructor', 'PROGRAM_THREW', task(`(function* () {}).constructor('yield 1')(); ${HONEST}`)],
    ['eval', 'PROGRAM_THREW', task(`eval('1'); ${HONEST}`)],
    ['indirect eval', 'PROGRAM_THREW', task(`(0, globalThis.eval)('1'); ${HONEST}`)],
    ['a forged task', 'PROGRAM_NO_TASK', 'export default { v: 1, nodes: [] };'],
    ['no task', 'PROGRAM_NO_TASK', 'export const x = 1;'],
    ['no JavaScript', 'PROGRAM_SYNTAX', 'export default = ;'],
    ['types that are code', 'PROGRAM_SYNTAX', 'enum A { B }'],
    ['more than a megabyte', 'PROGRAM_SIZE', new Uint8Array(1_000_001).fill(32)],
    ['bytes that are no text', 'PROGRAM_ENCODING', new Uint8Array([0x2f, 0x2f, 0xff, 0xfe, 0x80])],
    ['brackets without end', 'PROGRAM_LIMIT', '['.repeat(500_000)],
    ['a generator without end', 'PROGRAM_LIMIT', task('return [...(function* () { for (;;) yield 1; })()];')],
    ['a loop that finally goes on', 'PROGRAM_LIMIT', task('a: for (;;) try { break a; } finally { continue a; }')],
    ['a BigInt beyond memory', 'PROGRAM_THREW', task('2n ** 100_000_000n;')],
    ['text nested for JSON.parse', 'PROGRAM_LIMIT', task("JSON.parse('['.repeat(1e6));")],
    ['a pattern nested in code', 'PROGRAM_LIMIT', task("new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5));")],
    ['scans that no hook interrupts', 'PROGRAM_LIMIT', task('const a = new Uint8Array(9e7); for (;;) a.indexOf(2);')],
    ['a comparator without order', 'PROGRAM_LIMIT', task('const a = Array(1e5).fill(0); for (;;) a.sort(() => 1);')],
    [
      'a result that doubles at every level',
      'PROGRAM_RESULT',
      task(`${COUNT}${OPEN} let x = r; for (let i = 0; i < 40; i++) x = { a: x, b: x }; return x;`),
    ],
    ['a result that holds itself', 'PROGRAM_RESULT', task('const r = {}; r.a = r; return r;')],
    ['a result that is thenable', 'PROGRAM_RESULT', task(`${COUNT}${OPEN} return { then(f) { f(r); } };`)],
    ['a result under __proto__', 'PROGRAM_NAME', task(`${COUNT}${OPEN} return { ['__proto__']: r };`)],
    ['a column called toString', 'PROGRAM_NAME', task(HONEST).replace('a: int', 'toString: int')],
    ['a role called constructor', 'PROGRAM_NAME', task(HONEST).replace('h: {', 'constructor: {')],
    ['a name that steers terminals', 'PROGRAM_NAME', task(HONEST).replace("'hostile'", "'safe\\u202e\\u001b[2J'")],
    [
      'a task made by its constructor',
      'PROGRAM_THREW',
      `${task(HONEST).replace('export default', 'const t =')}
export default new t.constructor(() => ({ v: 1 }));`,
    ],
    [
      'a handle made by its constructor',
      'PROGRAM_THREW',
      task(`${COUNT} new n.constructor({ trace: { nodes: [] } });`),
    ],
    [
      'another number of members',
      'PROGRAM_THREW',
      task("const e = each('h', ({ t }) => t.count()); new e.constructor(e.values, 'h', 0).total();"),
    ],
    ['a handle without inside', 'PROGRAM_THREW', task(`${COUNT} Object.create(Object.getPrototypeOf(n)).add(1);`)],
    ['other methods for handles', 'PROGRAM_THREW', task(`${COUNT} Object.getPrototypeOf(n).sum = () => n;`)],
    [
      'roles that change when read',
      'PLAN_INVALID',
      task(HONEST, '\nlet i = 0;').replace('max: 2', 'get max() { return ++i; }'),
    ],
    ['an import of itself', 'PROGRAM_IMPORT', `import './program.ts';\n${task(HONEST)}`],
    ['an export that is none', 'PROGRAM_IMPORT', `import { Trace } from '@2pm/program';\n${task(HONEST)}`],
    ['WebAssembly', 'PROGRAM_THREW', task('new WebAssembly.Memory({ initial: 65536 });')],
    [
      'a million reveals',
      'PROGRAM_LIMIT',
      task(`${COUNT} for (let i = 0; i < 1e6; i++) reveal(n, { to: 'analyst', name: 'r' + i });`),
    ],
  ];
  it.each(programs)('%s', async (_, code, source) => {
    expect(code.split(' or ')).toContain(await outcome(source));
  });

  it('an honest program is traced after all of them', async () => {
    expect(await outcome(task(HONEST))).toBe('traced');
  });

  it('an honest program of nearly a megabyte is traced', async () => {
    expect(await outcome(task(`${HONEST} //${'x'.repeat(990_000)}`))).toBe('traced');
  });
});

describe('the sandbox', () => {
  it('lets a program see how deep it may recurse, the same at every node', async () => {
    const probe = task(
      `let d = 0; const f = () => { d++; f(); }; try { f(); } catch {} ${COUNT} return reveal(n.add(d), { to: 'analyst' });`,
    );
    const other = createSandbox({ timeoutMs: 10_000 });
    const plans = [sandbox, other].map((one) => one.traceProgram(text.encode(probe)));
    const [mine, its] = (await Promise.all(plans)).map(planHash);
    expect(mine).toBe(its);
    other.close();
  });

  it('names the line of the program', async () => {
    const source = task("const n = each('h', ({ t }) => t.count()).total();\n return n.add(0.5);");
    const refused = await sandbox.traceProgram(text.encode(source)).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'PROGRAM_FRACTION', line: 7, fault: 'caller' });
    const thrown = await sandbox.traceProgram(text.encode(task('\n\nnull.x;'))).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'PROGRAM_THREW', line: 8 });
  });

  it('stops for an abort and gives its reason', async () => {
    const controller = new AbortController();
    const traced = sandbox.traceProgram(text.encode(task('for (;;) {}')), { signal: controller.signal });
    controller.abort(new Error('not wanted any more'));
    await expect(traced).rejects.toThrow('not wanted any more');
  });
});
