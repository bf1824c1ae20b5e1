/** Which files play which role. @module */
import { NodeError, type Plan } from '@2pm/core';

/** The tables of one holder: logical name → file. */
export type Files = Readonly<Record<string, string>>;

/** Holders in the order of the roles: each role of a fixed number takes so many, one of another number the rest. */
export function cast(plan: Plan, holders: readonly Files[]): Map<string, Files[]> {
  const roles = Object.entries(plan.roles);
  const fixed = roles.reduce((sum, [, { min, max }]) => sum + (min === max ? max : 0), 0);
  const casting = new Map<string, Files[]>();
  let next = 0;
  for (const [role, { min, max }] of roles) {
    const count = min === max ? max : Math.min(max, Math.max(0, holders.length - fixed));
    const members = holders.slice(next, next + count);
    next += count;
    if (members.length < min || (role === roles.at(-1)?.[0] && next < holders.length)) {
      const wanted = roles.map(([name, of]) => `${of.min === of.max ? '' : `${of.min} to `}${of.max} ${name}`);
      const problem = `the program wants ${wanted.join(', then ')}; ${holders.length} holders are given`;
      const fix = 'repeat --data table=FILE once for each holder, in this order';
      throw new NodeError('SIMULATE_HOLDERS', problem, { fault: 'caller', fix });
    }
    casting.set(role, members);
  }
  return casting;
}
