/** Estimates beside the figures of docs/protocols.md: within a factor of 3, as they promise. */
import { expect, test } from 'vitest';
import { type Circuit, CircuitBuilder } from './circuit.ts';
import { sortBy } from './order/sort.ts';
import { computingMsOf } from './work.ts';

type Build = (b: CircuitBuilder, x: number, y: number) => number;

function circuit(n: number, build: Build, arranging?: 'networks'): Circuit {
  const b = arranging === undefined ? new CircuitBuilder() : new CircuitBuilder(arranging);
  const input = (offset: number) =>
    b.add({ op: 'stack', args: [], form: 'words', length: n, input: { role: 'h', offset, length: n } });
  const value = build(b, input(0), input(n));
  return { gates: b.gates, outputs: [{ node: 0, value }], inputWords: new Map([['h', 2 * n]]) };
}

const mul: Build = (b, x, y) => b.words('mul', b.at(x).length, [x, y]);
const lt: Build = (b, x, y) => b.bits('negative', b.at(x).length, [b.words('sub', b.at(x).length, [x, y])]);
const fixmul: Build = (b, x, y) => b.truncate(mul(b, x, y), 16);
const sort: Build = (b, x, y) => sortBy(b, x, 32, [x, y])[1] ?? -1;
const matmul =
  (inner: number): Build =>
  (b, x, y) =>
    b.matmul(x, y, inner);

test.each<[string, string, number, Build, number]>([
  ['rep3-semi-honest/1', 'mul', 1e6, mul, 92],
  ['rep3-semi-honest/1', 'lt', 1e5, lt, 46.2],
  ['rep3-semi-honest/1', 'fixmul', 1e6, fixmul, 186],
  ['rep3-semi-honest/1', 'matmul', 256 ** 2, matmul(256), 74],
  ['rep3-semi-honest/1', 'sort', 1e5, sort, 1640],
  ['rep3-malicious/1', 'mul', 1e6, mul, 690],
  ['rep3-malicious/1', 'sort', 1e4, sort, 3500],
  ['additive-semi-honest/1', 'mul', 1e5, mul, 440],
  ['additive-semi-honest/1', 'lt', 1e5, lt, 2800],
  ['additive-semi-honest/1', 'matmul', 64 ** 2, matmul(64), 1230],
  ['additive-semi-honest/1', 'sort', 1e3, sort, 1100],
  ['additive-dealer-semi-honest/1', 'mul', 1e6, mul, 250],
  ['additive-dealer-semi-honest/1', 'lt', 1e5, lt, 92],
  ['additive-dealer-semi-honest/1', 'sort', 1e3, sort, 220],
])('%s: %s of %i', (protocol, _, n, build, measured) => {
  const networks = protocol === 'rep3-semi-honest/1' ? undefined : 'networks';
  const ratio = (computingMsOf(circuit(n, build, networks), protocol) ?? 0) / measured;
  expect([ratio > 1 / 3, ratio < 3, ratio]).toEqual([true, true, ratio]);
});
