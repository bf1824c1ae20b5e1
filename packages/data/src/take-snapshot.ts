/** Takes the snapshot of a dataset that tasks compute on, once for each version. @module */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { type DataSource, type Hash, type Rng, toHex } from '@2pm/core';
import { type LoadedContract, tableOf } from './contract/contract.ts';
import { openContract, physicalName } from './contract/server.ts';
import type { Engine } from './engine/engine.ts';
import { checkQuality, expectQuality, expectSchema } from './quality.ts';
import { fileRoot, type Snapshot, type SnapshotStore } from './snapshot-store.ts';
import { parquetColumns } from './sources/parquet-schema.ts';

export interface Taking {
  store: SnapshotStore;
  engine: Engine;
  sources: readonly DataSource[];
  /** Where relative paths of contracts start. */
  baseDir?: string | undefined;
  rng: Rng;
}

/** The dataset as it stands: the snapshot that there is of this version, or a new one, checked by every rule of its contract. */
export async function takeSnapshot(
  contract: LoadedContract,
  { store, engine, sources, baseDir, rng }: Taking,
  signal: AbortSignal,
): Promise<Snapshot> {
  const contractHash = `0x${createHash('sha256').update(contract.source).digest('hex')}` as Hash;
  const session = await openContract(contract, sources, { baseDir, signal });
  try {
    const table = tableOf(contract);
    const name = table.physicalName ?? table.name;
    const known = store.find(contractHash, await session.version(name));
    if (known !== undefined) {
      await store.expectWhole(known);
      return known;
    }
    const file = `${toHex(rng.fill(new Uint8Array(16))).slice(2)}.parquet`;
    const target = store.path(file);
    const columns = [...new Set(table.properties.map(physicalName))];
    const { rows, version } = await session.snapshot({ table: name, columns, target, signal });
    const schema = await checked(engine, contract, target, signal).catch(async (error) => {
      await rm(target, { force: true });
      throw error;
    });
    const snapshot: Snapshot = {
      contract: contract.id,
      contractHash,
      version,
      file,
      rows,
      root: await fileRoot(target),
      columns: table.properties.map((property) => {
        const source = physicalName(property);
        // `expectSchema` has seen that the column is there.
        return {
          property: property.name,
          source,
          physical: schema.columns.find((each) => each.name === source)?.type ?? 'binary',
        };
      }),
    };
    await store.keepSnapshot(snapshot);
    return snapshot;
  } finally {
    await session.close();
  }
}

async function checked(engine: Engine, contract: LoadedContract, file: string, signal: AbortSignal) {
  const schema = await parquetColumns(engine, file, signal);
  expectSchema(contract, schema.columns);
  expectQuality(await checkQuality(engine, contract, file, signal));
  return schema;
}
