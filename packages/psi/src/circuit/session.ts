/** What both parties of circuit PSI do before the first frame. @module */
import { loadGroup } from '@2pm/crypto/group';
import type { VoleContext } from '@2pm/crypto/vole';
import { loadKernels } from '@2pm/crypto/wasm';
import { BoundChannel } from '../bound-channel.ts';
import { checkItems, paddedItems } from '../items.ts';
import {
  type CircuitPsiOptions,
  type CircuitPsiParameters,
  checkPayloads,
  circuitParameters,
  circuitSession,
} from './parameters.ts';

export interface CircuitPsiSetup {
  parameters: CircuitPsiParameters;
  /** The own items, the sender's with padding, and their payloads; fixed, for stores are sound only for sets that do not follow from r. */
  items: Uint8Array;
  payloads: BigInt64Array | undefined;
  channel: BoundChannel;
  vole: VoleContext;
}

/** @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`. */
export async function openSession(options: CircuitPsiOptions, role: 'receiver' | 'sender'): Promise<CircuitPsiSetup> {
  const { capacity, rng, crypto, signal } = options;
  const parameters = circuitParameters(capacity);
  checkItems(options.items, capacity[role]);
  checkPayloads(options);
  const session = circuitSession(options, parameters);
  return {
    parameters,
    items: role === 'sender' ? paddedItems(options.items, capacity.sender, rng) : new Uint8Array(options.items),
    payloads: options.payloads?.slice(),
    channel: new BoundChannel(options.channel, crypto, session, signal),
    vole: {
      ...{ kernels: await loadKernels(), group: await loadGroup(), crypto, rng, session },
      parameters: parameters.vole,
    },
  };
}
