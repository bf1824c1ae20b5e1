/**
 * When each gate runs. A gate starts in the first round in which its arguments are there, so all independent
 * interactive gates share rounds; the order is a function of circuit and back-end alone. It is hashed, and the seats
 * compare hashes first: parties that batch differently would read each other's frames wrongly.
 * @module
 */
import { type Hash, hashValue } from '@2pm/core';
import type { Circuit, GateOperation } from './circuit.ts';

/** Rounds that a back-end takes for each interactive operation; the others are local. */
export type RoundCosts = Readonly<Partial<Record<GateOperation, number>>>;

export interface Schedule {
  /** Round before which each gate starts. */
  start: readonly number[];
  rounds: number;
}

export function schedule({ gates }: Circuit, costs: RoundCosts): Schedule {
  const start: number[] = [];
  const done: number[] = [];
  let rounds = 0;
  for (const { op, args } of gates) {
    const begin = args.reduce((latest, arg) => Math.max(latest, done[arg] ?? 0), 0);
    const end = begin + (costs[op] ?? 0);
    start.push(begin);
    done.push(end);
    rounds = Math.max(rounds, end);
  }
  return { start, rounds };
}

export function scheduleHash(circuit: Circuit, { start }: Schedule): Hash {
  return hashValue('2pm/mpc-schedule/1', {
    gates: circuit.gates.map(({ op, args, length, constant, inner, rows, offset, step, run, join, input }, index) => [
      op,
      args,
      length,
      constant === undefined ? null : constant.toString(),
      inner ?? null,
      rows ?? null,
      join === undefined ? null : { ...join, matcher: join.matcher ?? null },
      offset ?? null,
      step ?? null,
      run ?? null,
      input === undefined ? null : [input.role, input.offset, input.length],
      start[index] ?? 0,
    ]),
    outputs: circuit.outputs.map(({ node, value, ok }) => [node, value, ok ?? null]),
    inputs: [...circuit.inputWords],
  }) as Hash;
}
