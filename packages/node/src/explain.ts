/** What a program would do and cost, before anybody runs it: from its plan and circuit alone, without data. @module */
import {
  circuitExits,
  circuitMatch,
  deliveredColumns,
  keyedColumns,
  NodeError,
  nodesOf,
  type Plan,
  type ProtocolCard,
  type RoleSizes,
  taggedJoins,
} from '@2pm/core';
import {
  additiveDealerSemiHonest,
  additiveSemiHonest,
  additiveTraffic,
  computingMs,
  dealerTraffic,
  maliciousTraffic,
  REP3_SEMI_HONEST,
  rep3Malicious,
  traffic,
} from '@2pm/mpc';
import { describePlan, stripTypes } from '@2pm/program';
import { circuitCard, circuitCost, intersectionCost, WORD_BYTES } from '@2pm/psi';
import type { Explanation } from './cli/engine.ts';
import { createSandbox } from './sandbox/index.ts';

/** Milliseconds a round, and bytes a millisecond. */
const NEAR = { round: 0.2, bytes: 1.25e6 };
const FAR = { round: 20, bytes: 12_500 };

export async function explain(request: {
  program: string;
  members: Readonly<Record<string, number>>;
  signal: AbortSignal;
}): Promise<Explanation> {
  const { members, program, signal } = request;
  const encoder = new TextEncoder();
  const sandbox = createSandbox();
  try {
    const source = encoder.encode(await stripTypes(encoder.encode(program)));
    return explainPlan(await sandbox.traceProgram(source, { signal }), members);
  } finally {
    sandbox.close();
  }
}

/** @throws {NodeError} `EXPLAIN_NO_ROLE`, `MPC_BAD_ROLES`. */
export function explainPlan(plan: Plan, members: Readonly<Record<string, number>>): Explanation {
  for (const role of Object.keys(members)) {
    if (!Object.hasOwn(plan.roles, role)) {
      throw new NodeError('EXPLAIN_NO_ROLE', `the program has no role ${role}`, {
        fault: 'caller',
        fix: `name one of ${Object.keys(plan.roles).join(', ')}`,
      });
    }
  }
  const roles = Object.entries(plan.roles).map(([name, { min, max, tables }]) => ({
    ...{ name, min, max, tables },
    members: members[name] ?? min,
  }));
  const sizes: RoleSizes = Object.fromEntries(roles.map((role) => [role.name, role.members]));
  const said = {
    ...{ name: plan.name, learns: describePlan(plan).slice(1), operations: plan.nodes.length, roles },
    intersections: nodesOf(plan, 'join/1', 'intersect/1').flatMap((index) => explainMatch(plan, index)),
  };
  if (nodesOf(plan, 'reveal/1').length + circuitExits(plan).length === 0) return said;
  const { rounds, seats, holders, outputs } = traffic(plan, sizes);
  return {
    ...said,
    learns: [
      ...said.learns,
      ...learnsWith(REP3_SEMI_HONEST, plan),
      ...(said.intersections.some(({ protocol }) => protocol === circuitCard.id) ? circuitCard.learns : []),
    ],
    cost: {
      ...{ protocol: REP3_SEMI_HONEST.id, rounds, seatBytes: seats, holderBytes: holders, outputBytes: outputs },
      ...times(plan, sizes, REP3_SEMI_HONEST.id, { rounds, seats, holders, outputs }),
    },
    others: others(plan, sizes),
  };
}

function learnsWith({ learns, learnsOfJoins = [] }: ProtocolCard, plan: Plan): string[] {
  return taggedJoins(plan).length > 0 ? [...learns, ...learnsOfJoins] : learns;
}

type Sent = Pick<ReturnType<typeof additiveTraffic>, 'rounds' | 'seats' | 'holders' | 'outputs'>;

/** Seats send at the same time; a holder's message goes out before the first round. Nobody computes while he waits. */
function times(plan: Plan, sizes: RoleSizes, protocol: string, { rounds, seats, holders, outputs }: Sent) {
  const computing = computingMs(plan, sizes, protocol) ?? 0;
  const most = Math.max(...seats) + Math.max(0, ...Object.values(holders)) + outputs;
  const tenths = (ms: number) => Math.round(ms * 10) / 10;
  const time = ({ round, bytes }: typeof NEAR) => tenths(rounds * round + most / bytes + computing);
  return { computingMs: tenths(computing), milliseconds: { near: time(NEAR), far: time(FAR) } };
}

/** What the other back-ends would take; why not, where one cannot run the plan. */
function others(plan: Plan, sizes: RoleSizes): NonNullable<Explanation['others']> {
  const candidates = [
    { backend: rep3Malicious, exact: false, of: () => maliciousTraffic(plan, sizes) },
    { backend: additiveSemiHonest, exact: true, of: () => additiveTraffic(plan, sizes) },
    { backend: additiveDealerSemiHonest, exact: true, of: () => dealerTraffic(plan, sizes) },
  ];
  return candidates.map(({ backend: { card, check }, exact, of }) => {
    const { id: protocol, dealer } = card;
    try {
      check(plan);
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      return { protocol, refused: error.message };
    }
    const sent = of();
    const { rounds, seats, holders, outputs } = sent;
    const costs = { rounds, seatBytes: seats, holderBytes: holders, outputBytes: outputs };
    const dealing = dealer === undefined ? {} : { dealer };
    const learns = learnsWith(card, plan);
    return { protocol, exact, learns, ...dealing, ...costs, ...times(plan, sizes, protocol, sent) };
  });
}

/** What holders do among themselves; nothing for a tagged join. */
function explainMatch(plan: Plan, index: number): Explanation['intersections'] {
  const { op, args = [], attrs } = plan.nodes[index] ?? {};
  const match = circuitMatch(plan, index);
  if (match === undefined && op === 'join/1') return [];
  const roles = args.map((node) => plan.nodes[node]?.type).map((type) => (type?.kind === 'keyed' ? type.role : ''));
  const capacities = args.map((node) => keyedColumns(plan, node).capacity);
  const payloadBytes = WORD_BYTES * (deliveredColumns(plan, index)?.columns.length ?? 0);
  const { card, ...cost } =
    match === undefined
      ? intersectionCost(capacities, roles.indexOf(attrs?.to ?? ''), 'semi-honest', payloadBytes)
      : circuitCost(match);
  const named = {
    name: attrs?.name ?? `join of ${roles.join(', ')}`,
    ...(attrs?.to === undefined ? {} : { to: attrs.to }),
  };
  return [{ ...named, protocol: card.id, ...cost }];
}
