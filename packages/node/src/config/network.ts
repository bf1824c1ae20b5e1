/** `network.json`: what a joiner must know of the chain. Written by the founding node, handed to the others. @module */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { NodeError } from '@2pm/core';
import { z } from 'zod';

const address = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}$/)]);
const hash = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)]);

export const Network = z.strictObject({
  chainId: z.number().int().min(1),
  rpc: z.url(),
  /** The Ledger contract, which holds nodes and tasks. */
  contract: address,
  /** Of its code, which every node checks before it trusts the contract. */
  codeHash: hash,
  /** Block in which it was deployed, where events begin. */
  firstBlock: z.number().int().min(0),
  /**
   * When a block of this chain counts as safe and final: so many blocks later, or as the chain itself says by the tags
   * `safe` and `finalized`. Left out: at once, which holds on an embedded chain alone.
   */
  finality: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('depth'), safe: z.number().int().min(0), final: z.number().int().min(0) }),
      z.strictObject({ kind: z.literal('tags') }),
    ])
    .optional(),
});
export type Network = z.infer<typeof Network>;

/** @throws {NodeError} `CONFIG_NO_NETWORK`, `CONFIG_BAD_NETWORK`. */
export async function readNetwork(path: string): Promise<Network> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new NodeError('CONFIG_NO_NETWORK', `cannot read the network file ${path}`, {
      fault: 'caller',
      fix: "copy the founding node's network.json there; it writes the file when it is first up",
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = Network.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new NodeError('CONFIG_BAD_NETWORK', `${path}: ${issue?.path.join('.') || 'file'}: ${issue?.message}`, {
    fault: 'caller',
    fix: "copy the founding node's network.json again, whole",
  });
}

export async function writeNetwork(path: string, network: Network): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(network, null, 2)}\n`);
  await rename(`${path}.new`, path);
}
