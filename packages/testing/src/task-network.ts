/**
 * A network of task managers in one process: memory chain, memory backbone, memory disks, virtual time, and the real
 * protocol between the seats. Data holders are stand-ins whose aggregates the test chooses.
 * @module
 */
import { type MemoryChain, memoryChain } from '@2pm/chain/memory';
import {
  type ChainDomain,
  type DataHolder,
  type Decision,
  type DeliveredColumn,
  encode,
  type FinalityLevel,
  type Hash,
  type Hex,
  hashValue,
  type KeyedRows,
  NodeError,
  type NodeId,
  type NodeRecord,
  type Plan,
  type SharedBackend,
  type Signer,
} from '@2pm/core';
import { generatePrivateKey, hpkeKeyPair, localSigner, signRegister } from '@2pm/crypto';
import { nodeCrypto } from '@2pm/crypto/node';
import { sharedBackends } from '@2pm/mpc';
import { type AnalystSecret, Tasks } from '@2pm/task';
import { type MemoryNetwork, type MemoryNetworkOptions, memoryNetwork } from './memory-backbone.ts';
import { type MemoryDisk, memoryDisk } from './memory-journal.ts';
import { seededRng } from './seeded-rng.ts';
import { type VirtualClock, virtualClock } from './virtual-clock.ts';

const DOMAIN: ChainDomain = {
  name: '2PM Node',
  version: '1',
  chainId: 31_337,
  verifyingContract: `0x${'2b'.repeat(20)}`,
};

export interface TestNode {
  readonly id: NodeId;
  readonly org: string;
  readonly signer: Signer;
  tasks: Tasks;
  disk: MemoryDisk;
  /** What its data says; may be changed before a task. */
  data: TestData | undefined;
}

export interface TestData {
  /** A real holder of data in place of all that follows; virtual time stands while it works. */
  holder?: DataHolder;
  /** Vector for each local aggregate, by operation: `count/1` → [12]. */
  vectors: Readonly<Record<string, readonly bigint[]>>;
  /** Rows of every `keyed/1` node of the holder. */
  keyed?: KeyedRows;
  /** Rows that the holder kept of intersections, by name; written by the network. */
  kept?: Map<string, number[]>;
  /** What others delivered with these rows, by name of the intersection; written by the network. */
  delivered?: Map<string, readonly DeliveredColumn[]>;
  decision?: Decision;
  /** Thrown by prepare or compute. */
  prepareError?: Error;
  computeError?: Error;
}

export interface TaskNetwork {
  readonly clock: VirtualClock;
  readonly chain: MemoryChain;
  readonly network: MemoryNetwork;
  readonly nodes: TestNode[];
  /** The node that submits: no data, keeps the analyst's keys. */
  readonly analyst: TestNode;
  readonly holders: TestNode[];
  /** As by kill -9: what is not on disk is gone. */
  kill(node: TestNode): void;
  /** Comes back with the disk as it was when killed, or with the one given. */
  restart(node: TestNode, disk?: MemoryDisk): void;
  stop(): Promise<void>;
}

