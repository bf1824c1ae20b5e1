/**
 * Random lists of commands, mostly valid and one in three spoiled, over a few nodes and a few deadlines, so that lists
 * run into each other's states. A list is a function of its seed and the domain. @module
 */
import type { ChainCommand, ChainDomain, Hash, Hex, LedgerEvent, LedgerTask, NodeId, Signer, TaskId } from '@2pm/core';
import {
  localSigner,
  signAbort,
  signAttestation,
  signConsent,
  signCreate,
  signLeave,
  signRegister,
  signRevoke,
  signRotate,
  signStart,
  signUpdate,
} from '@2pm/crypto';
import { apply, emptyLedger, type LedgerState, nextTaskNonce } from '../src/index.ts';

export const GENESIS = 1_800_000_000;
/** Unix seconds of the blocks in which a list is executed. */
export const STEPS = Array.from({ length: 6 }, (_, step) => GENESIS + 1_000 + 100 * step);

const signers = Array.from({ length: 6 }, (_, i) => localSigner(new Uint8Array(32).fill(i + 1)));
const controllers = Array.from({ length: 2 }, (_, i) => localSigner(new Uint8Array(32).fill(i + 101)));
export const NODES = signers.map(({ id }) => id);
const everyone = new Map([...signers, ...controllers].map((signer) => [signer.id, signer]));

export interface Planned {
  command: ChainCommand;
  /** What the state machine says: its events, or the code with which it refuses. */
  outcome: LedgerEvent[] | string;
}
export interface CommandList {
  seed: number;
  /** One entry for each of `STEPS`. */
  steps: Planned[][];
  state: LedgerState;
}

/** mulberry32: 32-bit state, enough to vary tests. */
function generator(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (n: number) => Math.floor(next() * n),
    chance: (p: number) => next() < p,
    pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T,
    bytes: (length: number) => Uint8Array.from({ length }, () => Math.floor(next() * 256)),
    hash: () => `0x${Array.from({ length: 64 }, () => Math.floor(next() * 16).toString(16)).join('')}` as Hash,
  };
}
type Random = ReturnType<typeof generator>;

export async function commandList(seed: number, domain: ChainDomain): Promise<CommandList> {
  const random = generator(seed);
  const state = emptyLedger(domain);
  const maker = new Maker(random, domain, state);
  const steps: Planned[][] = [];
  const history: ChainCommand[] = [];
  for (const time of STEPS) {
    maker.now = time;
    const planned: Planned[] = [];
    const count = steps.length === 0 ? 4 : 1 + random.below(4);
    for (let i = 0; i < count; i++) {
      const first = steps.length === 0 && random.chance(0.9);
      const valid = first ? await maker.register(signers[i] as Signer) : await maker.any();
      let command = valid;
      if (random.chance(0.08) && history.length > 0) command = random.pick(history);
      else if (random.chance(steps.length === 0 ? 0.1 : 0.33)) command = await maker.spoil(valid);
      history.push(command);
      planned.push({ command, outcome: judged(state, command, time) });
    }
    steps.push(planned);
  }
  return { seed, steps, state };
}

function judged(state: LedgerState, command: ChainCommand, time: number): LedgerEvent[] | string {
  const before = JSON.stringify([[...state.nodes], [...state.tasks]]);
  try {
    return apply(state, command, { block: 0, time });
  } catch (error) {
    if (JSON.stringify([[...state.nodes], [...state.tasks]]) !== before) throw new Error('a refusal changed the state');
    return (error as { code: string }).code;
  }
}

class Maker {
  readonly #random: Random;
  readonly #domain: ChainDomain;
  readonly #state: LedgerState;
  /** Time of the block for which commands are made. */
  now = GENESIS;
  readonly #rosters = new Map<TaskId, { members: NodeId[]; consentHashes: Hash[] }>();

