// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Signature} from "./INodeRegistry.sol";

/// @title EIP-712 signatures of commands
/// @dev The domain is computed each time (about 300 gas) and not kept as an immutable: so after a chain split it follows
/// the chain id, and every deployment has the same code, whose hash names it.
abstract contract Signatures {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("2PM Node");
    bytes32 private constant VERSION = keccak256("1");

    /// @notice The EIP-712 domain separator of this contract on this chain.
    function domainSeparator() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, NAME, VERSION, block.chainid, address(this)));
    }

    /// @dev True when `signer` signed the struct. Refuses high s and signatures of no key.
    function _signed(bytes32 structHash, Signature calldata signature, address signer) internal view returns (bool) {
        return _signedDigest(_digest(structHash), signature, signer);
    }

    function _signedDigest(bytes32 digest, Signature calldata signature, address signer) internal pure returns (bool) {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, signature.r, signature.vs);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domainSeparator(), structHash);
    }
}
