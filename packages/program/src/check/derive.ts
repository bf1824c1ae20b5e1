/** The type of an operation's result, from its arguments and attributes alone: the catalogue of core's plan.ts as code. @module */
import { noiseDigits, type Plan, type PlanNode, type ValueType } from '@2pm/core';
import { bounds, hull, LIMIT, overlap } from './bounds.ts';
import { bit, categoryWith, inputColumn, localSum, rowCount, rowSum, rows, sharedSum } from './columns.ts';
import { intersected, joined, joinedColumn, keyed, MAX_JOINED, MAX_SETS } from './match.ts';
import { grouped, ordered, quantile, union } from './order.ts';
import {
  as,
  columnOf,
  elementary,
  lengthWithin,
  local,
  product,
  type Shared,
  sameShape,
  shared,
  sharedOf,
  unstacked,
} from './placement.ts';
import { quotientBounds, rescaledBounds } from './ranges.ts';
import { demand } from './refusal.ts';
import { beside, rest } from './rest.ts';
import {
  arithmetic,
  byRecipient,
  compare,
  isReadable,
  logic,
  principal,
  range,
  scaleOf,
  sideBySide,
} from './several-placements.ts';
import { carried, iterated, moved, numbered } from './step.ts';

export function derive(plan: Plan, node: PlanNode): ValueType {
  const { op, attrs } = node;
  const args = node.args.map((arg) => (plan.nodes[arg] as PlanNode).type);
  const arity = (count: number) => demand(args.length === count, `takes ${count} arguments, has ${args.length}`);
  switch (op) {
    case 'constant/1':
      arity(0);
      demand(node.type.kind === 'constant', 'is no constant');
      return node.type;
    case 'input/1': {
      arity(0);
      const table = attrs.table as string;
      const role = node.type.kind === 'table' ? node.type.role : '';
      const brought = Object.hasOwn(plan.roles, role) && plan.roles[role]?.tables.includes(table);
      demand(brought === true, `role ${role} does not bring table ${table}`);
      return { kind: 'table', role, table };
    }
    case 'where/1': {
      arity(2);
      const table = as('table', args[0]);
      const condition = columnOf(args[1], 'bool');
      demand(condition.of === node.args[0], 'the condition is of another table');
      return table;
    }
    case 'column/1':
      arity(1);
      return inputColumn(plan, as('table', args[0]), node.args[0] as number, attrs.name as string);
    case 'count/1': {
      arity(1);
      const of = args[0] as ValueType;
      if (of.kind !== 'table') as('column', of);
      return local(plan, of, 1, 0, rowCount(plan, of));
    }
    case 'histogram/1': {
      arity(1);
      const column = columnOf(args[0], 'int');
      const edges = (attrs.edges as string[]).map(BigInt);
      demand(
        edges.every((edge, i) => i === 0 || edge > (edges[i - 1] as bigint)),
        'the edges do not ascend',
      );
      return local(plan, column, edges.length - 1, 0, rowCount(plan, column));
    }
    case 'count-by/1': {
      arity(1);
      const by = columnOf(args[0], 'category');
      return local(plan, by, (by.values as string[]).length, 0, rowCount(plan, by));
    }
    case 'sum-by/1': {
      arity(2);
      const column = columnOf(args[0], 'int');
      const by = columnOf(args[1], 'category');
      demand(by.of === column.of, 'column and category are of different tables');
      return local(plan, column, (by.values as string[]).length, column.fractionBits, rowSum(plan, column));
    }
    case 'rows/1':
      arity(1);
      return rows(plan, as('table', args[0]), attrs.columns as string[], attrs.capacity as number);
    case 'keyed/1':
      arity(1);
      return keyed(plan, as('table', args[0]), node);
    case 'join/1':
      demand(args.length >= 2 && args.length <= MAX_JOINED, `takes 2 to ${MAX_JOINED} arguments, has ${args.length}`);
      return joined(plan, node, args);
    case 'keep/1': {
      arity(2);
      const rows = as('joined', args[0]);
      const condition = sharedOf(args[1], 'bool');
      demand(condition.stacked === undefined && condition.length === rows.length, 'the condition has another length');
      return rows;
    }
    case 'matched/1':
      arity(1);
      return shared({ length: as('joined', args[0]).length, dtype: 'bool', fractionBits: 0 }, { lo: 0n, hi: 1n });
    case 'joined-column/1':
      arity(1);
      return joinedColumn(plan, node, as('joined', args[0]));
    case 'union/1':
      arity(1);
      return union(plan, node);
    case 'sort/1':
      return ordered(args, attrs.descending as boolean[]);
    case 'head/1': {
      arity(1);
      const rows = as('joined', args[0]);
      demand((attrs.length as number) <= rows.length, 'takes more slots than there are');
      return { ...rows, length: attrs.length as number };
    }
    case 'rank/1': {
      const { length } = ordered(args, attrs.descending as boolean[]);
      demand(args.length > 1, 'takes no key');
      return shared({ length, dtype: 'int', fractionBits: 0 }, { lo: 0n, hi: BigInt(length - 1) });
    }
    case 'quantile/1':
      arity(2);
      return quantile(args, node);
    case 'group-key/1':
    case 'group-count/1':
    case 'group-sum/1':
      arity(op === 'group-sum/1' ? 3 : 2);
      return grouped(op, args, attrs.length as number);
    case 'intersect/1':
      demand(args.length >= 2 && args.length <= MAX_SETS, `takes 2 to ${MAX_SETS} arguments, has ${args.length}`);
      return intersected(plan, node, args);
    case 'total/1': {
      arity(1);
      demand(plan.nodes[node.args[0] as number]?.op !== 'rows/1', 'adds rows of several holders');
      const { length, fractionBits, role, ...from } = as('local', args[0]);
      const members = BigInt(plan.roles[role]?.max ?? 0);
      const { lo, hi } = bounds(from);
      return shared({ length, dtype: 'int', fractionBits }, { lo: lo * members, hi: hi * members });
    }
    case 'stack/1': {
      arity(1);
      const { length, fractionBits, role, ...from } = as('local', args[0]);
      return shared({ length, dtype: 'int', fractionBits, stacked: role }, bounds(from));
    }
    case 'sum/1':
      arity(1);
      if (args[0]?.kind === 'column') return localSum(plan, columnOf(args[0], 'int'));
      if (args[0]?.kind === 'shared') return sharedSum(args[0]);
      return { ...byRecipient(args), length: 1 };
    case 'rescale/1': {
      arity(1);
      const x = sharedOf(args[0], 'int');
      const fractionBits = attrs.fractionBits as number;
      demand(fractionBits < x.fractionBits, 'does not lessen the fraction bits');
      return shared({ ...x, fractionBits }, rescaledBounds(bounds(x), x.fractionBits - fractionBits));
    }
    case 'minimum/1':
    case 'maximum/1': {
      arity(2);
      const lead = principal(args, 'int');
      demand(lead.kind === 'shared', 'does not apply to columns');
      demand(scaleOf(args[0] as ValueType) === scaleOf(args[1] as ValueType), 'the scales differ');
      const [a, b] = [bounds(args[0] as ValueType), bounds(args[1] as ValueType)];
      const [outer, inner] = [hull(a, b), overlap(a, b)];
      return shared(lead, op === 'minimum/1' ? { lo: outer.lo, hi: inner.hi } : { lo: inner.lo, hi: outer.hi });
    }
    case 'abs/1': {
      arity(1);
      const x = sharedOf(args[0], 'int');
      const { lo, hi } = bounds(x);
      if (lo >= 0n) return x;
      return shared(x, hi <= 0n ? { lo: -hi, hi: -lo } : { lo: 0n, hi: hull({ lo, hi }, { lo: -hi, hi: -lo }).hi });
    }
    case 'as-int/1': {
      arity(1);
      const x = sharedOf(args[0], 'bool');
      return shared({ ...x, dtype: 'int' }, bounds(x));
    }
    case 'min/1':
    case 'max/1':
    case 'argmax/1': {
      arity(1);
      const x = unstacked(args[0], 'int');
      if (op !== 'argmax/1') return shared({ ...x, length: 1 }, bounds(x));
      return shared({ dtype: 'int', fractionBits: 0, length: 1 }, { lo: 0n, hi: BigInt(x.length - 1) });
    }
    case 'reciprocal/1':
    case 'exp/1':
    case 'log/1':
    case 'sigmoid/1':
      arity(1);
      return elementary(op, args[0], attrs.fractionBits as number);
    case 'dot/1': {
      const [x, ...others] = args.map((arg) => unstacked(arg, 'int'));
      demand(x !== undefined && others.length > 0, 'takes at least two vectors');
      const ranges = others.map((y) => range('mul/1', bounds(x), bounds(y)));
      const like = others[0] as Shared;
      for (const y of others) {
        sameShape(x, y);
        demand(y.fractionBits === like.fractionBits, 'the scales differ');
      }
      const { lo, hi } = ranges.reduce(hull);
      const n = BigInt(x.length);
      return product(x, like, others.length, { lo: lo * n, hi: hi * n });
    }
    case 'combine/1': {
      const [weights, ...columns] = args.map((arg) => unstacked(arg, 'int'));
      demand(weights !== undefined && weights.length === columns.length, 'takes one weight for each vector');
      const like = columns[0] as Shared;
      for (const column of columns) {
        sameShape(like, column);
        demand(column.fractionBits === like.fractionBits, 'the scales differ');
      }
      const ranges = columns.map((column) => range('mul/1', bounds(weights), bounds(column)));
      return product(
        weights,
        like,
        like.length,
        ranges.reduce((a, b) => range('add/1', a, b)),
      );
    }
    case 'repeat/1': {
      arity(1);
      const x = as('shared', args[0]);
      demand(x.length === 1 && x.stacked === undefined, 'repeats a single element');
      return shared({ ...x, length: lengthWithin(attrs.length as number) }, bounds(x));
    }
    case 'slice/1': {
      const further = args.length === 2 ? moved(plan, node) : 0;
      arity(args.length === 2 ? 2 : 1);
      const [offset, length] = [(attrs.offset as number) + further, attrs.length as number];
      const x = isReadable(args[0]) ? byRecipient(args) : unstacked(args[0], 'int');
      demand(offset + length <= x.length, 'reaches beyond the end');
      if (x.kind === 'public') return { ...x, length };
      return shared({ ...x, length }, bounds(x));
    }
    case 'concat/1': {
      if (isReadable(args[0])) return sideBySide(args);
      const parts = args.map((arg) => unstacked(arg, 'int'));
      demand(parts.length > 0, 'takes at least one vector');
      const [first] = parts as [Shared];
      for (const part of parts) demand(part.fractionBits === first.fractionBits, 'the scales differ');
      const length = lengthWithin(parts.reduce((sum, part) => sum + part.length, 0));
      return shared({ ...first, length }, parts.map((part) => bounds(part)).reduce(hull));
    }
    case 'transpose/1': {
      arity(1);
      const x = unstacked(args[0], 'int');
      demand(x.length % (attrs.rows as number) === 0, 'is no matrix of so many rows');
      return x;
    }
    case 'matmul/1': {
      arity(2);
      const [x, y] = [unstacked(args[0], 'int'), unstacked(args[1], 'int')];
      const inner = attrs.inner as number;
      demand(x.length % inner === 0 && y.length % inner === 0, 'the matrices have no such common dimension');
      const { lo, hi } = range('mul/1', bounds(x), bounds(y));
      const length = lengthWithin((x.length / inner) * (y.length / inner));
      return product(x, y, length, { lo: lo * BigInt(inner), hi: hi * BigInt(inner) });
    }
    case 'unstack/1': {
      arity(1);
      const x = as('shared', args[0]);
      const role = plan.roles[x.stacked ?? ''];
      demand(role !== undefined && role.min === role.max, 'is not stacked by a role with a fixed number of members');
      const { stacked: _, ...one } = x;
      return { ...one, length: lengthWithin(x.length * role.max) };
    }
    case 'carried/1':
      arity(1);
      return carried(node, args);
    case 'iterate/1':
      return iterated(plan, node, args);
    case 'step/1':
      arity(0);
      return numbered(node);
    case 'select/1': {
      arity(3);
      const [condition, yes, no] = [sharedOf(args[0], 'bool'), sharedOf(args[1], 'int'), sharedOf(args[2], 'int')];
      sameShape(condition, yes);
      sameShape(yes, no);
      demand(yes.fractionBits === no.fractionBits, 'the scales differ');
      return shared(yes, hull(bounds(yes), bounds(no)));
    }
    case 'suppress/1': {
      demand(args.length >= 2, 'has no support');
      const x = as('shared', args[0]);
      for (const arg of args.slice(1)) {
        const support = sharedOf(arg, 'int');
        demand(support.stacked === x.stacked, 'a support is stacked in another way');
        demand(support.length === x.length || support.length === 1, 'a support has another length');
        demand(support.fractionBits === 0, 'a support is no whole number');
      }
      return x;
    }
    case 'rest/1':
      arity(2);
      return rest(node, args);
    case 'beside/1':
      arity(2);
      return beside(node, args);
    case 'noise/1': {
      arity(1);
      const x = sharedOf(args[0], 'int');
      const sensitivity = BigInt(attrs.sensitivity as string);
      demand(sensitivity > 0n && sensitivity < LIMIT, 'has no sensitivity within 2^62');
      const most = (1n << BigInt(noiseDigits(attrs.epsilonMicros as number, sensitivity))) - 1n;
      const { lo, hi } = bounds(x);
      return shared(x, { lo: lo - most, hi: hi + most });
    }
    case 'reveal/1': {
      arity(1);
      const { dtype: _, ...x } = as('shared', args[0]);
      return { ...x, kind: 'opened', to: attrs.to as string };
    }
    case 'is-null/1':
      arity(1);
      return bit({ ...as('column', args[0]), nullable: false });
    case 'in/1':
      arity(1);
      return bit(categoryWith(args[0], attrs.categories as string[]));
    case 'eq/1':
    case 'ne/1':
      if (args.length === 1) return bit(categoryWith(args[0], [attrs.category as string]));
      arity(2);
      return compare(args);
    case 'lt/1':
    case 'le/1':
    case 'gt/1':
    case 'ge/1':
      arity(2);
      return compare(args);
    case 'and/1':
    case 'or/1':
      arity(2);
      return logic(args);
    case 'not/1':
      arity(1);
      return logic(args);
    case 'neg/1':
      arity(1);
      return arithmetic(op, args);
    case 'add/1':
    case 'sub/1':
    case 'mul/1':
      arity(2);
      return arithmetic(op, args);
    case 'cumsum/1':
    case 'cumprod/1':
      arity(1);
      return byRecipient(args);
    case 'chi-square-p/1':
    case 'student-t-p/1':
    case 'div/1': {
      arity(2);
      if (args[0]?.kind !== 'shared') return byRecipient(args);
      const [a, b] = [sharedOf(args[0], 'int'), sharedOf(args[1], 'int')];
      sameShape(a, b);
      const fractionBits = attrs.fractionBits as number;
      const range = quotientBounds(bounds(a), bounds(b), b.fractionBits - a.fractionBits + fractionBits);
      demand(fractionBits <= 30 && range !== undefined, 'divides by what may be 0, or gives too large a quotient');
      return shared({ ...a, fractionBits }, range);
    }
    case 'sqrt/1':
      arity(1);
      if (args[0]?.kind === 'shared') return elementary(op, args[0], attrs.fractionBits as number);
      return byRecipient(args);
  }
}
