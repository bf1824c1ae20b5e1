/** Reveals under noise: that it hides a row, and what it takes of a dataset's budget. @module */
import { nodesOf } from '@2pm/core';
import type { Contract } from '../contract/contract.ts';
import type { Lineage } from '../lineage.ts';
import { inputsOf } from './inputs.ts';
import type { JudgedTask } from './judged-task.ts';
import type { Permit } from './policy.ts';
import type { Reason } from './reason.ts';
import { sensitivity } from './sensitivity.ts';

/** Beyond it the chance that one of them is a number that has nothing to do with the value (mpc/src/noise.ts) would show. */
const MOST_NOISY = 2 ** 16;

/** A reveal under noise: it must hide a row of the table, by what the plan does and not by what it says of itself. */
export function privateReasons(
  lineage: Lineage,
  reveal: number,
  roles: readonly string[],
  table: string,
  permit: Permit,
): Reason[] {
  const { attrs, args, line } = lineage.node(reveal);
  const [noise, name] = [args[0] as number, attrs.name ?? ''];
  const refuse = (code: string, message: string, fix: string): Reason[] => [{ code, message, line, fix }];
  if (!permit.reveals.includes('private') || permit.privacy === undefined) {
    const message = `"${name}" reveals values under noise of "${table}", which the policy does not permit`;
    return refuse('POLICY_REVEAL', message, 'ask the holder for a privacy budget');
  }
  const { type, args: noisy, attrs: claimed } = lineage.node(noise);
  const members = type.kind === 'shared' && type.stacked !== undefined ? lineage.plan.roles[type.stacked]?.max : 1;
  if (type.kind !== 'shared' || type.length * (members ?? MOST_NOISY) > MOST_NOISY) {
    return refuse(
      'POLICY_PRIVACY',
      `"${name}" holds more than ${MOST_NOISY} numbers under noise`,
      'reveal fewer numbers',
    );
  }
  // What is computed from the noise itself could take it away again.
  const others = lineage.plan.nodes.filter(({ op, args: used }) => op !== 'reveal/1' && used.includes(noise));
  if (others.length > 0) {
    return refuse('POLICY_PRIVACY', `the noise of "${name}" is used otherwise`, 'reveal it, and nothing else with it');
  }
  const needed = sensitivity(lineage, noisy[0] as number, roles, table);
  if (needed === undefined) {
    const message = `how much one row of "${table}" changes "${name}" has no known bound`;
    return refuse('POLICY_PRIVACY', message, 'reveal counts, sums and histograms under noise');
  }
  if (BigInt(claimed.sensitivity ?? 0) < needed) {
    const message = `one row of "${table}" changes "${name}" by up to ${needed}, its noise hides ${claimed.sensitivity}`;
    return refuse('POLICY_PRIVACY', message, 'trace the program anew with this version of the language');
  }
  return [];
}

/** Millionths of ε that the task takes from the table: of each noise that is revealed, once, for it is drawn once. */
export function epsilonOf(lineage: Lineage, roles: readonly string[], table: string): number {
  const noises = new Set<number>();
  for (const reveal of nodesOf(lineage.plan, 'reveal/1')) {
    const noise = lineage.node(reveal).args[0] as number;
    if (lineage.node(noise).op === 'noise/1' && inputsOf(lineage, reveal, roles, table).length > 0) noises.add(noise);
  }
  return [...noises].reduce((sum, noise) => sum + (lineage.node(noise).attrs.epsilonMicros ?? 0), 0);
}

export function budgetReasons(
  task: JudgedTask,
  lineage: Lineage,
  contract: Contract,
  table: string,
  roles: readonly string[],
  permit: Permit,
): Reason[] {
  const asked = epsilonOf(lineage, roles, table);
  if (permit.privacy === undefined || asked === 0) return [];
  const [perTask, total] = [permit.privacy.epsilonPerTask, permit.privacy.epsilonTotal].map(microsOf) as [
    number,
    number,
  ];
  const left = Math.max(total - task.epsilonSpent(contract.id), 0);
  if (asked <= perTask && asked <= left) return [];
  const least = asked > perTask ? perTask : left;
  const whose = asked > perTask ? 'a task may take' : 'are left';
  return [
    {
      code: asked > perTask ? 'POLICY_EPSILON' : 'POLICY_BUDGET',
      message: `the task takes ε = ${asked / MICRO} from "${table}"; ${least / MICRO} ${whose}`,
      fix: least > 0 ? `reveal less, or with epsilon values that add up to ${least / MICRO}` : 'ask the holder',
    },
  ];
}

export const MICRO = 1_000_000;
export const microsOf = (epsilon: number) => Math.round(epsilon * MICRO);
