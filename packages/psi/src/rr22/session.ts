/** What both parties of RR22 do before the first frame. @module */
import { loadGroup } from '@2pm/crypto/group';
import { type VoleContext, voleMessageBytes } from '@2pm/crypto/vole';
import { loadKernels } from '@2pm/crypto/wasm';
import { BoundChannel } from '../bound-channel.ts';
import { paddedItems } from '../items.ts';
import { type Rr22Options, type Rr22Parameters, rr22Parameters, rr22Session } from './parameters.ts';

export interface Rr22Setup {
  parameters: Rr22Parameters;
  /** The own items and their padding, fixed: Π_psi is sound only for sets that do not follow from r. */
  set: Uint8Array;
  channel: BoundChannel;
  vole: VoleContext;
  /** Lengths of the four messages of the VOLE. */
  bytes: ReturnType<typeof voleMessageBytes>;
}

/** @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`. */
export async function openSession(options: Rr22Options, role: 'receiver' | 'sender'): Promise<Rr22Setup> {
  const { sid, capacity, rng, crypto, signal } = options;
  const parameters = rr22Parameters(capacity);
  const set = paddedItems(options.items, capacity[role], rng);
  const session = rr22Session(sid, capacity, parameters);
  const channel = new BoundChannel(options.channel, crypto, session, signal);
  const [kernels, group] = [await loadKernels(), await loadGroup()];
  const vole = { kernels, group, crypto, rng, session, parameters: parameters.vole };
  return { parameters, set, channel, vole, bytes: voleMessageBytes(parameters.vole) };
}
