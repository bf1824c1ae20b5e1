/** Puts the Ledger contract on a chain. @module */
import { type Clock, type Hex, NodeError } from '@2pm/core';
import { LEDGER_BYTECODE, LEDGER_CODE_HASH } from '@2pm/ledger';
import { getContractAddress, keccak256 } from 'viem/utils';
import { rpcCall } from '../json-rpc.ts';
import { Sender } from './sender.ts';

/** Deterministic deployment proxy, at this address on most EVM chains and on anvil. */
const DEPLOYER: Hex = '0x4e59b44847b379578588920ca78fbf26c0b4956c';

export interface DeployOptions {
  url: string;
  chainId: number;
  clock: Clock;
  relayerKey: Uint8Array;
  /**
   * 32 bytes, of its own for each network: with chain id and code it gives the contract its address, and the address is
   * what keeps signatures of one network from being used in another.
   */
  salt: Hex;
}

export interface Deployment {
  contract: Hex;
  codeHash: Hex;
  /** Where events begin. */
  firstBlock: number;
}

/**
 * Address by CREATE2 (EIP-1014), so the same call finds what an earlier one deployed.
 * @throws {NodeError} `CHAIN_NO_DEPLOYER`, `CHAIN_WRONG_ID`, and as `Sender.send`.
 */
export async function deployContracts(options: DeployOptions): Promise<Deployment> {
  const { url, chainId, clock, relayerKey, salt } = options;
  await requireChainId(url, chainId);
  const contract = getContractAddress({ opcode: 'CREATE2', from: DEPLOYER, salt, bytecode: LEDGER_BYTECODE });
  const address = contract.toLowerCase() as Hex;
  const before = Number(await rpcCall(url, 'eth_blockNumber'));
  const deployment = { contract: address, codeHash: LEDGER_CODE_HASH as Hex };
  if ((await codeHashAt(url, address)) !== null) return { ...deployment, firstBlock: 0 };
  if ((await codeHashAt(url, DEPLOYER)) === null) {
    throw new NodeError('CHAIN_NO_DEPLOYER', `the chain has no deployment proxy at ${DEPLOYER}`, {
      fault: 'chain',
      fix: 'Deploy the Ledger contract by other means and name its address in the config.',
    });
  }
  const sender = new Sender({ url, chainId, clock, relayerKey, resendMs: 30_000, nextBlock: () => clock.sleep(50) });
  const data = `${salt}${LEDGER_BYTECODE.slice(2)}` as Hex;
  const estimate = await rpcCall(url, 'eth_estimateGas', [{ from: sender.account.address, to: DEPLOYER, data }]);
  await sender.send({ to: DEPLOYER, data, gas: (BigInt(estimate as Hex) * 6n) / 5n });
  await requireLedger(url, address);
  return { ...deployment, firstBlock: before };
}

/** @throws {NodeError} `CHAIN_WRONG_ID`, `CHAIN_UNREACHABLE`. */
export async function requireChainId(url: string, chainId: number): Promise<void> {
  const found = Number(await rpcCall(url, 'eth_chainId'));
  if (found === chainId) return;
  throw new NodeError('CHAIN_WRONG_ID', `the chain at the RPC address has id ${found}, not ${chainId}`, {
    fault: 'caller',
    fix: 'Correct the RPC address or the chain id in the config.',
  });
}

/** @throws {NodeError} `CHAIN_NO_CONTRACT`, `CHAIN_UNREACHABLE`. */
export async function requireLedger(url: string, contract: Hex): Promise<void> {
  const found = await codeHashAt(url, contract);
  if (found === LEDGER_CODE_HASH) return;
  const what = found === null ? 'no contract' : 'another contract than the Ledger of this version';
  throw new NodeError('CHAIN_NO_CONTRACT', `there is ${what} at ${contract}`, {
    fault: 'caller',
    fix: 'Correct the contract address in the config, or use the version of 2PM that the network uses.',
  });
}

async function codeHashAt(url: string, address: Hex): Promise<Hex | null> {
  const code = (await rpcCall(url, 'eth_getCode', [address, 'latest'])) as Hex;
  return code === '0x' ? null : keccak256(code);
}
