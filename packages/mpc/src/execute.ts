/**
 * Runs a scheduled circuit on a back-end. Every interactive gate is a generator that yields, round by round, what it
 * sends and how many bytes it expects; the gates of a round go out in one frame and come back in one, in gate order.
 * @module
 */
import { assert, concatBytes } from '@2pm/core';
import type { Circuit, Gate } from './circuit.ts';
import type { RoundCosts, Schedule } from './schedule.ts';

export interface Exchange {
  send: Uint8Array;
  /**
   * Computes bytes [from, to) of `send`, which hold nothing before: called for one piece after another, in order, before
   * they leave. Multiples of 8 but for the end.
   */
  prepare?: (from: number, to: number) => void;
  /** Bytes of the answer, of each of the engine's peers: known from the plan, never from the data. */
  expect: number;
  /**
   * The same against the ring: bytes to the seat that usually answers, and the length of what the seat that is usually
   * sent to has to say. That comes behind the answer.
   */
  back?: { send: Uint8Array; expect: number };
  /** Whether a third seat vouches for `send` by a tag that goes the logged way, so that it need not enter transcripts. */
  vouched?: true;
}

/** Takes a back-end's rounds for the operation, each one exchange. */
export type Interactive<Share> = Generator<Exchange, Share, Uint8Array>;

/** The primitive operations of a back-end on its own kind of shares. */
export interface Engine<Share> {
  readonly costs: RoundCosts;
  /** How many seats answer every exchange, one behind another; 1 where absent. */
  readonly peers?: number;
  /** An operation without a cost. */
  local(gate: Gate, args: readonly Share[]): Share;
  /** An operation with a cost. All seats run their generators, and prepare their bytes, in one order. */
  interactive(gate: Gate, args: readonly Share[]): Interactive<Share>;
}

interface Running<Share> {
  index: number;
  generator: Interactive<Share>;
  exchange: Exchange;
}

/**
 * The shares of all gates that are outputs of the circuit, by gate index.
 * `exchange` sends a round's bytes and returns the answers, each `expect` bytes long; called once a round.
 */
export async function execute<Share>(
  circuit: Circuit,
  { start, rounds }: Schedule,
  engine: Engine<Share>,
  exchange: (round: Exchange) => Promise<Uint8Array>,
  onRound?: (done: number) => void,
): Promise<Map<number, Share>> {
  const values = new Map<number, Share>();
  const uses = countUses(circuit);
  const take = (index: number): Share => {
    const value = values.get(index);
    assert(value !== undefined, `gate ${index} is used before it is there`);
    const left = (uses[index] ?? 0) - 1;
    uses[index] = left;
    if (left === 0) values.delete(index);
    return value;
  };

  const due: number[][] = Array.from({ length: rounds + 1 }, () => []);
  for (const [index, round] of start.entries()) due[round]?.push(index);

  let running: Running<Share>[] = [];
  for (let round = 0; ; round++) {
    for (const index of due[round] ?? []) {
      const gate = circuit.gates[index];
      assert(gate !== undefined, 'the schedule names gates of the circuit');
      const args = gate.args.map(take);
      if (engine.costs[gate.op] === undefined) {
        values.set(index, engine.local(gate, args));
        continue;
      }
      const generator = engine.interactive(gate, args);
      const first = generator.next();
      assert(first.done !== true, `${gate.op} takes at least one round`);
      running.push({ index, generator, exchange: first.value });
    }
    if (round === rounds) break;

    running.sort((a, b) => a.index - b.index);
    const whole = together(running.map((one) => one.exchange));
    const answer = await exchange(whole);
    const { peers = 1 } = engine;
    let [offset, behind] = [0, whole.expect * peers];
    const next: Running<Share>[] = [];
    for (const { index, generator, exchange: mine } of running) {
      const parts: Uint8Array[] = [];
      for (let at = offset; parts.length < peers; at += whole.expect) parts.push(answer.subarray(at, at + mine.expect));
      offset += mine.expect;
      if (mine.back !== undefined && mine.back.expect > 0) {
        parts.push(answer.subarray(behind, behind + mine.back.expect));
        behind += mine.back.expect;
      }
      const [first = new Uint8Array(0), second] = parts;
      const step = generator.next(second === undefined ? first : first.length === 0 ? second : concatBytes(...parts));
      if (step.done === true) values.set(index, step.value);
      else next.push({ index, generator, exchange: step.value });
    }
    running = next;
    onRound?.(round + 1);
  }
  assert(running.length === 0, 'every operation took the rounds that the schedule gave it');
  return values;
}

function together(exchanges: readonly Exchange[]): Exchange {
  const [first, second] = exchanges;
  if (first !== undefined && second === undefined) return first;
  for (const { send, prepare } of exchanges) prepare?.(0, send.length);
  const back = exchanges.flatMap((one) => one.back ?? []);
  return {
    ...joined(exchanges),
    ...(back.length === 0 ? {} : { back: joined(back) }),
  };
}

function joined(of: readonly { send: Uint8Array; expect: number }[]): { send: Uint8Array; expect: number } {
  return {
    send: concatBytes(...of.map(({ send }) => send)),
    expect: of.reduce((sum, { expect }) => sum + expect, 0),
  };
}

/** Outputs count as a use that never comes, so that they stay. */
function countUses({ gates, outputs }: Circuit): number[] {
  const uses = gates.map(() => 0);
  for (const index of [
    ...gates.flatMap((gate) => gate.args),
    ...outputs.flatMap(({ value, ok = value }) => [value, ok]),
  ]) {
    uses[index] = (uses[index] ?? 0) + 1;
  }
  return uses;
}