/** The programs of a test are names of plans: tracing is somebody else's test. */
export async function taskNetwork(options: {
  plans: Readonly<Record<string, Plan>>;
  holders: readonly (TestData | undefined)[];
  seed?: number;
  /** What the members wait for. */
  finality?: FinalityLevel;
  /** What runs the intersections of each node, by its number; without it, this thread. Made anew at each start. */
  intersector?: (node: number) => NonNullable<ConstructorParameters<typeof Tasks>[0]['intersector']>;
  /** What each node takes for the protocols, by its number; without it, the real ones. */
  backends?: (node: number) => readonly SharedBackend[];
  /** Stands between a node and the network, so that it may lie; see `lyingChannel`. */
  wrap?: MemoryNetworkOptions['wrap'];
  /** What a node, by its number, takes the programs for, where that differs from what the others do. */
  plansOf?: (node: number) => Readonly<Record<string, Plan>> | undefined;
  /** Node 0 is the analyst's. The node is killed at that append, and restarted after `downMs`. */
  crash?: { node: number; append: number; when: 'before' | 'after'; downMs: number };
}): Promise<TaskNetwork> {
  const { crash, seed = 0 } = options;
  const clock = virtualClock({ seed });
  const chain = memoryChain({ domain: DOMAIN, clock });
  const network = memoryNetwork(options.wrap === undefined ? {} : { wrap: options.wrap });
  const records = new Map<NodeId, NodeRecord>();

  const makeNode = async (index: number, data: TestData | undefined): Promise<{ node: TestNode; boot: () => void }> => {
    const { signer, analyst } = await keysOf(`node ${seed} ${index}`);
    const org = `Organisation ${index}`;
    const record: NodeRecord = {
      v: 1,
      node: signer.id,
      seq: 1,
      org,
      addresses: [],
      keys: { tls: hashValue('test tls', index) as Hash, hpke: analyst.keys.hpke },
      protocols: [],
    };
    records.set(signer.id, record);
    const connector = chain.connector();
    await connector.submit(
      await signRegister(signer, DOMAIN, { controller: signer.id, record: encode(record), nonce: 1 }),
    );
    const node: TestNode = {
      id: signer.id,
      org,
      signer,
      tasks: undefined as unknown as Tasks,
      disk: memoryDisk(
        crash?.node === index
          ? {
              crash: { append: crash.append, when: crash.when, onCrash: () => void crashAndReturn(node, crash.downMs) },
            }
          : {},
      ),
      data,
    };
    let boots = 0;
    const boot = () => {
      const backbone = network.join(signer.id);
      node.tasks = new Tasks({
        env: { clock, rng: seededRng(`run ${seed} ${index} ${boots++}`), disk: node.disk, backbone },
        chain: chain.connector(),
        signer,
        analyst,
        data: data === undefined ? undefined : ((data.holder && standing(clock, data.holder)) ?? dataOf(node)),
        backends: options.backends?.(index) ?? sharedBackends,
        crypto: nodeCrypto,
        ...(options.intersector === undefined ? {} : { intersector: options.intersector(index) }),
        strip: async (source) => new TextEncoder().encode(source),
        trace: async (program) => {
          const plans = options.plansOf?.(index) ?? options.plans;
          const plan = plans[new TextDecoder().decode(program)];
          if (plan === undefined) throw new NodeError('PROGRAM_UNKNOWN', 'no such program', { fault: 'caller' });
          return plan;
        },
        peers: () =>
          nodes.map(({ node: peer }) => ({ node: peer.id, org: peer.org, offersData: peer.data !== undefined })),
        orgOf: (id) => records.get(id)?.org ?? id,
        finality: options.finality ?? 'seen',
      });
      node.tasks.start();
    };
    return { node, boot };
  };

  const nodes: { node: TestNode; boot: () => void }[] = [];
  nodes.push(await makeNode(0, undefined));
  for (const [index, data] of options.holders.entries()) nodes.push(await makeNode(index + 1, data));
  for (const { boot } of nodes) boot();

  const bootOf = (node: TestNode) => nodes.find((candidate) => candidate.node === node)?.boot;
  const [first] = nodes;
  if (first === undefined) throw new Error('a network has nodes');
  const kill = (node: TestNode) => {
    const left = node.disk.snapshot();
    network.kill(node.id);
    void node.tasks.stop();
    node.disk = left;
  };
  return {
    clock,
    chain,
    network,
    nodes: nodes.map(({ node }) => node),
    analyst: first.node,
    holders: nodes.slice(1).map(({ node }) => node),
    kill,
    restart(node, disk) {
      if (disk !== undefined) node.disk = disk;
      bootOf(node)?.();
    },
    async stop() {
      await Promise.all(nodes.map(({ node }) => node.tasks.stop()));
    },
  };

  async function crashAndReturn(node: TestNode, downMs: number): Promise<void> {
    // The append is still on the stack; the process dies right after.
    await Promise.resolve();
    kill(node);
    await clock.sleep(downMs);
    bootOf(node)?.();
  }
}

/** Of one name the same, and made once. */
function keysOf(name: string): Promise<{ signer: Signer; analyst: AnalystSecret }> {
  const known = keys.get(name) ?? makeKeys(name);
  keys.set(name, known);
  return known;
}
const keys = new Map<string, ReturnType<typeof makeKeys>>();

async function makeKeys(name: string): Promise<{ signer: Signer; analyst: AnalystSecret }> {
  const rng = seededRng(name);
  const signer = localSigner(generatePrivateKey(rng));
  const hpke = await hpkeKeyPair(rng);
  const analystSigner = localSigner(generatePrivateKey(rng));
  const analyst: AnalystSecret = {
    signer: analystSigner,
    keys: { id: analystSigner.id, hpke: hpke.publicKey },
    hpkePrivateKey: hpke.privateKey as Hex,
  };
  return { signer, analyst };
}

/** Whatever it does goes on outside the event loop, where the clock does not see it. */
function standing(clock: VirtualClock, holder: DataHolder): DataHolder {
  const still = async <T>(work: Promise<T>): Promise<T> => {
    const release = clock.hold();
    return work.finally(release);
  };
  return {
    judge: (...args) => still(holder.judge(...args)),
    prepare: (...args) => still(holder.prepare(...args)),
    compute: (...args) => still(holder.compute(...args)),
    keyed: (...args) => still(holder.keyed(...args)),
    deliver: (...args) => still(holder.deliver(...args)),
    release: (...args) => still(holder.release(...args)),
  };
}

function dataOf(node: TestNode): DataHolder {
  return {
    judge: async () => node.data?.decision ?? { verdict: 'allow' },
    async prepare({ taskId }) {
      if (node.data?.prepareError !== undefined) throw node.data.prepareError;
      return { commitment: hashValue('test commitment', [taskId, node.id]) as Hash, datasets: [], keys: [] };
    },
    async compute({ plan }, _role, outputs) {
      if (node.data?.computeError !== undefined) throw node.data.computeError;
      return new Map(
        outputs.map((index) => {
          const values = node.data?.vectors[plan.nodes[index]?.op ?? ''];
          if (values === undefined) throw new Error(`the test gives no values for ${plan.nodes[index]?.op}`);
          return [index, BigInt64Array.from(values)];
        }),
      );
    },
    async keyed() {
      if (node.data?.keyed === undefined) throw new Error('the test gives no keyed rows');
      return node.data.keyed;
    },
    async deliver(_request, _role, _node, name, rows, { delivered }) {
      node.data?.kept?.set(name, [...rows]);
      if (delivered !== undefined) node.data?.delivered?.set(name, delivered);
      return { file: name, rows: rows.length };
    },
    release: async () => undefined,
  };
}
