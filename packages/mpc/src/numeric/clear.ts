/** Circuits in the clear, modulo 2^64: the oracle that is fast enough for sweeps. For tests. @module */
import { type Circuit, CircuitBuilder, type Gate } from '../circuit.ts';
import { type Engine, execute } from '../execute.ts';
import { ROUND_COSTS } from '../rep3/engine.ts';
import { schedule } from '../schedule.ts';

/** Runs what `build` makes of the vectors. `round`: whether the n-th inexact truncation rounds up. */
export async function clearly(
  vectors: readonly (readonly bigint[])[],
  build: (b: CircuitBuilder, inputs: number[]) => number,
  roundsUp: (n: number) => boolean = (n) => (n * 2_654_435_761) % 7 < 3,
): Promise<{ values: bigint[]; rounds: number; gates: number }> {
  const b = new CircuitBuilder();
  let offset = 0;
  const inputs = vectors.map(({ length }) => {
    const input = { role: 'h', offset, length };
    offset += length;
    return b.add({ op: 'total', args: [], form: 'words', length, input });
  });
  const value = build(b, inputs);
  const circuit: Circuit = { gates: b.gates, outputs: [{ node: 0, value }], inputWords: new Map([['h', offset]]) };
  const planned = schedule(circuit, ROUND_COSTS);
  const engine = new ClearEngine(vectors.flat(), roundsUp);
  const shares = await execute(circuit, planned, engine, async () => new Uint8Array());
  return { values: [...(shares.get(value) ?? [])], rounds: planned.rounds, gates: b.gates.length };
}

class ClearEngine implements Engine<readonly bigint[]> {
  readonly costs = ROUND_COSTS;
  readonly #inputs: readonly bigint[];
  readonly #roundsUp: (n: number) => boolean;
  #inexact = 0;

  constructor(inputs: readonly bigint[], roundsUp: (n: number) => boolean) {
    this.#inputs = inputs;
    this.#roundsUp = roundsUp;
  }

  local(gate: Gate, args: readonly (readonly bigint[])[]): bigint[] {
    return this.#evaluate(gate, args).map((value) => BigInt.asIntN(64, value));
  }

  *interactive(gate: Gate, args: readonly (readonly bigint[])[]) {
    const cost = this.costs[gate.op as keyof typeof ROUND_COSTS];
    for (let round = 0; round < cost; round++) yield { send: new Uint8Array(), expect: 0 };
    return this.local(gate, args);
  }

  #evaluate(gate: Gate, [x = [], y = [], ...more]: readonly (readonly bigint[])[]): bigint[] {
    const { op, length, constant = 0n, inner = 1, offset = 0, step = 1 } = gate;
    const each = (of: (i: number) => bigint) => Array.from({ length }, (_, i) => of(i));
    const pair = (of: (left: bigint, right: bigint) => bigint) => each((i) => of(x[i] ?? 0n, y[i] ?? 0n));
    const blocks = (of: readonly bigint[]) =>
      each((i) => sum(of.slice((i * of.length) / length, ((i + 1) * of.length) / length)));
    switch (op) {
      case 'total':
        return this.#inputs.slice(gate.input?.offset, (gate.input?.offset ?? 0) + length);
      case 'constant':
        return each(() => constant);
      case 'scale':
        return each((i) => (x[i] ?? 0n) * constant);
      case 'add':
        return pair((left, right) => left + right);
      case 'sub':
        return pair((left, right) => left - right);
      case 'mul':
      case 'and':
        return pair((left, right) => left * right);
      case 'xor':
        return pair((left, right) => left ^ right);
      case 'not':
        return each((i) => 1n - (x[i] ?? 0n));
      case 'negative':
        return each((i) => ((x[i] ?? 0n) < 0n ? 1n : 0n));
      case 'zero':
        return each((i) => (x[i] === 0n ? 1n : 0n));
      case 'inject':
        return [...x];
      case 'sum':
        return blocks(x);
      case 'dot':
        return blocks(x.map((value, i) => value * (y[i] ?? 0n)));
      case 'repeat':
        return each((i) => x[Math.floor((i * x.length) / length)] ?? 0n);
      case 'slice':
        return each((i) => x[offset + i * step] ?? 0n);
      case 'concat':
        return [x, y, ...more].flat();
      case 'transpose':
        return each((i) => x[(i % inner) * (length / inner) + Math.floor(i / inner)] ?? 0n);
      case 'matmul': {
        const columns = y.length / inner;
        return each((at) => {
          const [i, j] = [Math.floor(at / columns), at % columns];
          return sum(Array.from({ length: inner }, (_, k) => (x[i * inner + k] ?? 0n) * (y[k * columns + j] ?? 0n)));
        });
      }
      case 'truncate': {
        return each((i) => {
          const value = x[i] ?? 0n;
          // What a word is too small for may become anything, and here it does: a result that depends on it is wrong.
          if (value < -(2n ** 62n) || value >= 2n ** 62n) return value * ANYTHING;
          const below = value >> constant;
          return below << constant === value || !this.#roundsUp(this.#inexact++) ? below : below + 1n;
        });
      }
      default:
        throw new Error(`no ${op} in the clear`);
    }
  }
}

const ANYTHING = 0x9e3779b97f4a7c15n;

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}
