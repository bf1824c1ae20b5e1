/** Columns of a Parquet file, in the words of the data connector. @module */
import type { PhysicalType, TableInfo } from '@2pm/core';
import type { Engine } from '../engine/engine.ts';
import { literal } from '../sql.ts';

/** @throws {NodeError} `DATA_ENGINE_*`. */
export async function parquetColumns(
  engine: Engine,
  file: string,
  signal?: AbortSignal,
): Promise<{ columns: TableInfo['columns']; rows: number }> {
  const [schema, count] = await engine.query(
    {
      statements: [
        `DESCRIBE SELECT * FROM read_parquet(${literal(file)})`,
        `SELECT count(*) FROM read_parquet(${literal(file)})`,
      ],
      files: [file],
    },
    { signal },
  );
  const [names, types] = [schema?.columns[0]?.values, schema?.columns[1]?.values];
  const columns = Array.from({ length: schema?.rows ?? 0 }, (_, i) => ({
    name: String(names?.[i]),
    type: physicalOf(String(types?.[i])),
    nullable: true,
  }));
  return { columns, rows: Number(count?.columns[0]?.values[0] ?? 0) };
}

/** Anything the connector has no word for counts as binary, which no logical type accepts. */
function physicalOf(type: string): PhysicalType {
  if (/^(?:U?(?:TINY|SMALL|BIG)INT|U?INTEGER)$/.test(type)) return 'integer';
  if (type === 'DOUBLE' || type === 'FLOAT') return 'double';
  if (type.startsWith('DECIMAL')) return 'decimal';
  if (type.startsWith('TIMESTAMP')) return 'timestamp';
  if (type === 'VARCHAR' || type.startsWith('ENUM')) return 'text';
  if (type === 'BOOLEAN') return 'boolean';
  if (type === 'DATE') return 'date';
  return 'binary';
}
