/** How a command stands in a call of the Ledger contract; the ABI encoding itself is the driver's. @module */
import { type ChainCommand, type Hex, toHex, ZERO_HASH } from '@2pm/core';
import { isReason, reasonBytes32 } from '@2pm/crypto';

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** Function of `LEDGER_ABI` and its arguments in order; integers of more than 48 bits as bigint. */
export interface ContractCall {
  functionName: string;
  args: readonly unknown[];
}

/**
 * What cannot be said to the contract (a malformed signature, a reason that is none) is sent as a value that it refuses
 * with the same code and in the same order as `apply`.
 */
export function contractCall(command: ChainCommand): ContractCall {
  switch (command.type) {
    case 'register': {
      const { node, controller, record, nonce, signature } = command;
      return call('register', node, controller, toHex(record), BigInt(nonce), compact(signature));
    }
    case 'update':
      return call('update', command.node, toHex(command.record), BigInt(command.nonce), compact(command.signature));
    case 'rotate': {
      const { node, newNode, record, nonce, controllerSignature, newNodeSignature } = command;
      const signatures = [compact(controllerSignature), compact(newNodeSignature)];
      return call('rotate', node, newNode, toHex(record), BigInt(nonce), ...signatures);
    }
    // `leave` is about to become a keyword of Solidity.
    case 'leave':
      return call('deregister', command.node, BigInt(command.nonce), compact(command.signature));
    case 'revoke':
      return call('revoke', command.node, BigInt(command.nonce), compact(command.signature));
    case 'create': {
      const { coordinator, nonce, specHash, invitedHash, joinBy, settleBy, quorum, signature } = command;
      const times = [BigInt(joinBy), BigInt(settleBy)];
      return call('create', coordinator, BigInt(nonce), specHash, invitedHash, ...times, quorum, compact(signature));
    }
    case 'start': {
      const { taskId, members, consentHashes, consentSignatures, signature } = command;
      return call('start', taskId, members, consentHashes, consentSignatures.map(compact), compact(signature));
    }
    case 'settle': {
      const { taskId, members, consentHashes, resultRoot, transcriptRoot, signatures } = command;
      const attestations = signatures.map((signature) => (signature === '0x' ? ABSENT : compact(signature)));
      return call('settle', taskId, members, consentHashes, resultRoot, transcriptRoot, attestations);
    }
    case 'abort': {
      const { taskId, by, culprit, members, consentHashes, signature } = command;
      const reason = isReason(command.reason) ? reasonBytes32(command.reason) : ZERO_HASH;
      return call('abort', taskId, by, reason, culprit, members, consentHashes, compact(signature));
    }
    case 'expire':
      return call('expire', command.taskId);
  }
}

function call(functionName: string, ...args: readonly unknown[]): ContractCall {
  return { functionName, args };
}

interface CompactSignature {
  r: Hex;
  vs: Hex;
}

const ABSENT: CompactSignature = { r: ZERO_HASH, vs: ZERO_HASH };
/** r = 0 belongs to no key. */
const INVALID: CompactSignature = { r: ZERO_HASH, vs: `0x${'00'.repeat(31)}01` };

/** r ‖ s ‖ v → (r, vs), where vs carries the parity of v above s (ERC-2098). */
function compact(signature: Hex): CompactSignature {
  const match = /^0x([0-9a-fA-F]{64})([0-9a-fA-F]{64})(1b|1c)$/i.exec(signature);
  if (match === null) return INVALID;
  const [, r = '', s = '', v = ''] = match;
  const low = BigInt(`0x${s}`);
  if (low === 0n || low > HALF_ORDER) return INVALID;
  const vs = v.toLowerCase() === '1c' ? low | (1n << 255n) : low;
  return { r: `0x${r}`, vs: `0x${vs.toString(16).padStart(64, '0')}` };
}
