/** The roster of a started task: who takes part, checked against the chain and never taken from the coordinator. @module */
import {
  type ChainDomain,
  consentHash,
  type Hash,
  invitedNodes,
  NodeError,
  type NodeId,
  type Plan,
  type RoleSizes,
  type SignedConsent,
  specHash,
  type TaskSpec,
} from '@2pm/core';
import { commandDigests, rosterHash, verifySignature } from '@2pm/crypto';

export interface Roster {
  /** Ascending. */
  members: NodeId[];
  consents: SignedConsent[];
  consentHashes: Hash[];
  hash: Hash;
  /** Members of each role, ascending. */
  roles: Record<string, NodeId[]>;
}

/** Puts consents into roster order. @throws {NodeError} `TASK_ROSTER` when one does not belong to this task. */
export function rosterOf(consents: readonly SignedConsent[], spec: TaskSpec, domain: ChainDomain): Roster {
  const sorted = [...consents].sort((a, b) => (a.consent.member < b.consent.member ? -1 : 1));
  const wanted = specHash(spec);
  const invited = new Set(invitedNodes(spec));
  const roles: Record<string, NodeId[]> = Object.fromEntries(Object.keys(spec.roles).map((role) => [role, []]));
  let taskId: string | undefined;
  let previous: NodeId | undefined;
  for (const { consent, signature } of sorted) {
    const { member } = consent;
    taskId ??= consent.taskId;
    if (member === previous) throw badRoster(`${member} is listed twice`);
    if (!invited.has(member)) throw badRoster(`${member} was not invited`);
    if (consent.taskId !== taskId || consent.specHash !== wanted || consent.planHash !== spec.planHash) {
      throw badRoster(`${member} consented to something else`);
    }
    if (!verifySignature(commandDigests.consent(domain, consent.taskId, consentHash(consent)), signature, member)) {
      throw badRoster(`the consent of ${member} is not signed by it`);
    }
    const allowed = Object.keys(spec.roles).filter((role) => spec.roles[role]?.includes(member));
    if (consent.roles.join() !== allowed.sort().join())
      throw badRoster(`${member} claims roles it was not invited for`);
    for (const role of consent.roles) roles[role]?.push(member);
    previous = member;
  }
  const members = sorted.map(({ consent }) => consent.member);
  const consentHashes = sorted.map(({ consent }) => consentHash(consent));
  return { members, consents: sorted, consentHashes, hash: rosterHash(members, consentHashes), roles };
}

/** @throws {NodeError} `TASK_ROSTER` when a member's conditions do not hold, so that nobody is isolated among puppets. */
export function checkRoster(roster: Roster, spec: TaskSpec, plan: Plan): void {
  for (const seat of spec.seats) {
    if (!roster.members.includes(seat)) throw badRoster(`seat ${seat} did not consent`);
  }
  for (const [role, { min, max }] of Object.entries(plan.roles)) {
    const size = roster.roles[role]?.length ?? 0;
    if (size < min || size > max)
      throw badRoster(`role ${role} has ${size} members, the program wants ${min} to ${max}`);
  }
  for (const { consent } of roster.consents) {
    for (const [role, minimum] of Object.entries(consent.minimumMembers)) {
      if ((roster.roles[role]?.length ?? 0) < minimum) {
        throw badRoster(`${consent.member} wants at least ${minimum} members in role ${role}`);
      }
    }
  }
}

/** Whether a task can start without some of those that it invites: every seat is filled, and every role has enough. */
export function startsWithout(missing: (node: NodeId) => boolean, spec: TaskSpec, plan: Plan): boolean {
  if (spec.seats.some(missing)) return false;
  return Object.entries(spec.roles).every(
    ([role, nodes]) => nodes.filter((node) => !missing(node)).length >= (plan.roles[role]?.min ?? 1),
  );
}

/** @throws {NodeError} `TASK_ROSTER` when the chain says something else than the coordinator. */
export function expectRoster(roster: Roster, onChain: Hash): void {
  if (onChain !== roster.hash) throw badRoster('the coordinator shows another roster than the chain');
}

export function roleSizes(roster: Roster): RoleSizes {
  return Object.fromEntries(Object.entries(roster.roles).map(([role, members]) => [role, members.length]));
}

function badRoster(problem: string): NodeError {
  return new NodeError('TASK_ROSTER', problem, {
    fault: 'peer',
    fix: 'do not compute under this coordinator; the task expires by itself',
  });
}
