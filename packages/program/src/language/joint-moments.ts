/** Moments of rows that nobody has as a whole: joined, or shared row by row. Sums of products, in one round. @module */
import type { Moments } from './moments.ts';
import { fail } from './program-error.ts';
import type { SharedVector } from './shared.ts';

type Ints = SharedVector<'int'>;

/**
 * What `moments` is of a holder's table, of shared columns by name. `rows`: which slots hold a row; of a join its `matched`.
 * Columns are taken to be 0 in the others, as those of a join are.
 */
export function jointMoments<N extends string>(
  columns: { readonly [A in N]: Ints },
  { rows }: { readonly rows: SharedVector<'bool'> },
): Moments<Ints, N> {
  const names = Object.keys(columns) as N[];
  if (names.length === 0) fail('PROGRAM_CONSTANT', 'jointMoments() takes columns by name');
  const products = names.map((a, i) => {
    const pairs = names.slice(i).map((b) => [b, columns[a].dot(columns[b])] as const);
    return [a, Object.fromEntries(pairs)] as const;
  });
  return {
    count: rows.sum(),
    sum: Object.fromEntries(names.map((a) => [a, columns[a].sum()])),
    product: Object.fromEntries(products),
  } as Moments<Ints, N>;
}
