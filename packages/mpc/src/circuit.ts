/**
 * The shared part of a plan as a circuit of vector gates, the form that every back-end executes. Two representations:
 * `words` (integers modulo 2^64) and `bits`. Lengths are public and fixed; equal gates are one gate.
 * @module
 */

/**
 * words: total stack random constant scale add sub mul dot matmul truncate sum prefix inject slice concat transpose shuffle join ranks
 * place; bits: negative zero parity xor and not sortable radix; either: repeat.
 */
export type GateOperation =
  /** Sum of the members' vectors, or the vectors side by side: `input` says where in a member's message. */
  | 'total'
  | 'stack'
  /** Uniform words that no seat knows, others for each gate: equal gates of this kind are never one. */
  | 'random'
  | 'constant'
  /** Times a public constant. */
  | 'scale'
  | 'add'
  | 'sub'
  | 'mul'
  /** Products summed over adjacent blocks of equal size. */
  | 'dot'
  /** Product of row-major matrices; `inner` is the dimension that they have in common. */
  | 'matmul'
  /**
   * x / 2^constant, rounded up with the probability of what lies below, else down: never off by 1 or more, for all x in
   * [-2^62, 2^62).
   */
  | 'truncate'
  /** Adjacent blocks of equal size, each to its sum. */
  | 'sum'
  /** The sum of all elements up to each, itself included. */
  | 'prefix'
  /** Each element several times over, next to each other. */
  | 'repeat'
  /** `run` elements from `offset` on, as many from `offset` + `step` on, …, `length` in all; the last run may be shorter. */
  | 'slice'
  /** The arguments one after another; with `run`, in turns of so many elements of each, until all are used up. */
  | 'concat'
  /** Of a row-major matrix with `inner` rows. */
  | 'transpose'
  /** Sign bit of the word as a two's complement integer. */
  | 'negative'
  /** Whether the word is 0. */
  | 'zero'
  /** Lowest bit of the word. */
  | 'parity'
  | 'xor'
  | 'and'
  | 'not'
  /** Bit to the word 0 or 1. */
  | 'inject'
  /** Columns of one height side by side, their rows in an order that no seat knows. An argument may hold several columns. */
  | 'shuffle'
  /** Rows of several relations that have a tag in common; see `Joining`. */
  | 'join'
  /** Words in [-2^(constant-1), 2^(constant-1)), constant ≤ 32, to rows of 64 bits that `radix` and `ranks` understand. */
  | 'sortable'
  /** Such rows by the number that bits `constant` and `constant` + 1 make, else in the order that they had. */
  | 'radix'
  /** For each word that `sortable` took, where its row is now. */
  | 'ranks'
  /** Columns as high as the first argument, a permutation that says where each row goes. */
  | 'place';

/**
 * Argument r of a join is relation r: for each pass two columns that make a tag, then the columns that it brings. The
 * result has a slot for each row of the lowest relation, the first of them if there are several: a column of 1 where the
 * slot holds a match across all relations and 0 elsewhere, then the columns that the relations brought, in order. Slots
 * without a match hold values of rows that have nothing to do with each other: no output may show them.
 */
export interface Joining {
  relations: readonly { rows: number; columns: number }[];
  passes: number;
  /** The seat that matches; undefined in circuits that do not run. */
  matcher: number | undefined;
}

/** Rows of the result of a join. */
export function joinedRows({ relations }: Joining): number {
  return Math.min(...relations.map(({ rows }) => rows));
}

export interface Gate {
  op: GateOperation;
  /** Earlier gates. */
  args: readonly number[];
  form: 'words' | 'bits';
  length: number;
  /** Of `constant` and `scale`, modulo 2^64; of `truncate`, the bits cut off, 1 to 62; of `sortable` and `radix`, see there. */
  constant?: bigint;
  /** Of `matmul`: columns of the first and rows of the second argument; of `transpose`: rows of the argument. */
  inner?: number;
  /** Of `repeat`: elements of the argument. */
  from?: number;
  /** Of `shuffle`: height of the columns. */
  rows?: number;
  /** Of `join`. */
  join?: Joining;
  /** Of `slice`: the first element, and the distance from one run to the next. */
  offset?: number;
  step?: number;
  /** Of `slice` (1 where absent) and of `concat`. */
  run?: number;
  /** Of `total` and `stack`: first word and number of words in each member's message. */
  input?: { role: string; offset: number; length: number };
}

export interface Circuit {
  gates: readonly Gate[];
  /** One for each reveal: the gate that is opened, and the bits (1 where released) if it can be withheld. */
  outputs: readonly { node: number; value: number; ok?: number }[];
  /** Words in the input message of each member of a role. */
  inputWords: ReadonlyMap<string, number>;
}

/** How a back-end brings rows together: by gates of its own that shuffle them, or by networks of comparisons. */
export type Arranging = 'shuffles' | 'networks';

/** Collects gates; a gate that is there already is not added again. */
export class CircuitBuilder {
  readonly gates: Gate[] = [];
  readonly arranging: Arranging;
  readonly #known = new Map<string, number>();

  constructor(arranging: Arranging = 'shuffles') {
    this.arranging = arranging;
  }