  constructor(random: Random, domain: ChainDomain, state: LedgerState) {
    this.#random = random;
    this.#domain = domain;
    this.#state = state;
  }

  /** A command that the state allows more often than not. */
  any(): Promise<ChainCommand> {
    const kinds = [
      'create',
      'create',
      'task',
      'task',
      'task',
      'task',
      'task',
      'task',
      'register',
      'update',
      'node',
    ] as const;
    const node = this.#random.pick(signers);
    switch (this.#random.pick(kinds)) {
      case 'create':
        return this.create(this.#active() ?? node);
      case 'task':
        return this.#advance();
      case 'register':
        return this.register(node);
      case 'update': {
        const signer = this.#active() ?? node;
        return signUpdate(signer, this.#domain, { record: this.#record(), nonce: this.#seq(signer.id) + 1 });
      }
      case 'node':
        return this.#endNode();
    }
  }

  register(node: Signer): Promise<ChainCommand> {
    const controller = this.#state.nodes.get(node.id)?.controller ?? this.#random.pick(controllers).id;
    return signRegister(node, this.#domain, { controller, record: this.#record(), nonce: this.#seq(node.id) + 1 });
  }

  create(coordinator: Signer): Promise<ChainCommand> {
    const later = STEPS.filter((step) => step > this.now);
    // On, just before and just after the blocks, so that a deadline that is off by one second shows.
    const joinBy = this.#random.pick(later.length > 0 ? later : STEPS) + this.#random.below(3) - 1;
    const settleBy = joinBy + this.#random.pick([1, 99, 100, 101, 200, 300]);
    const quorum = this.#random.pick([0, 0, 1, 2, 3]);
    const hashes = { specHash: this.#random.hash(), invitedHash: this.#random.hash() };
    const nonce = nextTaskNonce(this.#state, coordinator.id);
    return signCreate(coordinator, this.#domain, { nonce, ...hashes, joinBy, settleBy, quorum });
  }

  #advance(): Promise<ChainCommand> {
    const tasks = [...this.#state.tasks.values()];
    const live = tasks.filter(({ status }) => status === 'open' || status === 'running');
    const task = this.#random.pick(live.length > 0 && this.#random.chance(0.9) ? live : tasks);
    if (task === undefined) return this.create(this.#random.pick(signers));
    const dice = this.#random.below(10);
    if (dice === 0) return this.#abort(task);
    if (dice <= 2) return Promise.resolve({ type: 'expire', taskId: task.taskId });
    return task.status === 'open' ? this.#start(task) : this.#settle(task);
  }

  async #start({ taskId, coordinator }: LedgerTask): Promise<ChainCommand> {
    const active = signers.filter(({ id }) => this.#random.chance(0.03) || this.#isActive(id));
    const chosen = active.filter(() => this.#random.chance(0.6));
    const roster = (chosen.length > 0 ? chosen : signers.slice(0, 1)).sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.#startWith(taskId, coordinator, roster);
  }

  async #startWith(taskId: TaskId, coordinator: NodeId, roster: readonly Signer[]): Promise<ChainCommand> {
    const members = roster.map(({ id }) => id);
    const consentHashes = roster.map(() => this.#random.hash());
    const consentSignatures = await Promise.all(
      roster.map((member, i) => {
        const consentHash = consentHashes[i] as Hash;
        return signConsent(member, this.#domain, { taskId, consentHash });
      }),
    );
    if (!this.#rosters.has(taskId)) this.#rosters.set(taskId, { members, consentHashes });
    return signStart(signerOf(coordinator), this.#domain, { taskId, members, consentHashes, consentSignatures });
  }

  async #settle(task: LedgerTask): Promise<ChainCommand> {
    const { taskId } = task;
    const { members, consentHashes } = this.#rosters.get(taskId) ?? { members: NODES.slice(0, 1), consentHashes: [] };
    const roots = { taskId, resultRoot: this.#random.hash(), transcriptRoot: this.#random.hash() };
    const missing = task.quorum === 0 && this.#random.chance(0.9) ? 0 : 0.3;
    const signatures = await Promise.all(
      members.map((member) =>
        this.#random.chance(missing) ? ('0x' as const) : signAttestation(signerOf(member), this.#domain, roots),
      ),
    );
    return { type: 'settle', members, consentHashes, ...roots, signatures };
  }

  #abort({ taskId, coordinator }: LedgerTask): Promise<ChainCommand> {
    const roster = this.#rosters.get(taskId) ?? { members: [], consentHashes: [] };
    const by = this.#random.pick([coordinator, ...roster.members]);
    const culprit = this.#random.pick([...NODES, `0x${'00'.repeat(20)}` as NodeId]);
    const reason = this.#random.pick(['TASK_PEER_LOST', 'X', 'X'.repeat(32)]);
    return signAbort(signerOf(by), this.#domain, { taskId, reason, culprit, ...roster });
  }

  #endNode(): Promise<ChainCommand> {
    const node = this.#active() ?? this.#random.pick(signers);
    const controller = signerOf(this.#state.nodes.get(node.id)?.controller ?? (controllers[0] as Signer).id);
    const nonce = this.#seq(node.id) + 1;
    switch (this.#random.below(4)) {
      case 0:
        return signRevoke(controller, this.#domain, { node: node.id, nonce: nonce + this.#random.below(3) });
      case 1: {
        const newNode = this.#random.pick(signers.slice(3));
        return signRotate(controller, newNode, this.#domain, { node: node.id, record: this.#record(), nonce });
      }
      default:
        return signLeave(node, this.#domain, { nonce });
    }
  }

  /** The same command with one thing wrong, or at least one thing different. */
  async spoil(command: ChainCommand): Promise<ChainCommand> {
    const random = this.#random;
    const domain = this.#domain;
    const other = random.pick(signers);
    if ('signature' in command && random.chance(0.3)) {
      return { ...command, signature: spoiledSignature(command.signature, random) };
    }
    switch (command.type) {
      case 'register': {
        const node = signerOf(command.node);
        const { controller, record, nonce } = command;
        const zero = `0x${'00'.repeat(20)}` as NodeId;
        const variants = [
          { controller: zero, record, nonce },
          { controller: random.pick(controllers).id, record, nonce },
          { controller, record: new Uint8Array(random.pick([0, 1025])), nonce },
          { controller, record, nonce: nonce + random.pick([-1, 1]) },
        ];
        if (random.chance(0.2)) return { ...command, node: other.id };
        return signRegister(node, domain, random.pick(variants));
      }
      case 'update':
        if (random.chance(0.5)) return { ...command, record: random.bytes(8) };
        return signUpdate(other, domain, { record: command.record, nonce: command.nonce });
      case 'rotate':
        return random.chance(0.5)
          ? { ...command, newNodeSignature: command.controllerSignature }
          : { ...command, controllerSignature: command.newNodeSignature };
      case 'leave':
        return { ...command, node: other.id };
      case 'revoke':
        if (random.chance(0.5)) return signRevoke(other, domain, { node: command.node, nonce: command.nonce });
        return signRevoke(signerOf(random.pick(controllers).id), domain, { node: other.id, nonce: random.below(2) });
      case 'create': {
        const { type: _, coordinator, signature: __, ...fields } = command;
        const variants = [
          { ...fields, nonce: fields.nonce + 1 },
          { ...fields, settleBy: fields.joinBy },
          { ...fields, settleBy: 2 ** 40 },
          { ...fields, quorum: 65 },
        ];
        return signCreate(signerOf(coordinator), domain, random.pick(variants));
      }
      case 'start':
        return this.#spoilStart(command);
      case 'settle':
        return this.#spoilSettle(command);
      case 'abort': {
        const variants: ChainCommand[] = [
          { ...command, reason: random.pick(['', 'lower', 'A B', 'X'.repeat(33)]) },
          { ...command, by: other.id },
          { ...command, culprit: other.id },
          { ...command, members: [], consentHashes: [] },
          await signAbort(other, domain, command),
        ];
        return random.pick(variants);
      }
      case 'expire':
        return { type: 'expire', taskId: random.hash() as unknown as TaskId };
    }
  }

  async #spoilStart(command: Extract<ChainCommand, { type: 'start' }>): Promise<ChainCommand> {
    const random = this.#random;
    const { taskId, members, consentHashes, consentSignatures } = command;
    const coordinator = this.#state.tasks.get(taskId)?.coordinator ?? (members[0] as NodeId);
    const roster = members.map(signerOf);
    switch (random.below(7)) {
      case 0:
        return this.#startWith(taskId, coordinator, [...roster].reverse());
      case 1:
        return this.#startWith(taskId, coordinator, [...roster, roster.at(-1) as Signer]);
      case 2:
        return { ...command, members: members.slice(1) };
      case 3:
        return { ...command, members: [], consentHashes: [], consentSignatures: [] };
      case 4: {
        const at = random.below(members.length);
        const spoiled = consentSignatures.map((s, i) => (i === at ? spoiledSignature(s, random) : s));
        return { ...command, consentSignatures: spoiled };
      }
      case 5:
        return { ...command, consentHashes: consentHashes.map(() => random.hash()) };
      default: {
        const everybody = [...signers].sort((a, b) => (a.id < b.id ? -1 : 1));
        return this.#startWith(taskId, coordinator, everybody);
      }
    }
  }

  #spoilSettle(command: Extract<ChainCommand, { type: 'settle' }>): ChainCommand {
    const random = this.#random;
    const { members, consentHashes, signatures } = command;
    const at = random.below(members.length);
    return random.pick<ChainCommand>([
      { ...command, resultRoot: random.hash() },
      // The same words with the border between members and consents one further: the same hash.
      { ...command, members: members.slice(0, -1), consentHashes: [wordOf(members.at(-1)), ...consentHashes] },
      { ...command, consentHashes: consentHashes.map(() => random.hash()) },
      { ...command, signatures: signatures.slice(1) },
      { ...command, signatures: signatures.map((s, i) => (i === at ? spoiledSignature(s, random) : s)) },
      { ...command, signatures: signatures.map(() => '0x' as const) },
    ]);
  }

  #active(): Signer | undefined {
    return this.#random.pick(signers.filter(({ id }) => this.#isActive(id)));
  }
  #isActive(id: NodeId): boolean {
    return this.#state.nodes.get(id)?.status === 'active';
  }
  #seq(id: NodeId): number {
    return this.#state.nodes.get(id)?.seq ?? 0;
  }
  #record(): Uint8Array {
    return this.#random.bytes(1 + this.#random.below(40));
  }
}

function wordOf(node: NodeId | undefined): Hash {
  return `0x${'00'.repeat(12)}${node?.slice(2) ?? '00'.repeat(20)}` as Hash;
}

function signerOf(id: NodeId): Signer {
  return everyone.get(id) ?? (signers[0] as Signer);
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

function spoiledSignature(signature: Hex, random: Random): Hex {
  if (signature.length !== 132) return `0x${'00'.repeat(65)}`;
  const [r, s, v] = [signature.slice(2, 66), signature.slice(66, 130), signature.slice(130)];
  const highS = (ORDER - BigInt(`0x${s}`)).toString(16).padStart(64, '0');
  const flipped = v === '1b' ? '1c' : '1b';
  const variants = [
    `${r}${highS}${flipped}`,
    `${r}${s}${flipped}`,
    `${r}${s}1d`,
    `${r}${s}00`,
    `${r}${s}`,
    `${'00'.repeat(64)}1b`,
    `${s}${r}${v}`,
  ];
  return `0x${random.pick(variants)}`;
}
