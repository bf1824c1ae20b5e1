/** The `2pm.yaml` that `init` writes: short, each line explained, everything else at its default. @module */
import { stringify } from 'yaml';

interface Endpoint {
  host: string;
  port: number;
}

export interface TemplateValues {
  org: string;
  listen: Endpoint;
  api: Endpoint;
  /** Of the embedded chain; undefined for a node that joins the chain in network.json. */
  rpc: Endpoint | undefined;
}

export function configTemplate({ org, listen, api, rpc }: TemplateValues): string {
  const at = ({ host, port }: Endpoint) => `{ host: ${stringify(host).trim()}, port: ${port} }`;
  const chain =
    rpc === undefined
      ? '# The chain that the founding node wrote into network.json.\nchain:\n  driver: evm\n  network: network.json\n'
      : `# This node hosts the chain. Joining nodes on other machines must reach the RPC port.
chain:
  driver: embedded
  rpc: ${at(rpc)}
`;
  return `# Configuration of a 2PM node. \`2pm config schema\` lists every key, \`2pm config show\` the values in force.
org: ${stringify(org).trim()}

# Where peers connect. If they reach this machine under another address, add: advertise: ["host:port"]
listen: ${at(listen)}

# HTTP API and console. Keep it on the loopback unless a TLS proxy stands before it.
api: ${at(api)}

${chain}`;
}
