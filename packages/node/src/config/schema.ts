/**
 * `2pm.yaml`, the one configuration file of a node. Relative paths are relative to the node's directory.
 * @module
 */
import { z } from 'zod';
import { Network } from './network.ts';

const host = z.string().min(1).max(255).describe('Host name or IP address');
/** 0 lets the system choose, which suits tests and one machine; peers need a fixed one. */
const port = z.number().int().min(0).max(65_535).describe('TCP port; 0 lets the system choose');
const endpoint = (defaultHost: string, defaultPort: number) =>
  z.strictObject({ host: host.default(defaultHost), port: port.default(defaultPort) });

const EmbeddedChain = z.strictObject({
  driver: z.literal('embedded').describe('This node hosts the chain; the others trust its host'),
  chainId: z.number().int().min(1).max(2_147_483_647).default(20_260).describe('EIP-155 chain id'),
  rpc: endpoint('127.0.0.1', 7422)
    .prefault({})
    .describe('Where the chain answers JSON-RPC; joining nodes on other machines must reach it'),
  blockMs: z.number().int().min(10).max(60_000).default(100).describe('Milliseconds between blocks while any waits'),
});

const EvmChain = z.strictObject({
  driver: z.literal('evm').describe('A chain that others run, reached over JSON-RPC'),
  rpc: z.url().optional().describe('RPC URL; left out, the one that the network names'),
  network: z
    .union([z.string().min(1), Network])
    .default('network.json')
    .describe('The network file that the founding node wrote, or its content'),
});

export const ConfigFile = z
  .strictObject({
    org: z.string().min(1).max(64).describe('Your organisation, as people read it'),
    listen: endpoint('127.0.0.1', 7420).prefault({}).describe('Where peers connect'),
    advertise: z
      .array(z.string().regex(/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'expected host:port'))
      .max(4)
      .optional()
      .describe('host:port under which peers reach this node, best first; left out, the listen address'),
    api: endpoint('127.0.0.1', 7421)
      .prefault({})
      .describe(
        'Where the HTTP API and the console answer; keep it on the loopback unless a TLS proxy stands before it',
      ),
    chain: z.discriminatedUnion('driver', [EmbeddedChain, EvmChain]).prefault({ driver: 'embedded' }),
    data: z
      .strictObject({ dir: z.string().min(1).default('data') })
      .prefault({})
      .describe('Directory of the dataset contracts (*.odcs.yaml)'),
    psi: z
      .strictObject({
        memoryMb: z
          .number()
          .int()
          .min(0)
          .max(1_048_576)
          .default(1_024)
          .describe(
            'Memory that one intersection may take, in MiB. Sets that need more, of two parties and without payloads, are cut into ' +
              'files below `state/psi` until their task has ended; a later attempt goes on with them',
          ),
      })
      .prefault({})
      .describe('Intersections'),
    finality: z
      .enum(['seen', 'safe', 'final'])
      .optional()
      .describe('Chain level at which shares leave; left out: seen on the embedded chain, safe elsewhere'),
  })
  .meta({ title: '2PM Node configuration' });

/** JSON Schema of the file as a person writes it: what has a default may be left out. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(ConfigFile, { io: 'input' });
}
