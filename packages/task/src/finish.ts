/** What the recipient does with opened values: the public end of a plan, in double precision, from opened values alone. @module */

import { assert, type Plan, type PlanNode, type ResultTree } from '@2pm/core';
import type { ResultNode } from '@2pm/core/api';
import { chiSquareP, studentTP } from './distributions.ts';

/** Opened values by reveal node; null where withheld. */
export type Opened = ReadonlyMap<number, readonly (bigint | null)[]>;

/** Evaluates the result tree. Vectors of length 1 become single values; exact integers beyond 2^53 become strings. */
export function finish(plan: Plan, opened: Opened): ResultNode {
  const numbers = new Map<number, (number | null)[]>();

  const valuesOf = (index: number): (number | null)[] => {
    const known = numbers.get(index);
    if (known !== undefined) return known;
    const node = plan.nodes[index];
    assert(node !== undefined, `node ${index} exists`);
    const { type } = node;
    let values: (number | null)[];
    if (type.kind === 'opened') {
      const integers = opened.get(index);
      assert(integers !== undefined, `node ${index} was opened`);
      values = integers.map((value) => (value === null ? null : Number(value) / 2 ** type.fractionBits));
    } else if (type.kind === 'constant') {
      values = [Number(type.value) / 2 ** type.fractionBits];
    } else {
      assert(type.kind === 'public', `node ${index} is public`);
      const args = node.args.map(valuesOf);
      values = vectorOf(node, args);
    }
    numbers.set(index, values);
    return values;
  };

  const render = (tree: ResultTree): ResultNode => {
    if (typeof tree !== 'number') {
      return Object.fromEntries(Object.entries(tree).map(([name, child]) => [name, render(child)]));
    }
    const exact = opened.get(tree);
    const type = plan.nodes[tree]?.type;
    const values: (number | string | null)[] =
      exact !== undefined && type?.kind === 'opened' && type.fractionBits === 0
        ? exact.map((value) =>
            value === null || isSafe(value) ? (value === null ? null : Number(value)) : String(value),
          )
        : valuesOf(tree).map((value) => (value === null || Number.isFinite(value) ? value : null));
    return values.length === 1 ? (values[0] ?? null) : values;
  };
  return render(plan.result);
}

function vectorOf({ op, attrs }: PlanNode, args: readonly (number | null)[][]): (number | null)[] {
  const [first = []] = args;
  switch (op) {
    case 'sum/1':
    case 'cumsum/1':
    case 'cumprod/1':
      return accumulate(op, first);
    case 'slice/1':
      return first.slice(attrs.offset ?? 0, (attrs.offset ?? 0) + (attrs.length ?? 0));
    case 'concat/1':
      return args.flat();
    default:
      return Array.from({ length: Math.max(...args.map((arg) => arg.length)) }, (_, i) => {
        const operands = args.map((arg) => arg[arg.length === 1 ? 0 : i]);
        if (operands.some((operand) => operand === null || operand === undefined)) return null;
        return evaluate(op, operands as number[]);
      });
  }
}

/** Null from the first withheld value on. */
function accumulate(op: string, values: readonly (number | null)[]): (number | null)[] {
  let sum: number | null = op === 'cumprod/1' ? 1 : 0;
  const all = values.map((value) => {
    sum = sum === null || value === null ? null : op === 'cumprod/1' ? sum * value : sum + value;
    return sum;
  });
  return op === 'sum/1' ? all.slice(-1) : all;
}

function evaluate(op: string, [a = Number.NaN, b = Number.NaN]: number[]): number {
  switch (op) {
    case 'add/1':
      return a + b;
    case 'sub/1':
      return a - b;
    case 'mul/1':
      return a * b;
    case 'div/1':
      return a / b;
    case 'neg/1':
      return -a;
    case 'sqrt/1':
      return Math.sqrt(a);
    case 'chi-square-p/1':
      return chiSquareP(a, b);
    case 'student-t-p/1':
      return studentTP(a, b);
    default:
      assert(false, `${op} has no public form`);
  }
}

function isSafe(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
}
