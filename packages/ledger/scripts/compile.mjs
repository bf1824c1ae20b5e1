// The ledger contract through npm's solc: ABI, creation bytecode, and a name for the runtime code.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { keccak_256 } from '@noble/hashes/sha3.js';
import solc from 'solc';

const folder = new URL('../solidity/src/', import.meta.url);
const { resolve } = createRequire(import.meta.url);

/** Must equal solidity/foundry.toml, so that forge measures the code that is deployed. */
export const SETTINGS = { optimizer: { enabled: true, runs: 10_000 }, evmVersion: 'cancun', viaIR: true };

export function compileLedger() {
  const sources = Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [`src/${name}`, { content: readFileSync(new URL(name, folder), 'utf8') }]),
  );
  const outputSelection = {
    '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode'] },
  };
  const metadata = { bytecodeHash: 'none', appendCBOR: false };
  const input = { language: 'Solidity', sources, settings: { ...SETTINGS, metadata, outputSelection } };
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), {
      import: (path) => ({ contents: readFileSync(resolve(path), 'utf8') }),
    }),
  );
  const problems = (output.errors ?? []).filter(({ severity }) => severity !== 'info');
  if (problems.length > 0) throw new Error(problems.map(({ formattedMessage }) => formattedMessage).join('\n'));
  const { abi, evm } = output.contracts['src/Ledger.sol'].Ledger;
  const runtime = Buffer.from(evm.deployedBytecode.object, 'hex');
  const codeHash = `0x${Buffer.from(keccak_256(runtime)).toString('hex')}`;
  return { abi, bytecode: `0x${evm.bytecode.object}`, codeHash, runtimeBytes: runtime.length };
}
