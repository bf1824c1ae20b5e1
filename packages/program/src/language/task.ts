/** A task as an analyst writes it, and its tracing into a plan: once, without any data. @module */
import type { Plan, PlanNode, ResultTree, ValueType } from '@2pm/core';
import type { KeyedRows } from './keyed-rows.ts';
import { lineOf } from './line.ts';
import { type LocalTable, type LocalVector, localTable } from './local.ts';
import { join, psi } from './match.ts';
import { checkName } from './name.ts';
import { fail, ProgramError } from './program-error.ts';
import { OpenedVector, PublicVector } from './public.ts';
import { reveal } from './reveal.ts';
import { union } from './rows.ts';
import type { TableSpec } from './schema.ts';
import { Each } from './shared.ts';
import { describeOperand, type Ref, refOf, Trace, Value } from './trace.ts';
import { mapTree, type Tree } from './tree.ts';

export type TableSpecs = { readonly [name: string]: TableSpec };

export interface RoleSpec<T extends string = string> {
  /** Fewest and most members; fewer than `min` and the task does not start. */
  readonly min: number;
  readonly max: number;
  /** Tables that each member brings. */
  readonly tables: readonly T[];
}

type RoleSpecs<T extends TableSpecs> = { readonly [name: string]: RoleSpec<keyof T & string> };

export type TablesOf<T extends TableSpecs, R extends RoleSpecs<T>, Role extends keyof R & string> = {
  readonly [N in R[Role]['tables'][number]]: LocalTable<T[N]['columns'], `${Role}.${N}`, keyof T[N]['keys'] & string>;
};

export interface Context<T extends TableSpecs, R extends RoleSpecs<T>> {
  /** What every holder of the role computes on its own tables; `.total()` or `.stack()` shares it. */
  each<Role extends keyof R & string, Out extends Tree<LocalVector<Role>> | KeyedRows<Role>>(
    role: Role,
    body: (tables: TablesOf<T, R, Role>) => Out,
  ): Each<Out>;
  readonly join: typeof join;
  readonly psi: typeof psi;
  readonly union: typeof union;
  readonly reveal: typeof reveal;
}

export interface TaskDefinition<T extends TableSpecs, R extends RoleSpecs<T>> {
  readonly name: string;
  readonly tables: T;
  readonly roles: R;
  /** The program: what is computed, and what of it the recipient reads. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a program whose results stay with the holders returns nothing.
  run(context: Context<T, R>): Tree<OpenedVector | PublicVector> | void;
}

/** A plan under construction that is complete. */
export interface Traced {
  readonly plan: Omit<Plan, 'nodes'>;
  readonly nodes: readonly Ref[];
}

let run: (task: Task) => Traced;

/** A task, ready to be traced. */
export class Task {
  readonly #trace: () => Traced;

  constructor(trace: () => Traced) {
    this.#trace = trace;
  }

