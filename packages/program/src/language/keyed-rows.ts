/** Rows of a holder on their way into a match. @module */
import type { ColumnSpecs } from './schema.ts';
import { type Ref, Value } from './trace.ts';

/** A holder's rows with a key, and the columns that they bring along. See `LocalTable.by`. */
export class KeyedRows<Role extends string = string, C extends ColumnSpecs = ColumnSpecs> extends Value {
  declare protected readonly role: Role;
  readonly #columns: C;

  constructor(ref: Ref, columns: C) {
    super(ref);
    this.#columns = columns;
  }

  static columnsOf<C extends ColumnSpecs>(rows: KeyedRows<string, C>): C {
    return rows.#columns;
  }
}
