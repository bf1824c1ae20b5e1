/** How the rows of a plan's matches come together: by tags that a seat sees, or in a circuit by bins. @module */
import { keyedColumns, nodesOf, type Plan } from './plan.ts';

/** Joins whose rows a seat matches by tags; the others are `circuitMatch`. */
export function taggedJoins(plan: Plan): number[] {
  return nodesOf(plan, 'join/1').filter((node) => plan.nodes[node]?.attrs.matching === undefined);
}

/** Intersections that the seats compute; each opens to the holder that leads it. The others run among the holders alone. */
export function circuitExits(plan: Plan): number[] {
  return nodesOf(plan, 'intersect/1').filter((node) => plan.nodes[node]?.attrs.atLeast !== undefined);
}

/** Positions that cuckoo hashing gives an item. */
export const BIN_POSITIONS = 3;
/** Fewer items get the bins of so many: the fit below is for these and more. */
const LEAST_BINNED = 512;

/**
 * Bins into which so many items fit, one a bin, each at one of its three positions, but for a chance of 2^-40: after the fit of
 * cryptoTools to experiments, with ⌈log2⌉ in whole numbers, so that everybody finds the same.
 */
export function cuckooBins(items: number): number {
  const n = Math.max(items, LEAST_BINNED);
  return Math.ceil((n * (40 + 256 + (32 - Math.clz32(n - 1)))) / 240);
}

/** Rows that are matched by bins of a leader: see `circuitMatch`. */
export interface CircuitMatch {
  /** The leader, then the others in their order. `columns`: what each brings. */
  sides: readonly { node: number; role: string; capacity: number; columns: readonly string[] }[];
  /** In how many of the sets a row of the leader must be, its own included. */
  atLeast: number;
  /** Slots. */
  bins: number;
}

/**
 * Of a `join/1` with `matching`, in which the first argument leads, and of an `intersect/1` with `atLeast`, in which the
 * receiver does; undefined for all other nodes. Slot b stands for the leader's row in its bin b. Towards each other side the
 * leader learns words by bin, and the side has others, that add up to 0 where it holds the row of the bin and are uniform
 * elsewhere (psi/src/circuit); the next words add up to the columns that the side brings. What a side shares with the seats,
 * `bins` words each: the leader for each other side its words, then its own columns; another side its words.
 */
export function circuitMatch(plan: Plan, operation: number): CircuitMatch | undefined {
  const { op, args = [], attrs } = plan.nodes[operation] ?? {};
  const joins = op === 'join/1' && attrs?.matching !== undefined;
  if (!joins && (op !== 'intersect/1' || attrs?.atLeast === undefined)) return undefined;
  const roleOf = (node: number) => {
    const type = plan.nodes[node]?.type;
    return type?.kind === 'keyed' ? type.role : '';
  };
  const leads = (node: number) => (joins ? node === args[0] : roleOf(node) === attrs?.to);
  const sides = [...args.filter(leads), ...args.filter((node) => !leads(node))].map((node) => {
    const { capacity, columns } = keyedColumns(plan, node);
    return { node, role: roleOf(node), capacity, columns: joins ? columns : [] };
  });
  return { sides, atLeast: attrs?.atLeast ?? args.length, bins: cuckooBins(sides[0]?.capacity ?? 0) };
}

/** How many words a side shares of a match, `side` counted as in `sides`. */
export function circuitWords({ sides, bins }: CircuitMatch, side: number): number {
  const own = sides[side]?.columns.length ?? 0;
  const others = side === 0 ? sides.slice(1) : [{ columns: [] }];
  return bins * others.reduce((sum, { columns }) => sum + 1 + columns.length, own);
}
