/**
 * Sends transactions from one throw-away account: signed here, in a lane of ascending nonces, with rising fees until
 * mined. Who sends says nothing (commands carry their own signatures), so a transaction that a rollback or a lost state
 * swallowed is simply sent anew by whoever wants its effect.
 * @module
 */
import { type Clock, type Hex, isNodeError, NodeError, toHex } from '@2pm/core';
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { keccak256 } from 'viem/utils';
import { RpcError, rpcCall } from '../json-rpc.ts';

export interface SenderOptions {
  url: string;
  chainId: number;
  clock: Clock;
  relayerKey: Uint8Array;
  /** Resolves when there is a new block, or after a while. */
  nextBlock: (signal: AbortSignal | undefined) => Promise<void>;
  /** Time without a block for a transaction after which it is sent again with higher fees, milliseconds. */
  resendMs: number;
}

export interface Outgoing {
  to: Hex;
  data: Hex;
  gas: bigint;
}

export interface MinedTransaction {
  hash: Hex;
  block: number;
  blockHash: Hex;
  gasUsed: number;
  succeeded: boolean;
}

interface Fees {
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** Raises of the fee before the transaction is given up. */
const MAX_RAISES = 8;

export class Sender {
  readonly account: PrivateKeyAccount;
  readonly #options: SenderOptions;
  #lane: Promise<unknown> = Promise.resolve();

  constructor(options: SenderOptions) {
    this.#options = options;
    this.account = privateKeyToAccount(toHex(options.relayerKey));
  }

  /**
   * Resolves when the transaction is in a block, whether or not it succeeded there.
   * @throws {NodeError} `CHAIN_UNREACHABLE`, `CHAIN_RPC`, `CHAIN_NOT_MINED` (all retryable), `CHAIN_NO_FUNDS`.
   */
  async send(outgoing: Outgoing, signal?: AbortSignal): Promise<MinedTransaction> {
    let { nonce, fees, hash } = await this.#first(outgoing);
    const hashes = [hash];
    for (let raises = 0; raises <= MAX_RAISES; raises++) {
      const mined = await this.#mined(hashes, nonce, signal);
      if (mined !== null) return mined;
      fees = raised(fees);
      hash = await this.#broadcast(outgoing, nonce, fees).catch((error: unknown) => {
        // Refused as a replacement: one of the earlier ones is on its way.
        if (error instanceof RpcError) return hash;
        throw error;
      });
      if (!hashes.includes(hash)) hashes.push(hash);
    }
    throw notMined();
  }

  /**
   * Takes a nonce and sends, one after the other, so that no nonce is taken twice. The chain is asked each time: a count
   * kept here would be wrong after a reorganisation, and every transaction behind the gap would wait for ever.
   */
  #first(outgoing: Outgoing): Promise<{ nonce: number; fees: Fees; hash: Hex }> {
    const turn = this.#lane.then(async () => {
      const [fees, nonce] = await Promise.all([this.#fees(), this.#pendingCount()]);
      return { nonce, fees, hash: await this.#broadcast(outgoing, nonce, fees) };
    });
    this.#lane = turn.catch(() => {});
    return turn;
  }

  async #broadcast(outgoing: Outgoing, nonce: number, fees: Fees): Promise<Hex> {
    const { chainId } = this.#options;
    const raw = await this.account.signTransaction({ type: 'eip1559', chainId, nonce, ...outgoing, ...fees });
    try {
      await this.#call('eth_sendRawTransaction', [raw]);
    } catch (error) {
      if (!isNodeError(error, 'CHAIN_RPC')) throw error;
      if (/insufficient funds/i.test(error.message)) throw this.#noFunds(error);
      if (!/already (known|imported)|known transaction/i.test(error.message)) throw error;
    }
    return keccak256(raw);
  }

  /**
   * The block of one of the hashes; null when there is none after a while.
   * @throws {NodeError} `CHAIN_NOT_MINED` as soon as the chain has forgotten the transaction.
   */
  async #mined(hashes: readonly Hex[], nonce: number, signal?: AbortSignal): Promise<MinedTransaction | null> {
    const { clock, nextBlock, resendMs } = this.#options;
    const until = clock.now() + resendMs;
    for (let looks = 0; ; looks++) {
      signal?.throwIfAborted();
      // Before the receipts: a block in between then shows as a receipt and not as a loss.
      const forgotten = looks > 1 && (await this.#pendingCount()) <= nonce;
      for (const hash of hashes) {
        const receipt = (await this.#call('eth_getTransactionReceipt', [hash])) as RpcReceipt | null;
        if (receipt !== null && receipt.blockNumber !== null) return minedTransaction(hash, receipt);
      }
      if (forgotten) throw notMined();
      if (clock.now() >= until) return null;
      await nextBlock(signal);
    }
  }

  async #pendingCount(): Promise<number> {
    return Number(await this.#call('eth_getTransactionCount', [this.account.address, 'pending']));
  }

  async #fees(): Promise<Fees> {
    const gasPrice = BigInt((await this.#call('eth_gasPrice', [])) as Hex);
    if (gasPrice === 0n) return { maxFeePerGas: 0n, maxPriorityFeePerGas: 0n };
    const tip = await this.#call('eth_maxPriorityFeePerGas', []).catch(() => '0x3b9aca00');
    const maxPriorityFeePerGas = BigInt(tip as Hex);
    return { maxFeePerGas: 2n * gasPrice + maxPriorityFeePerGas, maxPriorityFeePerGas };
  }

  #call(method: string, params: readonly unknown[]): Promise<unknown> {
    return rpcCall(this.#options.url, method, params);
  }

  #noFunds(cause: unknown): NodeError {
    return new NodeError('CHAIN_NO_FUNDS', 'the relayer account cannot pay for a transaction', {
      fault: 'caller',
      fix: `Send coins of this chain to ${this.account.address}.`,
      cause,
    });
  }
}

function notMined(): NodeError {
  return new NodeError('CHAIN_NOT_MINED', 'the transaction did not get into a block', {
    fault: 'chain',
    retryable: true,
    fix: 'Check that the chain makes blocks.',
  });
}

interface RpcReceipt {
  blockNumber: Hex | null;
  blockHash: Hex;
  gasUsed: Hex;
  status: Hex;
}

function minedTransaction(hash: Hex, receipt: RpcReceipt): MinedTransaction {
  return {
    hash,
    block: Number(receipt.blockNumber),
    blockHash: receipt.blockHash,
    gasUsed: Number(receipt.gasUsed),
    succeeded: receipt.status === '0x1',
  };
}

/** By an eighth, the least that pools take for a replacement. */
function raised({ maxFeePerGas, maxPriorityFeePerGas }: Fees): Fees {
  const up = (fee: bigint) => fee + (fee + 7n) / 8n;
  return { maxFeePerGas: up(maxFeePerGas), maxPriorityFeePerGas: up(maxPriorityFeePerGas) };
}
