/**
 * The first contract of a dataset, written from the source itself: its columns, and their ranges from one scan of a copy
 * that is deleted afterwards. It permits nothing.
 * @module
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataSource, NodeError, type PhysicalType, type Rng, type TableInfo, toHex } from '@2pm/core';
import type { Engine } from '../engine/engine.ts';
import { identifier, literal } from '../sql.ts';

export interface DraftRequest {
  source: DataSource;
  /** For the driver. */
  server: Record<string, unknown>;
  /** The same as the contract's `servers` entry tells it: `type` and the keys of that type. */
  serverBlock: Record<string, unknown>;
  /** Table inside the source; may be left out where there is one. */
  table?: string;
  /** Logical name; from the table's name when left out. */
  as?: string;
  engine: Engine;
  /** Where the copy may stand for a moment. */
  dir: string;
  rng: Rng;
}

const LOGICAL: Record<PhysicalType, string | undefined> = {
  integer: 'integer',
  double: 'number',
  decimal: 'number',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  text: 'string',
  binary: undefined,
};

/** @returns the contract as YAML with comments. @throws {NodeError} `DATA_*`. */
export async function draftContract(request: DraftRequest): Promise<{ yaml: string; table: string }> {
  const session = await request.source.open(request.server, {});
  const copy = join(request.dir, `draft-${toHex(request.rng.fill(new Uint8Array(8))).slice(2)}.parquet`);
  try {
    const tables = await session.describe();
    const info = chosen(tables, request.table);
    const columns = info.columns.filter((column) => LOGICAL[column.type] !== undefined);
    if (columns.length === 0)
      throw new NodeError('DATA_NO_COLUMNS', 'the table has no column of a usable type', { fault: 'data' });
    const { rows } = await session.snapshot({
      table: info.name,
      columns: columns.map((column) => column.name),
      target: copy,
    });
    const facts = await scan(request.engine, copy, columns);
    const table = logicalName(request.as ?? info.name, 'table', new Set());
    return { yaml: render(request, info.name, table, columns, facts, rows), table };
  } finally {
    await session.close();
    await rm(copy, { force: true });
  }
}

function chosen(tables: readonly TableInfo[], name: string | undefined): TableInfo {
  const info = name === undefined && tables.length === 1 ? tables[0] : tables.find((table) => table.name === name);
  if (info !== undefined) return info;
  throw new NodeError('DATA_WHICH_TABLE', 'the source has several tables, or none of that name', {
    fault: 'caller',
    fix: `name one of: ${tables.map((table) => table.name).join(', ')}`,
  });
}

interface Facts {
  nulls: number;
  min: string | undefined;
  max: string | undefined;
}

async function scan(engine: Engine, file: string, columns: TableInfo['columns']): Promise<Facts[]> {
  const select = columns.flatMap(({ name, type }) => {
    const column = identifier(name);
    const shown = (bound: string) => {
      if (type === 'text' || type === 'boolean') return 'CAST(NULL AS VARCHAR)';
      return `CAST(${type === 'timestamp' ? `CAST(${bound} AS DATE)` : bound} AS VARCHAR)`;
    };
    return [`count(*) - count(${column})`, shown(`min(${column})`), shown(`max(${column})`)];
  });
  const [result] = await engine.query(
    { statements: [`SELECT ${select.join(', ')} FROM read_parquet(${literal(file)})`], files: [file] },
    {},
  );
  const cell = (index: number) => {
    const column = result?.columns[index];
    return column?.valid[0] === 1 ? String(column.values[0]) : undefined;
  };
  return columns.map((_, i) => ({ nulls: Number(cell(3 * i) ?? 0), min: cell(3 * i + 1), max: cell(3 * i + 2) }));
}

function render(
  request: DraftRequest,
  physical: string,
  table: string,
  columns: TableInfo['columns'],
  facts: readonly Facts[],
  rows: number,
): string {
  const used = new Set<string>();
  const properties = columns.map((column, i) => {
    const { nulls, min, max } = facts[i] as Facts;
    const name = logicalName(column.name, 'column', used);
    used.add(name);
    const quote = column.type === 'date' || column.type === 'timestamp' ? JSON.stringify : String;
    const finite = min !== undefined && max !== undefined && !/nan|inf/i.test(`${min} ${max}`);
    return [
      `      - name: ${name}`,
      ...(name === column.name ? [] : [`        physicalName: ${JSON.stringify(column.name)}`]),
      `        logicalType: ${LOGICAL[column.type]}`,
      ...(finite ? [`        logicalTypeOptions: { minimum: ${quote(min)}, maximum: ${quote(max)} } # as found`] : []),
      `        required: ${rows > 0 && nulls === 0}`,
    ].join('\n');
  });
  const server = Object.entries(request.serverBlock).map(
    ([key, value]) => `    ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  return `# A dataset contract (Open Data Contract Standard v3.1.0). Stays on this node; what others learn of it is the names and
# types of columns and the policy. The ranges are those found in the data: set them to what may occur, because they are shown to others.
apiVersion: v3.1.0
kind: DataContract
id: ${JSON.stringify(`urn:2pm:${table}`)}
version: 1.0.0
status: draft
servers:
  - server: main
${server.join('\n')}
schema:
  - name: ${table}
    physicalName: ${JSON.stringify(physical)}
    properties:
${properties.join('\n')}
    # quality:
    #   - { metric: rowCount, mustBeGreaterOrEqualTo: 1000 }
customProperties:
  - property: twopm.policy
    value:
      # Nothing is permitted until you say so. A permit to start from:
      # permit:
      #   - parties: any                  # or ids of analysts and of nodes that submit for them
      #     operations: [aggregate]       # filter, arithmetic, aggregate, per-holder, rows, or single operations
      #     reveals: [aggregate]          # aggregate, per-holder, rows
      #     columns: [${[...used].slice(0, 3).join(', ')}]
      #     thresholds: { minParties: 2, minGroupSize: 20 }
      #     limits: { maxTasksPerDay: 20 }
      #     approval: manual              # auto or manual
      permit: []
      prohibit: []
      defaults: deny
`;
}

/** A logical name like the source's: letters, digits and underscores, unlike any used before. */
function logicalName(name: string, fallback: string, used: ReadonlySet<string>): string {
  const plain = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^a-zA-Z0-9_]+/g, '_')
    .replace(/^[^a-zA-Z]+/, '')
    .replace(/_+$/, '')
    .slice(0, 60);
  const base =
    plain === ''
      ? fallback
      : (plain[0]?.toLowerCase() ?? '') + (/^[A-Z0-9_]+$/.test(plain) ? plain.slice(1).toLowerCase() : plain.slice(1));
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? base : `${base}${n}`;
    if (!used.has(candidate)) return candidate;
  }
}