  static {
    run = (task) => task.#trace();
  }
}

export function defineTask<const T extends TableSpecs, const R extends RoleSpecs<T>>(
  definition: TaskDefinition<T, R>,
): Task {
  const { name, tables, roles } = definition;
  if (typeof name !== 'string' || !/^[^\p{Cc}\u202a-\u202e\u2066-\u2069]{1,128}$/u.test(name)) {
    fail('PROGRAM_NAME', 'a task needs a name of 1 to 128 characters, none of which controls a terminal');
  }
  for (const table of Object.keys(tables)) checkName(table, 'table');
  for (const [role, { min, max, tables: brought }] of Object.entries(roles)) {
    checkName(role, 'role');
    if (![min, max].every((n) => Number.isInteger(n) && n >= 1 && n <= 64) || min > max) {
      fail('PROGRAM_SCHEMA', `role ${role}: min and max must be whole numbers with 1 ≤ min ≤ max ≤ 64`);
    }
    for (const table of brought) {
      if (!Object.hasOwn(tables, table)) fail('PROGRAM_SCHEMA', `role ${role} brings an unknown table "${table}"`);
    }
  }
  return new Task(() => traceDefinition(definition));
}

/** @throws {ProgramError} with a code PROGRAM_* and the line of the program. */
export function trace(task: unknown): Plan {
  const { plan, nodes } = traced(task);
  return { ...plan, nodes: nodes.map(planNode) };
}

/** As `trace`. */
export function traced(task: unknown): Traced {
  if (!(task instanceof Task)) {
    throw new ProgramError('PROGRAM_NO_TASK', 'the program exports no task', {
      line: 0,
      fix: 'Write export default defineTask({ … })',
    });
  }
  try {
    return run(task);
  } catch (error) {
    if (error instanceof ProgramError) throw error;
    const known = error instanceof Error;
    // A limit of the sandbox: its host says so.
    if (known && (error.name === 'InternalError' || /^(?:stack overflow|out of memory)$/.test(error.message)))
      throw error;
    const line = known && typeof error.stack === 'string' ? lineOf(error.stack) : 0;
    const message = known ? `${error.name}: ${error.message}` : 'the program threw something that is no error';
    throw new ProgramError('PROGRAM_THREW', message, { line });
  }
}

function traceDefinition<T extends TableSpecs, R extends RoleSpecs<T>>(definition: TaskDefinition<T, R>): Traced {
  const { name, tables, roles } = definition;
  const trace = new Trace(tables, roles);
  const context: Context<T, R> = {
    each(role, body) {
      const spec = Object.hasOwn(roles, role) ? roles[role] : undefined;
      if (spec === undefined) fail('PROGRAM_ROLE', `there is no role "${String(role)}"`);
      const local: Record<string, unknown> = {};
      for (const table of spec.tables) {
        const input = trace.emit('input/1', [], { kind: 'table', role, table }, undefined, { table });
        local[table] = localTable(input, (tables[table] as TableSpec).columns);
      }
      return new Each(body(Object.freeze(local) as TablesOf<T, R, typeof role>), role, spec.max);
    },
    join,
    psi,
    union,
    reveal,
  };
  const result = resultTree(definition.run(Object.freeze(context)), trace);
  const plan: Traced['plan'] = {
    v: 1,
    language: '2pm/1',
    name,
    tables: mapRecord(tables, ({ maxRows, columns, keys }) => ({
      maxRows,
      columns: mapRecord(columns, ({ type }) => type),
      ...(Object.keys(keys).length === 0 ? {} : { keys }),
    })),
    roles: mapRecord(roles, ({ min, max, tables: brought }) => ({ min, max, tables: [...brought] })),
    // Somebody asks, also where only holders learn something.
    recipients: trace.recipients.length === 0 ? ['analyst'] : trace.recipients,
    result,
  };
  return { plan, nodes: trace.nodes };
}

function planNode({ op, args, attrs, type, lo, hi, line }: Ref): PlanNode {
  const bounds =
    type.kind === 'constant' ? { value: String(lo) } : 'fractionBits' in type ? { lo: String(lo), hi: String(hi) } : {};
  // A constant whose operation was refused, and the refusal caught, has no line.
  return { op, args: [...args], attrs, type: { ...type, ...bounds } as ValueType, line: Math.max(line, 0) };
}

function resultTree(result: unknown, trace: Trace): ResultTree {
  if (result === undefined && trace.recipients.length === 0 && trace.revealed.size > 0) return {};
  let recipient: string | undefined;
  return mapTree(
    result,
    (value) => value instanceof Value,
    (leaf): number => {
      if (!(leaf instanceof OpenedVector || leaf instanceof PublicVector)) {
        const fix = 'A program returns what reveal() opened, or what is computed from it';
        fail('PROGRAM_RESULT', `the result holds ${describeOperand(leaf)}`, fix);
      }
      const ref: Ref = refOf(leaf);
      if (ref.trace !== trace) fail('PROGRAM_PLACEMENT', 'the result holds a value of another task');
      const to = 'to' in ref.type ? ref.type.to : '';
      recipient ??= to;
      if (to !== recipient) fail('PROGRAM_RESULT', `the result mixes what ${recipient} and ${to} know`);
      return ref.index;
    },
  );
}

function mapRecord<In, Out>(record: { readonly [name: string]: In }, map: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}
