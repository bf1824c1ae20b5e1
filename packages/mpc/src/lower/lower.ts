/**
 * Lowers the shared part of a plan to a circuit. Everything is static: lengths from the role sizes, scales and bounds
 * from the plan's types. Comparisons are the sign of a difference, sound for operands within ±2^62; the sums of products
 * that make up means and variances stay integers, because a multiplication adds fraction bits and only `rescale/1` takes
 * some away. What is more than a gate or two stands in numeric/.
 * @module
 */
import {
  circuitExits,
  circuitMatch,
  keyedColumns,
  Loops,
  NodeError,
  nodesOf,
  type Plan,
  type PlanNode,
  type RoleSizes,
} from '@2pm/core';
import { type Arranging, type Circuit, CircuitBuilder, prune } from '../circuit.ts';
import { noisy } from '../noise.ts';
import { lowerNumeric } from '../numeric/lower.ts';
import { groups } from '../order/groups.ts';
import { MOST_MERGED } from '../order/merge-join.ts';
import type { Key } from '../order/order.ts';
import { inputNodes, inputOf, unsupported } from './inputs.ts';
import { circuitGates, joinGates, type Rows, showsSlots } from './joins.ts';
import { besideOf, restOf } from './rest.ts';
import { firstRows, quantilesOfRows, rankOfRows, sortedRows, unionRows } from './rows.ts';

const WORD_LIMIT = 2n ** 63n;
const COMPARE_LIMIT = 2n ** 62n;

/** What is shared by holders: the arguments stay with them. */
const INPUTS: ReadonlySet<string> = new Set(['total/1', 'stack/1', 'union/1', 'join/1']);

/** A shared node: its gate, and the bits that say where it is released, if it can be withheld. */
interface Lowered {
  gate: number;
  ok?: number;
  /** Of rows, whose gate is the mask. */
  rows?: Rows;
}

export interface LowerOptions {
  /** Which nodes to serve that open something, all of them unless given; what none of them needs is left out. */
  exits?: readonly number[];
  /** For each tagged join the seat that matches, which only a circuit that is to run must know, and not every one. */
  matchers?: ReadonlyMap<number, number>;
  /** By shuffles, unless given. */
  arranging?: Arranging;
}

/**
 * @throws {NodeError} `MPC_UNSUPPORTED` with the line of the analyst's program; `MPC_BAD_ROLES`.
 */
export function lower(
  plan: Plan,
  roles: RoleSizes,
  {
    exits = [...nodesOf(plan, 'reveal/1'), ...circuitExits(plan)],
    matchers = new Map(),
    arranging = 'shuffles',
  }: LowerOptions = {},
): Circuit {
  const builder = new CircuitBuilder(arranging);
  const lowering = new Lowering(plan, roles, builder, matchers);
  const inputWords = new Map<string, number>();
  // By name: seats must agree on the order, and a plan read from its bytes has its roles in another one than a traced plan.
  const byName = Object.entries(plan.roles).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [role, { min, max }] of byName) {
    const members = roles[role] ?? 0;
    // Beyond `max` the bounds of totals would not hold.
    if (!Number.isInteger(members) || members < min || members > max) {
      throw new NodeError('MPC_BAD_ROLES', `role ${role} has ${members} members; the plan allows ${min} to ${max}`, {
        fault: 'caller',
      });
    }
    for (const index of inputNodes(plan, role)) {
      const offset = inputWords.get(role) ?? 0;
      lowering.inputOffsets.set(`${role} ${index}`, offset);
      inputWords.set(role, offset + inputOf(plan, index, role).length);
    }
  }
  const outputs = exits.map((node) => {
    const { gate, ok } = lowering.exit(node);
    return { node, value: gate, ...(ok === undefined ? {} : { ok }) };
  });
  return prune({ gates: builder.gates, outputs, inputWords });
}

class Lowering {
  /** By role and input node. */
  readonly inputOffsets = new Map<string, number>();
  readonly #plan: Plan;
  readonly #roles: RoleSizes;
  readonly #builder: CircuitBuilder;
  readonly #matchers: ReadonlyMap<number, number>;
  readonly #lowered = new Map<number, Lowered>();
  readonly #loops: Loops;
  /** By loop, which step of it is being lowered. */
  readonly #steps = new Map<number | undefined, number>();

