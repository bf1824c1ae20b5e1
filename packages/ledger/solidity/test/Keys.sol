// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signature} from "../src/INodeRegistry.sol";
import {Ledger} from "../src/Ledger.sol";

/// @dev The cheat codes of forge that these tests use.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 time) external;
    function chainId(uint256 id) external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata reason) external;
    function assume(bool condition) external pure;
}

/// @title Nodes with keys, and the structs that they sign
/// @dev Digests are written out here a second time, so that a slip in the contract's type strings shows.
abstract contract Keys {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant CONTROLLER = 0xC0;
    uint256 internal constant GENESIS = 1_800_000_000;
    uint256 internal constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    Ledger internal ledger;

    function sign(uint256 key, bytes32 structHash) internal view returns (Signature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digestOf(ledger, structHash));
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function digestOf(Ledger target, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("2PM Node"),
                keccak256("1"),
                block.chainid,
                address(target)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function registerHash(address node, address controller, bytes memory record, uint64 nonce)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256("Register(address node,address controller,bytes32 recordHash,uint64 nonce)");
        return keccak256(abi.encode(kind, node, controller, keccak256(record), nonce));
    }

    function updateHash(address node, bytes memory record, uint64 nonce) internal pure returns (bytes32) {
        bytes32 kind = keccak256("Update(address node,bytes32 recordHash,uint64 nonce)");
        return keccak256(abi.encode(kind, node, keccak256(record), nonce));
    }

    function leaveHash(address node, uint64 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Leave(address node,uint64 nonce)"), node, nonce));
    }

    function revokeHash(address node, uint64 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Revoke(address node,uint64 nonce)"), node, nonce));
    }

    function attestHash(bytes32 taskId, bytes32 root, bytes32 transcript) internal pure returns (bytes32) {
        bytes32 kind = keccak256("Attest(bytes32 taskId,bytes32 resultRoot,bytes32 transcriptRoot)");
        return keccak256(abi.encode(kind, taskId, root, transcript));
    }

    function seqOf(address node) internal view returns (uint64 seq) {
        (,, seq,,) = ledger.nodeOf(node);
    }

    function tasksOf(address node) internal view returns (uint64 taskCount) {
        (,,,, taskCount) = ledger.nodeOf(node);
    }

    function register(uint256 key) internal {
        address node = vm.addr(key);
        address controller = vm.addr(CONTROLLER);
        uint64 nonce = seqOf(node) + 1;
        bytes memory record = abi.encode(node, nonce);
        ledger.register(node, controller, record, nonce, sign(key, registerHash(node, controller, record, nonce)));
    }

    function create(uint256 key, uint64 joinBy, uint64 settleBy, uint8 quorum) internal returns (bytes32 taskId) {
        address coordinator = vm.addr(key);
        uint64 nonce = tasksOf(coordinator);
        bytes32 kind = keccak256(
            "Create(address coordinator,uint64 nonce,bytes32 specHash,bytes32 invitedHash,uint64 joinBy,uint64 settleBy,uint8 quorum)"
        );
        bytes32 hash = keccak256(
            abi.encode(kind, coordinator, nonce, bytes32("spec"), bytes32("invited"), joinBy, settleBy, quorum)
        );
        Signature memory signature = sign(key, hash);
        taskId = ledger.create(
            coordinator, nonce, bytes32("spec"), bytes32("invited"), joinBy, settleBy, quorum, signature
        );
    }

    /// @dev Keys in ascending order of their addresses.
    function sorted(uint256[] memory keys) internal pure returns (uint256[] memory) {
        for (uint256 i = 1; i < keys.length; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(keys[j - 1]) > vm.addr(keys[j]); --j) {
                (keys[j - 1], keys[j]) = (keys[j], keys[j - 1]);
            }
        }
        return keys;
    }

    function rosterOf(uint256[] memory keys) internal pure returns (address[] memory members, bytes32[] memory hashes) {
        members = new address[](keys.length);
        hashes = new bytes32[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            members[i] = vm.addr(keys[i]);
            hashes[i] = keccak256(abi.encode("consent", keys[i]));
        }
    }

    function start(bytes32 taskId, uint256 coordinatorKey, uint256[] memory keys) internal {
        (address[] memory members, bytes32[] memory hashes) = rosterOf(keys);
        Signature[] memory consents = new Signature[](keys.length);
        bytes32 kind = keccak256("Consent(bytes32 taskId,bytes32 consentHash)");
        for (uint256 i = 0; i < keys.length; ++i) {
            consents[i] = sign(keys[i], keccak256(abi.encode(kind, taskId, hashes[i])));
        }
        bytes32 roster = keccak256(abi.encodePacked(members, hashes));
        bytes32 hash = keccak256(abi.encode(keccak256("Start(bytes32 taskId,bytes32 rosterHash)"), taskId, roster));
        Signature memory signature = sign(coordinatorKey, hash);
        ledger.start(taskId, members, hashes, consents, signature);
    }

    /// @dev Member i attests when bit i of `who` is set.
    function settle(bytes32 taskId, uint256[] memory keys, uint256 who) internal {
        (address[] memory members, bytes32[] memory hashes) = rosterOf(keys);
        Signature[] memory signatures = new Signature[](keys.length);
        bytes32 hash = attestHash(taskId, bytes32("result"), bytes32("transcript"));
        for (uint256 i = 0; i < keys.length; ++i) {
            if ((who >> i) & 1 == 1) signatures[i] = sign(keys[i], hash);
        }
        ledger.settle(taskId, members, hashes, bytes32("result"), bytes32("transcript"), signatures);
    }

    function expire(bytes32 taskId) internal {
        ledger.expire(taskId);
    }

    function abort(bytes32 taskId, uint256 key, bytes32 reason, uint256[] memory keys) internal {
        (address[] memory members, bytes32[] memory hashes) = rosterOf(keys);
        bytes32 kind = keccak256("Abort(bytes32 taskId,bytes32 reason,address culprit)");
        Signature memory signature = sign(key, keccak256(abi.encode(kind, taskId, reason, address(0))));
        ledger.abort(taskId, vm.addr(key), reason, address(0), members, hashes, signature);
    }
}
