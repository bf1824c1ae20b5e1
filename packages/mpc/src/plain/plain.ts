/**
 * The shared part of a plan in the clear: the oracle of the tests and the explanation of a simulation. Exact integers,
 * one element after another, straight from the catalogue of operations (core, plan.ts); no circuit, no modulus.
 * @module
 */
import { circuitExits, circuitMatch, Loops, NodeError, type Plan, type PlanNode, type RoleSizes } from '@2pm/core';
import { inputNodes } from '../lower/inputs.ts';
import { plainNumeric } from '../numeric/plain.ts';
import { plainCircuitMatch, plainJoin, plainMatches } from './joins.ts';
import {
  type PlainKeys,
  type PlainRows,
  plainGroups,
  plainHead,
  plainKept,
  plainOrder,
  plainQuantile,
  plainSorted,
  plainUnion,
} from './rows.ts';

/** Vectors of each member of each role, in the order of `inputNodes`. */
export type PlainInputs = ReadonlyMap<string, readonly (readonly BigInt64Array[])[]>;

/** What each reveal gives, and of each of `circuitExits` the bits, by node index: integers, null where withheld. `noise`: what `noise/1` adds; nothing unless given. */
export function evaluatePlain(
  plan: Plan,
  roles: RoleSizes,
  inputs: PlainInputs,
  noise: (node: number, element: number) => bigint = () => 0n,
): Map<number, (bigint | null)[]> {
  const opened = new Map<number, (bigint | null)[]>();
  const values: ((bigint | null)[] | undefined)[] = [];
  const tables = new Map<number, PlainRows>();
  const loops = new Loops(plan);
  const steps = new Map<number | undefined, number>();
  const scales = plan.nodes.map(({ type }) => ('fractionBits' in type ? type.fractionBits : 0));

  const input = (node: number, role: string) =>
    (inputs.get(role) ?? []).map((member) => member[inputNodes(plan, role).indexOf(node)] ?? new BigInt64Array(0));
  const rowsOf = (index: number) => tables.get(index) ?? { valid: [], column: () => [] };
  const whole = (index: number) => (values[index] ?? []).map((value) => value ?? 0n);
  const keysOf = ({ args, attrs }: PlanNode): PlainKeys =>
    args.slice(1).map((key, i) => ({ values: whole(key), descending: attrs.descending?.[i] ?? false }));
  const rows = (index: number): PlainRows => {
    const node = plan.nodes[index] as PlanNode;
    const { op, args, attrs } = node;
    const before = rowsOf(args[0] ?? -1);
    const roleOf = (arg: number | undefined) => {
      const type = plan.nodes[arg ?? -1]?.type;
      return type !== undefined && 'role' in type ? type.role : '';
    };
    switch (op) {
      case 'keep/1':
        return plainKept(before, values[args[1] ?? -1] ?? []);
      case 'sort/1':
        return plainSorted(before, keysOf(node));
      case 'head/1':
        return plainHead(before, attrs.length ?? 0);
      case 'union/1':
        return plainUnion(plan, index, input(index, roleOf(args[0])));
      default: {
        const match = circuitMatch(plan, index);
        const of =
          match?.sides.map(({ role }) => [index, role] as const) ?? args.map((arg) => [arg, roleOf(arg)] as const);
        const vectors = of.map(([node, role]) => input(node, role)[0] ?? new BigInt64Array(0));
        return plainMatches(match === undefined ? plainJoin(plan, index, vectors) : plainCircuitMatch(match, vectors));
      }
    }
  };

  for (const exit of circuitExits(plan)) opened.set(exit, rows(exit).valid.map(BigInt));
  const compute = (index: number): void => {
    const { op, args, type, attrs } = plan.nodes[index] as PlanNode;
    if (type.kind === 'constant') values[index] = [BigInt(type.value)];
    if (op === 'reveal/1') opened.set(index, values[args[0] ?? -1] ?? []);
    if (type.kind === 'joined') tables.set(index, rows(index));
    if (type.kind !== 'shared') return;
    const length = type.length * (type.stacked === undefined ? 1 : (roles[type.stacked] ?? 0));
    const at = (place: number, i: number, scale = scales[args[place] ?? -1] ?? 0): bigint => {
      const vector = values[args[place] ?? -1] ?? [];
      const value = vector[Math.floor((i * vector.length) / length)];
      if (value === undefined || value === null)
        throw new NodeError('MPC_UNSUPPORTED', `no value for ${op}`, { fault: 'caller' });
      return value << BigInt(scale - (scales[args[place] ?? -1] ?? 0));
    };
    const common = Math.max(...args.slice(0, 2).map((arg) => scales[arg] ?? 0));
    const each = (of: (i: number) => bigint | boolean | null) =>
      Array.from({ length }, (_, i) => {
        const value = of(i);
        return typeof value === 'boolean' ? BigInt(value) : value;
      });
    const compare = (holds: (x: bigint, y: bigint) => boolean) =>
      each((i) => holds(at(0, i, common), at(1, i, common)));

    switch (op) {
      case 'total/1':
      case 'stack/1': {
        const local = plan.nodes[args[0] ?? -1]?.type;
        if (local?.kind !== 'local') break;
        const vectors = input(index, local.role).map((vector) => [...vector]);
        values[index] =
          op === 'stack/1' ? vectors.flat() : each((i) => vectors.reduce((sum, vector) => sum + (vector[i] ?? 0n), 0n));
        break;
      }
      case 'iterate/1': {
        const { times, carried, next, body } = loops.at(index);
        let now = carried.map((one) => values[plan.nodes[one]?.args[0] ?? -1]);
        for (let step = 0; step < times; step++) {
          steps.set(plan.nodes[carried[0] ?? -1]?.attrs.loop, step);
          for (const [place, one] of carried.entries()) values[one] = now[place];
          for (const one of body) compute(one);
          now = next.map((one) => values[one]);
        }
        values[index] = now[attrs.place ?? -1];
        break;
      }
      case 'step/1':
        values[index] = [BigInt(attrs.values?.[steps.get(attrs.loop) ?? -1] ?? 0)];
        break;
      case 'matched/1':
        values[index] = rowsOf(args[0] ?? -1).valid.map(BigInt);
        break;
      case 'joined-column/1':
        values[index] = rowsOf(args[0] ?? -1).column(attrs.role, attrs.name);
        break;
      case 'rank/1': {
        const order = plainOrder(rowsOf(args[0] ?? -1), keysOf(plan.nodes[index] as PlanNode));
        values[index] = each((slot) => BigInt(order.indexOf(slot)));
        break;
      }
      case 'quantile/1':
        values[index] = (attrs.numerators ?? []).map((numerator) =>
          plainQuantile(rowsOf(args[0] ?? -1), whole(args[1] ?? -1), numerator, attrs.denominator ?? 1),
        );
        break;
      case 'group-key/1':
      case 'group-count/1':
      case 'group-sum/1': {
        const [of = -1, key = -1, x = -1] = args;
        const groups = plainGroups(rowsOf(of), whole(key), whole(x));
        const place = ['group-key/1', 'group-count/1', 'group-sum/1'].indexOf(op);
        values[index] = each((slot) => groups[slot]?.[place] ?? 0n);
        break;
      }
      case 'add/1':
        values[index] = each((i) => at(0, i, common) + at(1, i, common));
        break;
      case 'sub/1':
        values[index] = each((i) => at(0, i, common) - at(1, i, common));
        break;
      case 'mul/1':
        values[index] = each((i) => at(0, i) * at(1, i));
        break;
      case 'neg/1':
        values[index] = each((i) => -at(0, i));
        break;
      case 'sum/1': {
        const size = (values[args[0] ?? -1]?.length ?? 0) / length;
        values[index] = each((block) => {
          let sum = 0n;
          for (let i = 0; i < size; i++) sum += values[args[0] ?? -1]?.[block * size + i] ?? 0n;
          return sum;
        });
        break;
      }
      case 'lt/1':
        values[index] = compare((x, y) => x < y);
        break;
      case 'le/1':
        values[index] = compare((x, y) => x <= y);
        break;
      case 'gt/1':
        values[index] = compare((x, y) => x > y);
        break;
      case 'ge/1':
        values[index] = compare((x, y) => x >= y);
        break;
      case 'eq/1':
        values[index] = compare((x, y) => x === y);
        break;
      case 'ne/1':
        values[index] = compare((x, y) => x !== y);
        break;
      case 'and/1':
        values[index] = each((i) => at(0, i) === 1n && at(1, i) === 1n);
        break;
      case 'or/1':
        values[index] = each((i) => at(0, i) === 1n || at(1, i) === 1n);
        break;
      case 'not/1':
        values[index] = each((i) => at(0, i) === 0n);
        break;
      case 'select/1': {
        const scale = Math.max(scales[args[1] ?? -1] ?? 0, scales[args[2] ?? -1] ?? 0);
        values[index] = each((i) => (at(0, i) === 1n ? at(1, i, scale) : at(2, i, scale)));
        break;
      }
      case 'noise/1':
        values[index] = each((i) => at(0, i) + noise(index, i));
        break;
      case 'rest/1': {
        const [min, part] = [
          BigInt(attrs.min ?? 0),
          whole(args[1] ?? -1).map((n) => (n >= BigInt(attrs.min ?? 0) ? n : 0n)),
        ];
        const all = part.reduce((sum, n) => sum + n, 0n);
        values[index] = each((i) => at(0, i) - (part.length === length ? (part[i] ?? 0n) : all) || min);
        break;
      }
      case 'beside/1': {
        const min = BigInt(attrs.min ?? 0);
        const [slots, [all = 0n]] = [whole(args[0] ?? -1), whole(args[1] ?? -1)];
        const seen = slots.filter((n) => n >= min).reduce((sum, n) => sum + n, 0n);
        const outside = slots.reduce((sum, n) => sum - n, all);
        const fine = all === seen || all - seen >= min;
        values[index] = each((i) => (fine || (slots[i + 1] ?? outside) >= min ? min : 0n));
        break;
      }
      case 'suppress/1': {
        const supports = args
          .slice(1)
          .map((arg, place) => ({ place: place + 1, least: BigInt(attrs.min ?? 0) << BigInt(scales[arg] ?? 0) }));
        const vector = values[args[0] ?? -1] ?? [];
        values[index] = each((i) => {
          const value = vector[Math.floor((i * vector.length) / length)] ?? null;
          return supports.every(({ place, least }) => at(place, i) >= least) ? value : null;
        });
        break;
      }
      default: {
        const vectors = args.map((arg) => (values[arg] ?? []).map((value) => value ?? 0n));
        values[index] = plainNumeric(plan, index, vectors);
        if (values[index] !== undefined) break;
        throw new NodeError('MPC_UNSUPPORTED', `${op} is not an operation on shared values`, { fault: 'caller' });
      }
    }
  };
  for (const index of plan.nodes.keys()) if (!loops.varies(index)) compute(index);
  return opened;
}
