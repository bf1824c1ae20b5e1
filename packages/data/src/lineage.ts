/** Which table node a local node stands on, from its arguments alone: what its type claims is not evidence. @module */
import { NodeError, type Plan, type PlanNode } from '@2pm/core';

/** Where shared rows come from, and what chooses or orders them. */
const SOURCES: ReadonlySet<string> = new Set(['join/1', 'union/1']);
const SELECTIONS: ReadonlySet<string> = new Set(['keep/1', 'sort/1', 'head/1']);

export class Lineage {
  readonly plan: Plan;
  readonly #tables = new Map<number, number>();
  readonly #keys = new Map<number, number>();
  readonly #known = new Map<string, number>();
  readonly #nullable = new Set<number>();

  constructor(plan: Plan) {
    this.plan = plan;
    for (const [index, node] of plan.nodes.entries()) {
      for (const arg of node.args) if (arg >= index) throw malformed(node, 'an argument comes after its use');
      const table = this.#tableOf(node, index);
      if (table !== undefined) this.#tables.set(index, table);
      if (this.#mayLack(node, index)) this.#nullable.add(index);
      const { type } = node;
      const own = type.kind === 'constant' ? `${type.value}/${type.fractionBits}` : 'role' in type ? type.role : '';
      const key = `${node.op} ${node.args.map((arg) => this.#keys.get(arg)).join()} ${own} ${JSON.stringify(node.attrs)}`;
      const known = this.#known.get(key) ?? index;
      this.#known.set(key, known);
      this.#keys.set(index, known);
    }
  }

  node(index: number): PlanNode {
    const node = this.plan.nodes[index];
    if (node === undefined) throw new NodeError('DATA_PLAN_MALFORMED', 'no such node', { fault: 'caller' });
    return node;
  }

  /** The first node that says the same thing as this one. */
  key(index: number): number {
    return this.#keys.get(index) ?? index;
  }

  same(a: number, b: number): boolean {
    return this.key(a) === this.key(b);
  }

  /** Whether a column may lack values, by the declared schema and not by the node's claim. */
  nullable(column: number): boolean {
    return this.#nullable.has(column);
  }

  /** The table node whose rows a column or a key has, or that a local aggregate is taken over; a table is its own. */
  table(index: number): number {
    const table = this.#tables.get(index);
    if (table === undefined) throw malformed(this.node(index), 'it stands on no table');
    return table;
  }

  /** The `input/1` node under a table, and the conditions on the way, outermost last. */
  base(table: number): { input: number; conditions: number[] } {
    const conditions: number[] = [];
    let at = table;
    for (let node = this.node(at); node.op === 'where/1'; node = this.node(at)) {
      conditions.unshift(node.args[1] as number);
      at = node.args[0] as number;
    }
    return { input: at, conditions };
  }

  /**
   * The `join/1` or `union/1` node under rows, itself and all between (`chain`), each of which has no fewer rows than the one
   * before; and what rows were kept or ordered by (`conditions`).
   */
  join(joined: number): { join: number; chain: number[]; conditions: number[] } {
    const chain = [joined];
    const conditions: number[] = [];
    let at = joined;
    for (let node = this.node(at); SELECTIONS.has(node.op); node = this.node(at)) {
      conditions.push(...node.args.slice(1));
      at = node.args[0] as number;
      chain.push(at);
    }
    if (!SOURCES.has(this.node(at).op)) throw malformed(this.node(at), 'it stands on no rows');
    return { join: at, chain, conditions };
  }

  #mayLack(node: PlanNode, index: number): boolean {
    if (node.type.kind !== 'column' || node.op === 'is-null/1') return false;
    if (node.op !== 'column/1') return node.args.some((arg) => this.#nullable.has(arg));
    const { input } = this.base(this.table(index));
    const declared = this.plan.tables[this.node(input).attrs.table ?? '']?.columns[node.attrs.name ?? ''];
    return declared?.nullable ?? true;
  }

  #tableOf(node: PlanNode, index: number): number | undefined {
    const [first] = node.args;
    switch (node.type.kind) {
      case 'table': {
        if (node.op === 'input/1' && node.args.length === 0) return index;
        const isTable = first !== undefined && this.plan.nodes[first]?.type.kind === 'table';
        if (node.op !== 'where/1' || node.args.length !== 2 || !isTable) throw malformed(node, 'it makes no table');
        const condition = node.args[1] as number;
        const type = this.plan.nodes[condition]?.type;
        if (type?.kind !== 'column' || type.dtype !== 'bool') throw malformed(node, 'its condition is no truth value');
        if (this.#tables.get(condition) !== first) throw malformed(node, 'its condition is of another table');
        return index;
      }
      case 'keyed':
        if (node.op !== 'keyed/1' || this.plan.nodes[first ?? -1]?.type.kind !== 'table') {
          throw malformed(node, 'it takes no rows of a table');
        }
        return first;
      case 'column':
      case 'local': {
        const tables = new Set<number>();
        for (const arg of node.args) {
          const kind = this.plan.nodes[arg]?.type.kind;
          if (kind === 'constant') continue;
          if (kind !== 'table' && kind !== 'column') throw malformed(node, 'it uses values of another placement');
          tables.add(this.#tables.get(arg) as number);
        }
        const [table, ...others] = tables;
        if (table === undefined || others.length > 0) throw malformed(node, 'it mixes rows of different tables');
        return table;
      }
      default:
        return undefined;
    }
  }
}

export function malformed(node: PlanNode, why: string): NodeError {
  return new NodeError('DATA_PLAN_MALFORMED', `${node.op} at line ${node.line} of the program is malformed: ${why}`, {
    fault: 'caller',
  });
}
