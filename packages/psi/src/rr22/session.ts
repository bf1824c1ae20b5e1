/** What both parties of RR22 do before the first frame. @module */
import { loadGroup } from '@2pm/crypto/group';
import { type VoleContext, voleMessageBytes } from '@2pm/crypto/vole';
import { KernelPool } from '@2pm/crypto/wasm';
import { BoundChannel } from '../bound-channel.ts';
import { paddedItems } from '../items.ts';
import { checkSetup, type Rr22Options, type Rr22Parameters, rr22Parameters, rr22Session } from './parameters.ts';

export interface Rr22Setup {
  parameters: Rr22Parameters;
  /** The own items and their padding, fixed: Π_psi is sound only for sets that do not follow from r. */
  set: Uint8Array;
  channel: BoundChannel;
  vole: VoleContext;
  /** Lengths of the four messages of the VOLE. */
  bytes: ReturnType<typeof voleMessageBytes>;
}

/**
 * Runs one party. Its set is fixed before this returns.
 * @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_BAD_SETUP`.
 */
export async function openSession<T>(
  options: Rr22Options,
  role: 'receiver' | 'sender',
  run: (session: Rr22Setup) => Promise<T>,
): Promise<T> {
  const { sid, capacity, rng, crypto, setup, signal } = options;
  checkSetup(options, role);
  const parameters = rr22Parameters(capacity, options);
  const set = paddedItems(options.items, capacity[role], rng);
  const session = rr22Session(sid, capacity, parameters, setup);
  const channel = new BoundChannel(options.channel, crypto, session, signal);
  const bytes = voleMessageBytes(parameters.vole, setup !== undefined);
  const { pool = new KernelPool() } = options;
  return pool.use(async (kernels) => {
    const vole = { kernels, group: await loadGroup(), crypto, rng, session, parameters: parameters.vole };
    return run({ parameters, set, channel, vole, bytes });
  });
}
