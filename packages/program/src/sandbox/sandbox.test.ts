import { planHash } from '@2pm/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PackedPlan } from '../language/packed.ts';
import { startInterpreter } from './interpreter.ts';
import { readPlan, traceInSandbox, traceToPacked } from './trace-in-sandbox.ts';

function program(body: string): Uint8Array {
  return new TextEncoder().encode(`import { defineTask, int, repeat, table } from '@2pm/program';
export default defineTask({
  name: 'small',
  tables: { t: table({ x: int({ min: 0, max: 9 }) }, { maxRows: 100 }) },
  roles: { h: { min: 2, max: 2, tables: ['t'] } },
  run({ each, reveal }) {
    const x = each('h', ({ t }) => t.x.sum()).total();
${body}
  },
});`);
}

describe('the line of an operation', () => {
  it("is read from the interpreter's own stack, whose places in memory are those of its build", async () => {
    const { lineReader } = await startInterpreter(2 ** 24, 2 ** 16, 'program.ts');
    expect(lineReader).toBeDefined();
  });

  it('is that of the innermost call of the program, through generators, callbacks, getters and loops', async () => {
    const plan = await traceInSandbox(
      program(`    let y = x
      .add(1)
      .mul(
        x.sub(5),
      );
    function* more() {
      yield y.add(2);

      yield y.add(3);
    }
    for (const one of more()) y = y.maximum(one);
    [4, 5].forEach((n) => {
      y = y.minimum(n);
    });
    const held = { get z() { return y.add(6); } };
    y = held.z;
    class Own {
      #w = y.add(7);
      get() { return this.#w; }
    }
    y = new Own().get();
    y = repeat(2, y, (s) =>
      s.minimum(8));
    return reveal(y.clip(0,
      9), { to: 'analyst' });`),
    );
    const lines = plan.nodes.map(({ op, line, args }) => {
      const constant = plan.nodes[args[1] ?? -1]?.type;
      const number = constant?.kind === 'constant' ? ` ${constant.value}` : '';
      return [`${op.split('/')[0]}${number}`, line] as const;
    });
    const at = (what: string) => lines.filter(([op]) => op === what).map(([, line]) => line);
    expect(at('total')).toEqual([7]);
    expect(at('add 1')).toEqual([9]);
    expect(at('sub 5')).toEqual([11]);
    expect(at('mul')).toEqual([10]);
    expect([...at('add 2'), ...at('add 3')]).toEqual([14, 16]);
    expect(at('maximum')).toEqual([18, 18]);
    expect([...at('minimum 4'), ...at('minimum 5')]).toEqual([20, 20]);
    expect([at('add 6'), at('add 7'), at('minimum 8')]).toEqual([[22], [25], [30]]);
    expect([at('iterate'), at('maximum 0'), at('reveal')]).toEqual([[29], [31], [31]]);
  });

  it('is found in functions with more code than a byte can step over', async () => {
    const body = Array.from({ length: 3000 }, (_, i) => `    const a${i} = x.add(${i});${'\n'.repeat(i % 7)}`).join(
      '\n',
    );
    const plan = await traceInSandbox(program(`${body}\n return reveal(a0, { to: 'analyst' });`));
    let line = 7;
    const expected = Array.from({ length: 3000 }, (_, i) => {
      line += 1;
      const own = line;
      line += i % 7;
      return own;
    });
    const found = plan.nodes.filter(({ op }) => op === 'add/1').map((node) => node.line);
    expect(found).toEqual(expected);
  });
});

describe('what leaves the sandbox', () => {
  let packed: PackedPlan;
  beforeAll(async () => {
    packed = await traceToPacked(program("    return reveal(x.mul(3).add(1), { to: 'analyst', minGroupSize: 5 });"));
  });

  it('is a plan', async () => {
    expect(readPlan(packed).nodes.length).toBeGreaterThan(5);
  });

  it('is refused or another plan where a number of it is another', () => {
    const honest = planHash(readPlan(packed));
    const place = fc.nat(packed.words.length - 1);
    fc.assert(
      fc.property(place, fc.oneof(fc.nat(20), fc.nat(2 ** 32 - 1)), (at, word) => {
        const words = packed.words.slice();
        words[at] = word;
        expect(verdict({ ...packed, words })).toMatch(packed.words[at] === word ? honest : notOf(honest));
      }),
    );
    const bounded = readPlan(packed).nodes.flatMap(({ type }, i) => ('lo' in type ? [2 * i, 2 * i + 1] : []));
    fc.assert(
      fc.property(fc.constantFrom(...bounded), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (at, bound) => {
        const bounds = packed.bounds.slice();
        bounds[at] = bound;
        expect(verdict({ ...packed, bounds })).toMatch(bound === packed.bounds[at] ? honest : notOf(honest));
      }),
    );
  });

  it.each<[string, Partial<PackedPlan> | ((packed: PackedPlan) => Partial<PackedPlan>)]>([
    ['no JSON', { head: '{' }],
    ['nothing', { head: 'null' }],
    ['no head', { head: '{}' }],
    ['a head with more', ({ head }) => ({ head: head.replace('{', '{"more":1,') })],
    ['no shapes', ({ head }) => ({ head: head.replace('"shapes"', '"forms"') })],
    ['an unknown operation', ({ head }) => ({ head: head.replace('"total/1"', '"total/9"') })],
    ['no nodes', { words: new Uint32Array(0), bounds: new BigInt64Array(0) }],
    ['words too many', ({ words }) => ({ words: Uint32Array.of(...words, 0) })],
    ['words too few', ({ words }) => ({ words: words.slice(0, -1) })],
    ['bounds too few', ({ bounds }) => ({ bounds: bounds.slice(0, -2) })],
    ['half a pair of bounds', ({ bounds }) => ({ bounds: bounds.slice(0, -1) })],
    ['more than there may be', { bounds: new BigInt64Array(4_000_000) }],
  ])('is refused where there is %s', (_, change) => {
    const changed = { ...packed, ...(typeof change === 'function' ? change(packed) : change) };
    expect(verdict(changed)).toMatch(/^(?:PLAN|CODEC|PROGRAM)_/);
  });
});

/** The hash of the plan, or the code of its refusal. */
function verdict(packed: PackedPlan): string {
  try {
    return planHash(readPlan(packed));
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

function notOf(hash: string): RegExp {
  return new RegExp(`^(?!${hash})(?:0x|PLAN_|CODEC_)`);
}
