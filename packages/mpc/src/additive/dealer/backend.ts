/**
 * The back-end `additive-dealer-semi-honest/1`: additive shares among all seats but the last, which deals correlations and
 * takes part in no round. See the card.
 *
 * Construction: that of `additive-semi-honest/1`, with correlations of `correlations.ts`. The first frame between any two
 * seats carries 16 fresh bytes each way; both together seed a stream, from which the dealer and a seat draw that seat's
 * correlations, and two computing seats masks of their output shares that add up to 0.
 * Why these masks: a seat's share of a product is c + d b + e a, with d and e in the open among the seats. The dealer knows
 * a, b and c of all seats; shares of all seats would tell it d and e, and so the operands. Receipts show output shares.
 * Why the secret of the first frame is in the transcript: the dealer knows the masks of all messages, and could else find the
 * few bits of a short message from its digest. With 16 bytes that it does not know in it, the digest is a hiding commitment.
 * Rounds: those of the schedule, one before, one after, and one in which is dealt, where anything is.
 * Leakage: none beyond the lengths.
 * @module
 */
import { concatBytes, NodeError, type Plan, type SeatContext, type SeatOutput, type SharedBackend } from '@2pm/core';
import { SEED_BYTES } from '@2pm/crypto';
import type { Circuit, Gate } from '../../circuit.ts';
import { inputNodes } from '../../lower/inputs.ts';
import { lower } from '../../lower/lower.ts';
import { add, sub, xor } from '../../rep3/kernels.ts';
import { Masks } from '../../rep3/masks.ts';
import { toPacked, toWords } from '../../rep3/share.ts';
import { loadSimd } from '../../rep3/simd.ts';
import { checkGates } from '../backend.ts';
import { demandOf } from '../demand.ts';
import type { Share } from '../engine.ts';
import { inputShare, readInputs, shareInputs } from '../inputs.ts';
import type { Link } from '../link.ts';
import { Links } from '../links.ts';
import { open, packOutputs } from '../outputs.ts';
import { additiveScheduleHash, checkSeat, evaluate, plannedFor, sessionBinding } from '../session.ts';
import { Supply } from '../supply.ts';
import { ADDITIVE_DEALER_SEMI_HONEST } from './card.ts';
import { deal, piecesOf, receiveDealt } from './correlations.ts';

const CARD = ADDITIVE_DEALER_SEMI_HONEST;

export const additiveDealerSemiHonest: SharedBackend = {
  card: CARD,

  check(plan: Plan): void {
    const most = Object.fromEntries(Object.entries(plan.roles).map(([role, { max }]) => [role, max]));
    checkGates(lower(plan, most, { arranging: 'networks' }), plan, CARD.id);
  },

  inputNodes,

  /** The dealer's message is empty. */
  shareInputs(values, { seats = CARD.seats, ...context }) {
    return [...shareInputs(values, { ...context, seats: seats - 1 }), new Uint8Array(0)];
  },

  runSeat: (context) => runDealtCircuit(lower(context.plan, context.roles, { arranging: 'networks' }), context),

  open(plan, roles, node, shares) {
    const dealt = shares.at(-1);
    if (dealt !== undefined && dealt.length > 0) {
      throw new NodeError('MPC_INCONSISTENT_SHARES', `seat ${shares.length - 1} deals, and gave an output share`, {
        fault: 'peer',
      });
    }
    return open(plan, roles, node, shares.slice(0, -1));
  },
};

/** For a circuit that is not, or not only, the plan's. The plan is bound into the session all the same. Closes no channel. */
export async function runDealtCircuit(circuit: Circuit, context: SeatContext): Promise<SeatOutput> {
  const { plan, seat, channels, rng, crypto, signal, onProgress } = context;
  const dealer = checkSeat(CARD, context) - 1;
  signal.throwIfAborted();
  checkGates(circuit, plan, CARD.id);
  // Those that compute read inputs as if there were no dealer.
  const computing = new Map([...channels].filter(([peer]) => peer !== dealer));
  const inputs = seat === dealer ? undefined : readInputs(circuit, { ...context, channels: computing });
  if (inputs === undefined && [...context.inputs.values()].flat().some(({ length }) => length > 0)) {
    throw new NodeError('MPC_BAD_INPUT', 'a holder sent the dealer an input', { fault: 'peer' });
  }

  const run = plannedFor(circuit, dealer);
  const demand = demandOf(run.circuit, dealer);
  const pieces = piecesOf(demand).length;
  const binding = sessionBinding(CARD, context, additiveScheduleHash(circuit, dealer));
  const links = new Links(context, CARD.id, binding, dealer);
  const steps = pieces + 2 + (seat === dealer ? 0 : run.planned.rounds);
  let done = 0;
  const advance = () => onProgress?.(++done, steps);

  const seeds = links.all.map(() => rng.fill(new Uint8Array(SEED_BYTES)));
  const theirs = await links.begin(seeds);
  const streams = new Map(
    links.all.map(({ peer }, i) => {
      const both = [seeds[i] as Uint8Array, theirs[i] as Uint8Array];
      return [peer, new Masks(crypto, concatBytes(...(seat < peer ? both : both.reverse())), binding)];
    }),
  );
  advance();

  const simd = await loadSimd();
  let outputs = new Map<number, Uint8Array>(circuit.outputs.map(({ node }) => [node, new Uint8Array(0)]));
  const stream = streams.get(dealer);
  if (inputs === undefined || stream === undefined) {
    await deal({ links: links.all, streams: [...streams.values()], simd, onPiece: advance }, demand);
  } else {
    streams.delete(dealer);
    const correlations = await receiveDealt(
      { seat, dealer: links.all.at(-1) as Link, stream, onPiece: advance },
      demand,
    );
    const own = {
      ...{ seat, seats: dealer, supply: new Supply(correlations), simd, rng },
      inputs: (gate: Gate) => inputShare(inputs, gate),
    };
    const shares = await evaluate(run, own, (round) => links.exchange(round), advance);
    outputs = packOutputs(circuit, masked(shares, seat, streams));
  }
  const transcript = await links.agree();
  advance();
  return { outputs, transcript, rounds: run.planned.rounds + 2 + dealingRounds(pieces) };
}

export function dealingRounds(pieces: number): number {
  return pieces > 0 ? 1 : 0;
}

/** Shares of the same values, of which all but one are uniform to whoever lacks the streams. */
function masked(outputs: readonly Share[][], seat: number, streams: ReadonlyMap<number, Masks>): Share[][] {
  const mask = (share: Share) =>
    [...streams].reduce((left: Share, [peer, stream]) => {
      const bytes = stream.bytes(left.byteLength);
      if (left instanceof Uint32Array) return xor(left, toPacked(bytes));
      return seat < peer ? add(left, toWords(bytes)) : sub(left, toWords(bytes));
    }, share);
  return outputs.map((shares) => shares.map(mask));
}
