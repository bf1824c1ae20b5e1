/** The embedded chain: a supervised anvil behind its RPC proxy. The founding node of a network hosts it. @module */

import { startRpcProxy } from './rpc-proxy.ts';
import { type AnvilOptions, startAnvil } from './supervisor.ts';

export interface EmbeddedChainOptions extends AnvilOptions {
  /** Where the proxy listens; default 127.0.0.1 and any free port. */
  host?: string;
  port?: number;
}

export interface EmbeddedChain {
  /** RPC address for nodes. It stays the same when anvil restarts. */
  readonly url: string;
  readonly port: number;
  /** anvil's own address and process, for tests and `doctor`; whoever has it owns the chain. */
  readonly anvil: { readonly url: string; readonly pid: number };
  stop(): Promise<void>;
}

/** @throws {NodeError} as `startAnvil` and `startRpcProxy`. */
export async function startEmbeddedChain(options: EmbeddedChainOptions): Promise<EmbeddedChain> {
  const anvil = await startAnvil(options);
  try {
    const proxy = await startRpcProxy({
      target: () => anvil.url,
      onTransaction: () => anvil.wake(),
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.port === undefined ? {} : { port: options.port }),
    });
    return {
      url: proxy.url,
      port: proxy.port,
      anvil,
      async stop() {
        await proxy.close();
        await anvil.stop();
      },
    };
  } catch (error) {
    await anvil.stop();
    throw error;
  }
}
