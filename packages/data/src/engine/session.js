/**
 * One job's database. Plain JavaScript, because the child process loads it as it stands, from sources and from the build.
 * @module
 */
// @ts-check
import * as duck from '@duckdb/node-api';
import { rowsOf } from './records.js';

/** @typedef {import('./engine.ts').ResultColumn} ResultColumn */

/** @param {string} text */
const literal = (text) => `'${text.replaceAll("'", "''")}'`;
/** @param {string} name */
const identifier = (name) => `"${name.replaceAll('"', '""')}"`;

/** @type {Record<string, duck.DuckDBType>} */
const APPEND_TYPES = {
  BOOLEAN: duck.BOOLEAN,
  BIGINT: duck.BIGINT,
  DOUBLE: duck.DOUBLE,
  VARCHAR: duck.VARCHAR,
  BLOB: duck.BLOB,
  DATE: duck.DATE,
};

/** @type {import('./engine.ts').OpenSession} */
export async function openSession(limits, files) {
  const instance = await duck.DuckDBInstance.create(':memory:', {
    memory_limit: `${limits.memoryBytes}B`,
    threads: String(limits.threads),
    temp_directory: limits.tempDirectory,
    max_temp_directory_size: `${limits.tempBytes}B`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  });
  const connection = await instance.connect();
  for (const statement of [
    `SET TimeZone = 'UTC'`,
    // Order of rows is part of what a snapshot is.
    'SET preserve_insertion_order = true',
    `SET allowed_paths = [${files.map(literal).join(', ')}]`,
    'SET enable_external_access = false',
    'SET lock_configuration = true',
  ]) {
    await connection.run(statement);
  }

  /** @type {duck.DuckDBAppender | undefined} */
  let appender;
  /** @type {import('./engine.ts').AppendJob['columns']} */
  let appendColumns = [];
  let appended = 0;

  return {
    async query(statements) {
      const tables = [];
      for (const statement of statements) tables.push(await readTable(connection, statement, limits.maxRows));
      return tables;
    },
    async records(statement, shape) {
      const blobs = [];
      const result = await connection.stream(statement);
      for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; ) {
        const vector = /** @type {duck.DuckDBBlobVector} */ (chunk.getColumnVector(0));
        for (let i = 0; i < chunk.rowCount; i++) blobs.push(vector.getItem(i)?.bytes ?? new Uint8Array());
        chunk = await result.fetchChunk();
      }
      return rowsOf(blobs, shape, limits.maxRows);
    },
    async appendBegin(columns) {
      appendColumns = columns;
      await connection.run(
        `CREATE TABLE rows (${columns.map((column) => `${identifier(column.name)} ${column.type}`).join(', ')})`,
      );
      appender = await connection.createAppender('rows');
    },
    appendBatch(batch) {
      const types = appendColumns.map((column) => /** @type {duck.DuckDBType} */ (APPEND_TYPES[column.type]));
      const rows = batch[0]?.length ?? 0;
      for (let from = 0; from < rows; from += 2_048) {
        const chunk = duck.DuckDBDataChunk.create(types, Math.min(2_048, rows - from));
        for (const [index, column] of batch.entries()) {
          if (column instanceof BigInt64Array) {
            const vector = /** @type {any} */ (chunk.getColumnVector(index));
            vector.items.set(column.subarray(from, from + 2_048));
            vector.flush();
            continue;
          }
          const part = column.slice(from, from + 2_048).map((value) => appendValue(value, appendColumns[index]?.type));
          chunk.setColumnValues(index, /** @type {duck.DuckDBValue[]} */ (part));
        }
        appender?.appendDataChunk(chunk);
      }
      appended += rows;
    },
    async appendEnd(target) {
      appender?.closeSync();
      await connection.run(`COPY rows TO ${literal(target)} (FORMAT parquet)`);
      return appended;
    },
    interrupt: () => connection.interrupt(),
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/**
 * @param {unknown} value
 * @param {string | undefined} type
 */
function appendValue(value, type) {
  if (value === null) return null;
  if (type === 'DATE') return new duck.DuckDBDateValue(Number(value));
  if (type === 'BLOB') return new duck.DuckDBBlobValue(/** @type {Uint8Array} */ (value));
  return value;
}

/**
 * @param {duck.DuckDBConnection} connection
 * @param {string} statement
 * @param {number} maxRows
 */
async function readTable(connection, statement, maxRows) {
  const result = await connection.stream(statement);
  /** @type {duck.DuckDBDataChunk[]} */
  const chunks = [];
  let rows = 0;
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    rows += chunk.rowCount;
    if (rows > maxRows) throw Object.assign(new Error('too many rows'), { failure: 'rows' });
    chunks.push(chunk);
  }
  const columns = result
    .columnNames()
    .map((name, index) => readColumn(name, result.columnType(index).typeId, chunks, index, rows));
  return { rows, columns };
}

/**
 * @param {string} name
 * @param {duck.DuckDBTypeId} typeId
 * @param {duck.DuckDBDataChunk[]} chunks
 * @param {number} index
 * @param {number} rows
 * @returns {ResultColumn}
 */
function readColumn(name, typeId, chunks, index, rows) {
  const values = allocate(typeId, rows);
  const valid = new Uint8Array(rows);
  let at = 0;
  for (const chunk of chunks) {
    const count = chunk.rowCount;
    const vector = /** @type {any} */ (chunk.getColumnVector(index));
    if (
      vector.items instanceof BigInt64Array ||
      vector.items instanceof Float64Array ||
      vector.items instanceof Int32Array
    ) {
      // Typed copy without boxing; the slot of a null holds garbage, which `valid` covers.
      /** @type {any} */ (values).set(vector.items.subarray(0, count), at);
      for (let i = 0; i < count; i++) valid[at + i] = vector.validity.itemValid(i) ? 1 : 0;
    } else {
      for (let i = 0; i < count; i++) {
        const item = vector.getItem(i);
        if (item === null) continue;
        valid[at + i] = 1;
        values[at + i] = /** @type {never} */ (typeof item === 'boolean' ? Number(item) : item);
      }
    }
    at += count;
  }
  return { name, values, valid };
}

/**
 * @param {duck.DuckDBTypeId} typeId
 * @param {number} rows
 */
function allocate(typeId, rows) {
  switch (typeId) {
    case duck.DuckDBTypeId.BIGINT:
      return new BigInt64Array(rows);
    case duck.DuckDBTypeId.INTEGER:
      return new Int32Array(rows);
    case duck.DuckDBTypeId.DOUBLE:
      return new Float64Array(rows);
    case duck.DuckDBTypeId.BOOLEAN:
      return new Uint8Array(rows);
    case duck.DuckDBTypeId.VARCHAR:
      return new Array(rows).fill('');
    default:
      throw new Error('a statement returned a column of a type that does not leave the engine');
  }
}

/**
 * @param {unknown} error
 * @returns {import('./engine.ts').EngineFailure}
 */
export function failureOf(error) {
  const detail = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && 'failure' in error) return { kind: 'rows', detail };
  if (/^Out of Memory Error/i.test(detail)) return { kind: 'memory', detail };
  if (/^INTERRUPT Error/i.test(detail)) return { kind: 'interrupt', detail };
  return { kind: 'sql', detail };
}
