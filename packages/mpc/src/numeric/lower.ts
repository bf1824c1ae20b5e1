/** Lowers the operations on numbers that are more than one gate. @module */
import type { PlanNode, ValueType } from '@2pm/core';
import type { CircuitBuilder } from '../circuit.ts';
import { exp, isDivisible, isSupported, log, quotient, type Range, reciprocal, sigmoid, sqrt } from './elementary.ts';
import { absolute, greater, greatest, least, lesser } from './extrema.ts';

const ELEMENTARY = {
  'reciprocal/1': reciprocal,
  'sqrt/1': sqrt,
  'exp/1': exp,
  'log/1': log,
  'sigmoid/1': sigmoid,
} as const;

export interface Operands {
  /** The gate of an argument, in words. */
  gate(arg: number): number;
  /** The same at the finer scale of the first two arguments and as long as the result; comparable within ±2^62. */
  comparable(arg: number): number;
  /** An argument that all know. */
  number(arg: number): number;
  type(arg: number): ValueType;
}

/** The gate of a node, or undefined if it is none of these operations or cannot be computed on that range. */
export function lowerNumeric(
  b: CircuitBuilder,
  node: PlanNode,
  length: number,
  operands: Operands,
): number | undefined {
  const { op, args, attrs, type } = node;
  const [x = -1, y = -1, ...others] = args;
  if (type.kind !== 'shared') return undefined;
  switch (op) {
    case 'rescale/1':
      return b.truncate(operands.gate(x), scaleOf(operands.type(x)) - type.fractionBits);
    case 'minimum/1':
      return lesser(b, operands.comparable(x), operands.comparable(y));
    case 'maximum/1':
      return greater(b, operands.comparable(x), operands.comparable(y));
    case 'abs/1':
      return absolute(b, operands.gate(x));
    case 'min/1':
      return least(b, operands.comparable(x));
    case 'max/1':
      return greatest(b, operands.comparable(x)).value;
    case 'argmax/1':
      return greatest(b, operands.comparable(x)).place;
    case 'reciprocal/1':
    case 'sqrt/1':
    case 'exp/1':
    case 'log/1':
    case 'sigmoid/1': {
      const from = operands.type(x);
      if (from.kind !== 'shared') return undefined;
      const range: Range = {
        ...{ lo: BigInt(from.lo), hi: BigInt(from.hi) },
        ...{ from: from.fractionBits, to: type.fractionBits },
      };
      const name = op.slice(0, -2) as 'reciprocal' | 'sqrt' | 'exp' | 'log' | 'sigmoid';
      return isSupported(name, range) ? ELEMENTARY[op](b, operands.gate(x), range) : undefined;
    }
    case 'div/1': {
      const [a, divisor] = [operands.type(x), operands.type(y)];
      if (a.kind !== 'shared' || divisor.kind !== 'shared') return undefined;
      const range: Range = {
        ...{ lo: BigInt(divisor.lo), hi: BigInt(divisor.hi) },
        ...{ from: divisor.fractionBits, to: type.fractionBits },
      };
      const most = [BigInt(a.hi), -BigInt(a.lo)].reduce((one, other) => (one > other ? one : other));
      const division = { range, most, from: a.fractionBits };
      return isDivisible(division) ? quotient(b, operands.gate(x), operands.gate(y), division) : undefined;
    }
    case 'dot/1': {
      const [vector, ...columns] = [x, y, ...others].map(operands.gate);
      return b.matmul(b.concat(columns), vector ?? -1, b.at(vector ?? -1).length);
    }
    case 'combine/1': {
      const [weights, ...columns] = [x, y, ...others].map(operands.gate);
      return b.matmul(b.transpose(b.concat(columns), columns.length), weights ?? -1, columns.length);
    }
    case 'repeat/1':
      return b.repeat(operands.gate(x), length);
    case 'slice/1':
      return b.slice(operands.gate(x), (attrs.offset ?? 0) + (args.length > 1 ? operands.number(y) : 0), length);
    case 'concat/1':
      return b.concat(args.map(operands.gate));
    case 'transpose/1':
      return b.transpose(operands.gate(x), attrs.rows ?? 1);
    case 'matmul/1':
      return b.matmul(operands.gate(x), operands.gate(y), attrs.inner ?? 1);
    case 'as-int/1':
    case 'unstack/1':
      return operands.gate(x);
    default:
      return undefined;
  }
}

function scaleOf(type: ValueType): number {
  return 'fractionBits' in type ? type.fractionBits : 0;
}
