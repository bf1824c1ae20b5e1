/** From a contract's `servers` entry to the driver that reads it. @module */
import { resolve } from 'node:path';
import { type DataSource, NodeError, type PhysicalType, type SourceSession } from '@2pm/core';
import { type Contract, type Property, tableOf } from './contract.ts';

export const physicalName = (property: Property) => property.physicalName ?? property.name;

const PHYSICAL: Record<Property['logicalType'], PhysicalType> = {
  integer: 'integer',
  number: 'double',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  string: 'text',
};

/**
 * Opens the source of a contract. `type: local` with `format: csv | parquet` is driver `file`, with `format: sqlite`
 * driver `sqlite`; any other type is the driver of that name. Relative paths start at `baseDir`.
 * @throws {NodeError} `DATA_SOURCE_UNKNOWN`, and what the driver throws.
 */
export async function openContract(
  contract: Contract,
  sources: readonly DataSource[],
  options: { baseDir?: string | undefined; signal?: AbortSignal | undefined },
): Promise<SourceSession> {
  const block = contract.servers[0] as Contract['servers'][number];
  const {
    server: _server,
    type,
    environment: _environment,
    description: _description,
    ...rest
  } = block as Record<string, unknown>;
  const kind = type === 'local' ? (rest['format'] === 'sqlite' ? 'sqlite' : 'file') : String(type);
  const source = sources.find((each) => each.kind === kind);
  if (source === undefined) {
    throw new NodeError('DATA_SOURCE_UNKNOWN', 'this node has no driver for the server of a dataset contract', {
      fault: 'data',
      fix: `use one of: ${sources.map((each) => each.kind).join(', ')}`,
      privateDetail: `${contract.id}: ${kind}`,
    });
  }
  const path = typeof rest['path'] === 'string' ? { path: resolve(options.baseDir ?? '.', rest['path']) } : {};
  const types = Object.fromEntries(
    tableOf(contract).properties.map((property) => [physicalName(property), PHYSICAL[property.logicalType]]),
  );
  return source.open({ ...rest, ...path, types }, options.signal === undefined ? {} : { signal: options.signal });
}