  constructor(plan: Plan, roles: RoleSizes, builder: CircuitBuilder, matchers: ReadonlyMap<number, number>) {
    this.#plan = plan;
    this.#roles = roles;
    this.#builder = builder;
    this.#matchers = matchers;
    this.#loops = new Loops(plan);
  }

  exit(index: number): Lowered {
    const node = this.#node(index);
    if (node.op === 'intersect/1') return { gate: this.#binned(index).valid };
    const [arg] = node.args;
    if (node.op !== 'reveal/1' || arg === undefined) throw this.#unsupported(index, 'is no reveal');
    const needed = new Set<number>();
    const stack = [arg];
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      const { type, op, args } = this.#node(i);
      if (needed.has(i) || this.#lowered.has(i) || (type.kind !== 'shared' && type.kind !== 'joined')) continue;
      needed.add(i);
      if (INPUTS.has(op)) continue;
      if (args.some((before) => before >= i)) throw this.#unsupported(i, 'uses a value that comes after it');
      stack.push(...args);
    }
    const once = [...needed].filter((i) => !this.#loops.varies(i)).sort((a, b) => a - b);
    for (const i of once) this.#lowered.set(i, this.#lower(i));
    return this.#masked(index, arg);
  }

  #lower(index: number): Lowered {
    const node = this.#node(index);
    const { type, args, attrs } = node;
    if (type.kind === 'joined') return this.#joined(index);
    if (type.kind !== 'shared') throw this.#unsupported(index, 'is not shared');
    if (magnitude(type.lo, type.hi) >= WORD_LIMIT) throw this.#unsupported(index, 'may leave the range of 64 bits');
    const length = this.#length(index);
    const b = this.#builder;
    const [x = -1, y = -1, z = -1] = args;
    const operand = (arg: number, scale: number) =>
      this.#stretch(index, b.asWords(this.#word(index, arg, scale)), length);
    const bit = (arg: number) => this.#stretch(index, b.asBits(this.#plainGate(index, arg)), length);
    const scaleOf = (...of: number[]) => Math.max(...of.map((arg) => this.#scale(index, arg)));
    const expectScale = (scale: number) => {
      if (scale !== type.fractionBits)
        throw this.#unsupported(index, `has ${scale} fraction bits, not as its type says`);
    };

    switch (node.op) {
      case 'total/1':
      case 'stack/1': {
        const { role, length: each } = inputOf(this.#plan, index);
        const members = node.op === 'stack/1' ? (this.#roles[role] ?? 0) : 1;
        if (length !== members * each) throw this.#unsupported(index, 'has another length than its inputs');
        return { gate: this.#input(index, role, each, node.op === 'total/1' ? 'total' : 'stack', length) };
      }
      case 'add/1':
      case 'sub/1': {
        const scale = scaleOf(x, y);
        expectScale(scale);
        const op = node.op === 'add/1' ? 'add' : 'sub';
        return { gate: b.words(op, length, [operand(x, scale), operand(y, scale)]) };
      }
      case 'mul/1': {
        expectScale(this.#scale(index, x) + this.#scale(index, y));
        const [left, right] = [this.#constant(x), this.#constant(y)];
        if (right !== undefined) return { gate: b.words('scale', length, [operand(x, 0)], right) };
        if (left !== undefined) return { gate: b.words('scale', length, [operand(y, 0)], left) };
        return { gate: b.words('mul', length, [operand(x, 0), operand(y, 0)]) };
      }
      case 'neg/1':
        expectScale(this.#scale(index, x));
        return { gate: b.words('scale', length, [operand(x, 0)], -1n) };
      case 'sum/1': {
        expectScale(this.#scale(index, x));
        const vector = b.asWords(this.#plainGate(index, x));
        if (b.at(vector).length % length !== 0) throw this.#unsupported(index, 'does not divide its argument evenly');
        // A sum of products is one product of vectors: it costs one word of traffic where the products cost one each.
        const { op, args: factors } = b.at(vector);
        return { gate: op === 'mul' ? b.words('dot', length, factors) : b.words('sum', length, [vector]) };
      }
      case 'lt/1':
        return { gate: this.#less(index, x, y, length) };
      case 'gt/1':
        return { gate: this.#less(index, y, x, length) };
      case 'ge/1':
        return { gate: b.bits('not', length, [this.#less(index, x, y, length)]) };
      case 'le/1':
        return { gate: b.bits('not', length, [this.#less(index, y, x, length)]) };
      case 'eq/1':
      case 'ne/1': {
        const scale = scaleOf(x, y);
        this.#comparable(index, x, y, scale);
        const equal = b.bits('zero', length, [b.words('sub', length, [operand(x, scale), operand(y, scale)])]);
        return { gate: node.op === 'eq/1' ? equal : b.bits('not', length, [equal]) };
      }
      case 'and/1':
        return { gate: b.bits('and', length, [bit(x), bit(y)]) };
      case 'or/1': {
        const [left, right] = [bit(x), bit(y)];
        const either = b.bits('xor', length, [left, right]);
        return { gate: b.bits('xor', length, [either, b.bits('and', length, [left, right])]) };
      }
      case 'not/1':
        return { gate: b.bits('not', length, [bit(x)]) };
      case 'select/1': {
        if (type.dtype === 'bool') {
          const [yes, no] = [bit(y), bit(z)];
          const change = b.bits('and', length, [bit(x), b.bits('xor', length, [yes, no])]);
          return { gate: b.bits('xor', length, [no, change]) };
        }
        const scale = scaleOf(y, z);
        expectScale(scale);
        const [yes, no] = [operand(y, scale), operand(z, scale)];
        const chosen = this.#stretch(index, b.asWords(b.asBits(this.#plainGate(index, x))), length);
        return {
          gate: b.words('add', length, [no, b.words('mul', length, [chosen, b.words('sub', length, [yes, no])])]),
        };
      }
      case 'suppress/1':
        return this.#suppress(index, length);
      case 'rest/1':
      case 'beside/1': {
        for (const arg of [x, y]) this.#within(index, arg, 0, COMPARE_LIMIT);
        const [left, right] = [x, y].map((arg) => b.asWords(this.#plainGate(index, arg))) as [number, number];
        return { gate: (node.op === 'rest/1' ? restOf : besideOf)(b, left, right, BigInt(attrs.min ?? 0)) };
      }
      case 'noise/1': {
        const { epsilonMicros, sensitivity } = attrs;
        if (epsilonMicros === undefined || sensitivity === undefined) throw this.#unsupported(index, 'names no ε');
        expectScale(this.#scale(index, x));
        const range = this.#plan.nodes[x]?.type;
        if (range?.kind !== 'shared') throw this.#unsupported(index, 'is of something that is not shared');
        const [lo, hi] = [BigInt(range.lo), BigInt(range.hi)];
        return { gate: noisy(b, operand(x, 0), { epsilonMicros, sensitivity: BigInt(sensitivity), lo, hi }) };
      }
      case 'iterate/1':
        return { gate: this.#iterated(index) };
      case 'step/1': {
        const value = attrs.values?.[this.#steps.get(attrs.loop) ?? -1];
        if (value === undefined) throw this.#unsupported(index, 'has no value in this step');
        return { gate: b.words('constant', 1, [], BigInt(value)) };
      }
      case 'matched/1':
        return { gate: this.#plainGate(index, x) };
      case 'joined-column/1': {
        const { valid, column } = this.#rows(index, x);
        const gate = column(attrs.role, attrs.name);
        if (gate === undefined) throw this.#unsupported(index, 'is of a column that nobody brought');
        return { gate: b.words('mul', length, [gate, b.asWords(valid)]) };
      }
      case 'rank/1':
        return { gate: rankOfRows(b, this.#rows(index, x), this.#keys(index, args.slice(1))) };
      case 'quantile/1': {
        const [key] = this.#keys(index, [y]);
        const { numerators = [], denominator = 0 } = attrs;
        if (key === undefined || numerators.length !== length) throw this.#unsupported(index, 'has another length');
        expectScale(this.#scale(index, y));
        return { gate: quantilesOfRows(b, this.#rows(index, x), key, { numerators, denominator }) };
      }
      case 'group-key/1':
      case 'group-count/1':
      case 'group-sum/1': {
        const [key, ...columns] = this.#keys(index, args.slice(1));
        if (key === undefined) throw this.#unsupported(index, 'takes no key');
        const { keys, counts, sums } = groups(b, b.asWords(this.#rows(index, x).valid), key, length);
        return { gate: node.op === 'group-key/1' ? keys : columns[0] === undefined ? counts : sums(columns[0].gate) };
      }
      default: {
        const gate = lowerNumeric(b, node, length, {
          gate: (arg) => b.asWords(this.#plainGate(index, arg)),
          number: (arg) => Number(this.#constant(arg) ?? 0n),
          comparable: (arg) => {
            const scale = scaleOf(...args);
            this.#comparable(index, arg, arg, scale);
            return args.length === 1 ? b.asWords(this.#plainGate(index, arg)) : operand(arg, scale);
          },
          type: (arg) => this.#node(arg).type,
        });
        if (gate === undefined || b.at(gate).length !== length) {
          throw this.#unsupported(index, 'is not an operation on shared values of that range and shape');
        }
        return { gate };
      }
    }
  }

  /** The steps of a loop, one after another; equal gates are one, so that each further value of the loop adds none. */
  #iterated(index: number): number {
    const { times, carried, next, body } = this.#loops.at(index);
    let values = carried.map((one) => this.#plainGate(index, this.#node(one).args[0] ?? -1));
    const { loop } = this.#node(carried[0] ?? -1).attrs;
    for (let step = 0; step < times; step++) {
      this.#steps.set(loop, step);
      for (const [place, one] of carried.entries()) this.#lowered.set(one, { gate: values[place] ?? -1 });
      for (const one of body) this.#lowered.set(one, this.#lower(one));
      values = next.map((one) => this.#plainGate(index, one));
    }
    for (const one of [...carried, ...body]) this.#lowered.delete(one);
    return values[this.#node(index).attrs.place ?? -1] ?? -1;
  }

  #joined(index: number): Lowered {
    const rows = this.#makeRows(index);
    return { gate: rows.valid, rows };
  }

  #makeRows(index: number): Rows {
    const [{ op, args, type }, b] = [this.#node(index), this.#builder];
    const length = type.kind === 'joined' ? type.length : 0;
    const [from = -1, condition = -1] = args;
    if (op === 'union/1') {
      const { role, length: words } = inputOf(this.#plan, index);
      const stacked = this.#input(index, role, words, 'stack', (this.#roles[role] ?? 0) * words);
      return unionRows(b, this.#plan, index, stacked);
    }
    if (op === 'keep/1') {
      const { valid, column } = this.#rows(index, from);
      const bit = this.#plainGate(index, condition);
      if (b.at(bit).length !== length) throw this.#unsupported(index, 'keeps rows by values of others');
      const both = [valid, bit].every((gate) => b.at(gate).form === 'words');
      const gate = both
        ? b.words('mul', length, [valid, bit])
        : b.bits('and', length, [b.asBits(valid), b.asBits(bit)]);
      return { valid: gate, column };
    }
    if (op === 'sort/1') return sortedRows(b, this.#rows(index, from), this.#keys(index, args.slice(1)));
    if (op === 'head/1') return firstRows(b, this.#rows(index, from), length);
    if (op !== 'join/1' || args.length < 2) throw this.#unsupported(index, `${op} matches no rows`);
    if (circuitMatch(this.#plan, index) !== undefined) return this.#binned(index);
    const relations = args.map((arg) => {
      const { role, length: words } = inputOf(this.#plan, arg);
      return this.#input(arg, role, words, 'stack');
    });
    if (b.arranging === 'networks') {
      const [{ passes }, most] = [keyedColumns(this.#plan, from), MOST_MERGED];
      const fix = 'Compare keys in one pass, or run the task with rep3-semi-honest/1 if every holder permits that.';
      if (passes > 1)
        throw unsupported(this.#plan, index, `matches in ${passes} passes, and this protocol in one`, fix);
      if (args.length > most) throw this.#unsupported(index, `is of more than the ${most} that this protocol joins`);
    }
    const matcher = this.#matchers.get(index);
    const gates = joinGates(b, this.#plan, index, relations, { matcher, shuffled: showsSlots(this.#plan, index) });
    if (gates === undefined) throw this.#unsupported(index, 'compares keys of different kinds');
    return gates;
  }

  #rows(user: number, arg: number): Rows {
    const { rows } = this.#masked(user, arg);
    if (rows === undefined) throw this.#unsupported(user, 'takes no rows');
    return rows;
  }

  /** Numbers to sort by, one a slot. */
  #keys(user: number, keys: readonly number[]): Key[] {
    const { args, attrs } = this.#node(user);
    return keys.map((key, place) => {
      const { type } = this.#node(key);
      const gate = this.#builder.asWords(this.#plainGate(user, key));
      const rows = this.#rows(user, args[0] ?? -1);
      if (type.kind !== 'shared' || this.#builder.at(gate).length !== this.#builder.at(rows.valid).length) {
        throw this.#unsupported(user, 'sorts by values of others');
      }
      const [lo, hi] = [BigInt(type.lo), BigInt(type.hi)];
      if (hi - lo >= COMPARE_LIMIT) throw this.#unsupported(user, 'sorts by values that may be 2^62 apart');
      return { gate, lo, hi, descending: attrs.descending?.[place] ?? false };
    });
  }

  /** Rows that are matched by the bins of a leader. */
  #binned(index: number): Rows {
    const match = circuitMatch(this.#plan, index);
    if (match === undefined) throw this.#unsupported(index, 'matches no rows among the seats');
    const inputs = match.sides.map(({ role }) => {
      return this.#input(index, role, inputOf(this.#plan, index, role).length, 'stack');
    });
    return circuitGates(this.#builder, match, inputs);
  }

  /** What each member of a role brings for an input node: added up, or of one member alone unless `length` says more. */
  #input(node: number, role: string, each: number, op: 'total' | 'stack', length = each): number {
    if (op === 'stack' && length === each && this.#roles[role] !== 1) {
      throw this.#unsupported(node, `takes rows of one holder, and ${role} has several`);
    }
    const input = { role, offset: this.inputOffsets.get(`${role} ${node}`) ?? 0, length: each };
    return this.#builder.add({ op, args: [], form: 'words', length, input });
  }

  /** x < y, by the sign of x - y. */
  #less(index: number, x: number, y: number, length: number): number {
    const b = this.#builder;
    const scale = Math.max(this.#scale(index, x), this.#scale(index, y));
    this.#comparable(index, x, y, scale);
    const [left, right] = [x, y].map((arg) => this.#stretch(index, b.asWords(this.#word(index, arg, scale)), length));
    return b.bits('negative', length, [b.words('sub', length, [left ?? -1, right ?? -1])]);
  }

  /** Zero wherever a support is below the minimum, so that opening shows nothing of it; with the bit that says so. */
  #suppress(index: number, length: number): Lowered {
    const { args, attrs } = this.#node(index);
    const [x = -1, ...supports] = args;
    if (attrs.min === undefined || supports.length === 0) throw this.#unsupported(index, 'names no minimum or support');
    const b = this.#builder;
    const before = this.#masked(index, x);
    const value = this.#stretch(index, before.gate, length);
    let ok = before.ok;
    for (const support of supports) {
      const scale = this.#scale(index, support);
      const counts = b.asWords(this.#plainGate(index, support));
      this.#within(index, support, scale, COMPARE_LIMIT);
      const { length: has } = b.at(counts);
      if (!this.#supports(support, index)) throw this.#unsupported(index, 'has a support of another shape');
      if (BigInt(attrs.min) << BigInt(scale) >= COMPARE_LIMIT)
        throw this.#unsupported(index, 'has a minimum beyond 2^62');
      const least = b.repeat(b.words('constant', 1, [], BigInt(attrs.min) << BigInt(scale)), has);
      const enough = b.bits('not', has, [b.bits('negative', has, [b.words('sub', has, [counts, least])])]);
      if (ok === undefined) ok = enough;
      else {
        const wide = Math.max(b.at(ok).length, has);
        ok = b.bits('and', wide, [b.repeat(ok, wide), b.repeat(enough, wide)]);
      }
    }
    if (ok === undefined) throw this.#unsupported(index, 'names no support');
    const released = b.repeat(ok, length);
    const gate =
      b.at(value).form === 'bits'
        ? b.bits('and', length, [value, released])
        : b.words('mul', length, [value, b.repeat(b.asWords(ok), length)]);
    return { gate, ok: released };
  }

  /** One count for each element, for each member's block, or for all. */
  #supports(support: number, index: number): boolean {
    const [its, of] = [this.#node(support).type, this.#node(index).type];
    if (its.kind === 'constant') return true;
    if (its.kind !== 'shared' || of.kind !== 'shared') return false;
    if (its.length !== 1 && its.length !== of.length) return false;
    return its.stacked === of.stacked || (its.stacked === undefined && its.length === 1);
  }

  #node(index: number): PlanNode {
    const node = this.#plan.nodes[index];
    if (node === undefined) throw this.#unsupported(index, 'does not exist');
    return node;
  }

  #length(index: number): number {
    const { type } = this.#node(index);
    if (type.kind !== 'shared') return 1;
    if (type.stacked === undefined) return type.length;
    const members = this.#roles[type.stacked];
    if (members === undefined) throw this.#unsupported(index, `is stacked over an unknown role ${type.stacked}`);
    return type.length * members;
  }

  /** A number that all know: a constant of the plan, or of the step that is being lowered. */
  #constant(index: number): bigint | undefined {
    const { type, op, args, attrs } = this.#node(index);
    if (type.kind === 'constant') return BigInt(type.value);
    if (op === 'repeat/1') return this.#constant(args[0] ?? -1);
    const value = op === 'step/1' ? attrs.values?.[this.#steps.get(attrs.loop) ?? -1] : undefined;
    return value === undefined ? undefined : BigInt(value);
  }

  #scale(user: number, index: number): number {
    const { type } = this.#node(index);
    if (type.kind !== 'shared' && type.kind !== 'constant')
      throw this.#unsupported(user, 'mixes shared and other values');
    return type.fractionBits;
  }

  /** The argument's gate, which must not be withheld anywhere: what is suppressed may only be revealed. */
  #plainGate(user: number, arg: number): number {
    const { gate, ok } = this.#masked(user, arg);
    if (ok !== undefined) throw this.#unsupported(user, 'computes on a suppressed value, which can only be revealed');
    return gate;
  }

  #masked(user: number, arg: number): Lowered {
    const { type } = this.#node(arg);
    if (type.kind === 'constant') return { gate: this.#builder.words('constant', 1, [], BigInt(type.value)) };
    const lowered = this.#lowered.get(arg);
    if (lowered === undefined) throw this.#unsupported(user, 'mixes shared and other values');
    return lowered;
  }

  /** The argument brought to `scale` fraction bits; 0 leaves it as it is. */
  #word(user: number, arg: number, scale: number): number {
    const gate = this.#plainGate(user, arg);
    const shift = scale === 0 ? 0 : scale - this.#scale(user, arg);
    if (shift === 0) return gate;
    this.#within(user, arg, scale, WORD_LIMIT);
    const b = this.#builder;
    return b.words('scale', b.at(gate).length, [b.asWords(gate)], 1n << BigInt(shift));
  }

  /** A single value serves a whole vector; other lengths must be equal. */
  #stretch(user: number, gate: number, length: number): number {
    const { length: has } = this.#builder.at(gate);
    if (has !== 1 && has !== length) {
      throw this.#unsupported(user, `combines vectors of ${has} and ${length} elements, which must be of equal length`);
    }
    return this.#builder.repeat(gate, length);
  }

  #comparable(user: number, x: number, y: number, scale: number): void {
    for (const arg of [x, y]) this.#within(user, arg, scale, COMPARE_LIMIT);
  }

  #within(user: number, arg: number, scale: number, limit: bigint): void {
    const { type } = this.#node(arg);
    const most =
      type.kind === 'constant'
        ? magnitude(type.value, type.value)
        : type.kind === 'shared'
          ? magnitude(type.lo, type.hi)
          : 0n;
    if (most << BigInt(scale - this.#scale(user, arg)) >= limit) {
      throw this.#unsupported(user, `compares or aligns values that may reach 2^${limit === COMPARE_LIMIT ? 62 : 63}`);
    }
  }

  #unsupported(index: number, problem: string): NodeError {
    return unsupported(this.#plan, index, problem);
  }
}

function magnitude(lo: string, hi: string): bigint {
  const [low, high] = [BigInt(lo), BigInt(hi)];
  return -low > high ? -low : high;
}
