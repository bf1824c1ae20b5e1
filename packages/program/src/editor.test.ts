/** What an editor says of programs that mix what does not go together: the compiler's own words, of one run over all of them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const LANGUAGE = fileURLToPath(new URL('./language/index.ts', import.meta.url));
const COMPILER = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const OPTIONS = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--allowImportingTsExtensions'];

const HEAD = `import { bool, category, defineTask, fixed, int, repeat, table } from '${LANGUAGE}';
const columns = { x: int({ min: 0, max: 9 }), f: fixed({ min: 0, max: 9, fractionBits: 8 }), ok: bool(), c: category(['a', 'b']) };
const tables = { t: table(columns, { maxRows: 9 }) };
const a = { min: 2, max: 2, tables: ['t'] } as const;
const task = { name: 'n', tables, roles: { a, b: a } } as const;
`;
const run = (body: string) => `defineTask({ ...task, run({ each, reveal }) { ${body} } });`;
const COUNT = "const n = each('a', ({ t }) => t.count()).total();";

const WRONG: readonly [what: string, body: string, said: RegExp][] = [
  [
    'a local and a shared value',
    `${COUNT} n.add(each('a', ({ t }) => t.count()).values);`,
    /'LocalVector<"a">'.*'Numeric'/,
  ],
  [
    'a local value revealed',
    `each('a', ({ t }) => reveal(t.x.sum(), { to: 'u' }) as never);`,
    /'LocalVector<"a">'.*SharedVector/,
  ],
  [
    'a local row revealed',
    `reveal(each('a', ({ t }) => t.rows(['x'], { capacity: 3 })).values, { to: 'u' });`,
    /'LocalRows<"a".*SharedVector/,
  ],
  [
    'a column that is not summed up',
    `each('a', ({ t }) => t.x).total();`,
    /'LocalColumn<"number", "a.t".*LocalVector<"a">/,
  ],
  [
    'a shared value as a result',
    `${COUNT} return n;`,
    /'SharedVector<"int">' is not assignable to type '.*OpenedVector/,
  ],
  ['an opened value in secret', `${COUNT} n.add(reveal(n, { to: 'u' }));`, /'OpenedVector'.*'Numeric'/],
  ['a decision by a shared value', `${COUNT} if (n < 3) return;`, /Operator '<'.*'SharedVector<"int">'/],
  ['a number as a condition', `each('a', ({ t }) => t.where(t.x).count());`, /"number".*LocalColumn<"bool"/],
  ['a sum of truth values', `each('a', ({ t }) => t.ok.sum());`, /"bool".*LocalColumn<"number"/],
  ['a choice by a number', `${COUNT} n.select(n, n);`, /'SharedVector<"int">'.*'SharedVector<"bool">'/],
  ['text as a number', `each('a', ({ t }) => t.where(t.f.gt('1.5')).count());`, /'string'.*'number \| bigint/],
  [
    'the number of a step in arithmetic',
    `${COUNT} repeat(3, n, (x, step) => x.mul(1 / (1 + step)));`,
    /Operator '\+'.*'Step'/,
  ],
  [
    'until by a number',
    `${COUNT} repeat(3, n, (x) => x, { until: (x) => x });`,
    /SharedVector<"int">.*SharedVector<"bool">/,
  ],
  ['a step that gives something else', `${COUNT} repeat(3, { n }, ({ n }) => ({ m: n }));`, /Property 'n' is missing/],
  ['a column that there is not', `each('a', ({ t }) => t.nope.sum());`, /'nope' does not exist/],
  [
    'a role that there is not',
    `each('z', ({ t }) => t.count());`,
    /'"z"' is not assignable to parameter of type '"a" \| "b"'/,
  ],
];

const RIGHT: readonly [what: string, body: string][] = [
  [
    'values of several scales',
    `${COUNT} const f = each('a', ({ t }) => t.f.sum()).total(); n.lt(f); f.add(n).mul(0.5);`,
  ],
  [
    'rates and batches by step',
    `${COUNT} repeat(3, n, (x, step) => x.mul(step.map((i) => 1 / (1 + i))), { until: (x) => x.gt(3) });`,
  ],
];

/** By line of the program. */
const said = new Map<number, string>();
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), '2pm-editor-'));
  const file = join(folder, 'program.ts');
  await writeFile(file, `${HEAD}${[...WRONG, ...RIGHT].map(([, body]) => run(body)).join('\n')}\n`);
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [COMPILER, ...OPTIONS, '--pretty', 'false', file], { cwd: folder }, (_, text) =>
      resolve(text),
    );
  });
  let line = 0;
  for (const text of output.split('\n')) {
    line = Number(/^\S*program\.ts\((\d+),/.exec(text)?.[1] ?? line);
    said.set(line, `${said.get(line) ?? ''} ${text}`);
  }
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const lineOf = (place: number) => HEAD.split('\n').length + place;

test.each(WRONG.map(([what, , words], place) => [what, place, words] as const))(
  '%s is an error in words',
  (_, place, words) => {
    expect(said.get(lineOf(place))).toMatch(words);
  },
);

test.each(RIGHT.map(([what], place) => [what, place] as const))('%s are none', (_, place) => {
  expect(said.get(lineOf(WRONG.length + place))).toBeUndefined();
});