  add(gate: Gate): number {
    const { op, args, length, constant, inner, rows, offset, step, run, join, input } = gate;
    const place = [offset, step, run, input?.role, input?.offset];
    const key = [op, args, length, constant, inner, rows, JSON.stringify(join), ...place].join('|');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.gates.length);
    return this.gates.push(gate) - 1;
  }

  at(index: number): Gate {
    const gate = this.gates[index];
    if (gate === undefined) throw new RangeError(`no gate ${index}`);
    return gate;
  }

  words(op: GateOperation, length: number, args: readonly number[], constant?: bigint): number {
    return this.add({
      op,
      args,
      form: 'words',
      length,
      ...(constant === undefined ? {} : { constant: BigInt.asUintN(64, constant) }),
    });
  }

  /** 0, 1, 2 … */
  places(length: number): number {
    const one = this.words('constant', 1, [], 1n);
    const ones = this.repeat(one, length);
    return this.words('sub', length, [this.words('prefix', length, [ones]), ones]);
  }

  random(length: number): number {
    return this.gates.push({ op: 'random', args: [], form: 'words', length }) - 1;
  }

  /** Row-major matrices times each other: one word of traffic for each element of the product. */
  matmul(x: number, y: number, inner: number): number {
    const [rows, columns] = [x, y].map((arg) => this.at(arg).length / inner);
    if (rows === undefined || columns === undefined || !Number.isInteger(rows) || !Number.isInteger(columns)) {
      throw new RangeError(`matrices have no common dimension of ${inner}`);
    }
    return this.add({ op: 'matmul', args: [x, y], form: 'words', length: rows * columns, inner });
  }

  /** `length` elements from `offset` on: `run` of them, then as many `step` places after these began, and so on. */
  slice(x: number, offset: number, length: number, step = 1, run = 1): number {
    const has = this.at(x).length;
    const last = offset + step * Math.floor((length - 1) / run) + ((length - 1) % run);
    if (offset < 0 || last >= has) throw new RangeError(`no such part of ${has} elements`);
    if (offset === 0 && length === has) return x;
    // Where runs meet, or there is but one, it is a part in one piece.
    const place = step === run || length <= run ? { step: 1 } : { step, ...(run === 1 ? {} : { run }) };
    return this.add({ op: 'slice', args: [x], form: 'words', length, offset, ...place });
  }

  /** With `run`, in turns of so many elements of each. */
  concat(parts: readonly number[], run?: number): number {
    const [only, second] = parts;
    if (only !== undefined && second === undefined) return only;
    const length = parts.reduce((sum, part) => sum + this.at(part).length, 0);
    return this.add({ op: 'concat', args: parts, form: 'words', length, ...(run === undefined ? {} : { run }) });
  }

  /** Of a row-major matrix. */
  transpose(x: number, rows: number): number {
    const { length } = this.at(x);
    if (length % rows !== 0) throw new RangeError(`${length} elements are no matrix of ${rows} rows`);
    return rows === 1 || rows === length
      ? x
      : this.add({ op: 'transpose', args: [x], form: 'words', length, inner: rows });
  }

  /** x / 2^bits to a neighbouring integer, the nearer the likelier; x in [-2^62, 2^62). */
  truncate(x: number, bits: number): number {
    if (!Number.isInteger(bits) || bits < 0 || bits > 62) throw new RangeError(`cannot cut ${bits} bits off`);
    return bits === 0 ? x : this.words('truncate', this.at(x).length, [x], BigInt(bits));
  }

  /**
   * ⌊x / 2^bits⌋, the same at every run: what `truncate` gives, less 1 where it rounded up, which the sign of the rest
   * shows. Ten rounds more.
   */
  floor(x: number, bits: number): number {
    const { length } = this.at(x);
    const near = this.truncate(x, bits);
    const rest = this.words('sub', length, [x, this.words('scale', length, [near], 1n << BigInt(bits))]);
    return bits === 0 ? x : this.words('sub', length, [near, this.asWords(this.bits('negative', length, [rest]))]);
  }

  bits(op: GateOperation, length: number, args: readonly number[]): number {
    return this.add({ op, args, form: 'bits', length });
  }

  /** The gate's value as words: a bit becomes 0 or 1. */
  asWords(gate: number): number {
    const { form, length } = this.at(gate);
    return form === 'words' ? gate : this.words('inject', length, [gate]);
  }

  /** The gate's value as bits; a word must be 0 or 1. */
  asBits(gate: number): number {
    const { form, length } = this.at(gate);
    return form === 'bits' ? gate : this.bits('parity', length, [gate]);
  }

  /** The rows of some columns, words of one height each, in an order that nobody knows; one gate for each column. */
  shuffle(columns: readonly number[]): number[] {
    const rows = this.at(columns[0] ?? -1).length;
    const length = rows * columns.length;
    const block = this.add({ op: 'shuffle', args: columns, form: 'words', length, rows });
    return columns.map((_, column) => this.slice(block, column * rows, rows));
  }

  /** Stretches a vector to a multiple of its length; each element stands for a run of neighbours. */
  repeat(gate: number, length: number): number {
    const { form, length: has } = this.at(gate);
    if (has === length) return gate;
    if (length % has !== 0) throw new RangeError(`${length} elements cannot be runs of ${has}`);
    return this.add({ op: 'repeat', args: [gate], form, length, from: has });
  }
}

/** The circuit without gates that no output needs. */
export function prune({ gates, outputs, inputWords }: Circuit): Circuit {
  const live = new Set<number>();
  const stack = outputs.flatMap(({ value, ok }) => (ok === undefined ? [value] : [value, ok]));
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    if (live.has(index)) continue;
    live.add(index);
    stack.push(...(gates[index]?.args ?? []));
  }
  const kept = [...live].sort((a, b) => a - b);
  const renamed = new Map(kept.map((old, index) => [old, index]));
  const rename = (old: number) => renamed.get(old) ?? -1;
  return {
    gates: gates.filter((_, index) => live.has(index)).map((gate) => ({ ...gate, args: gate.args.map(rename) })),
    outputs: outputs.map(({ node, value, ok }) => ({
      node,
      value: rename(value),
      ...(ok === undefined ? {} : { ok: rename(ok) }),
    })),
    inputWords,
  };
}
