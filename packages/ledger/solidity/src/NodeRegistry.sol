// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry, Signature} from "./INodeRegistry.sol";
import {Signatures} from "./Signatures.sol";

/// @title Registry of nodes
/// @dev None -> Active <-> Left, Active | Left -> Revoked. The controller never changes while an address lives: a thief
/// of the hot key cannot leave and register again under a controller of his own.
abstract contract NodeRegistry is INodeRegistry, Signatures {
    /// @dev One slot for everything that commands read.
    struct Node {
        address controller;
        NodeStatus status;
        uint48 seq;
        uint40 taskCount;
    }

    bytes32 private constant REGISTER =
        keccak256("Register(address node,address controller,bytes32 recordHash,uint64 nonce)");
    bytes32 private constant UPDATE = keccak256("Update(address node,bytes32 recordHash,uint64 nonce)");
    bytes32 private constant ROTATE =
        keccak256("Rotate(address node,address newNode,bytes32 recordHash,uint64 nonce)");
    bytes32 private constant LEAVE = keccak256("Leave(address node,uint64 nonce)");
    bytes32 private constant REVOKE = keccak256("Revoke(address node,uint64 nonce)");

    uint256 private constant MAX_RECORD_BYTES = 1024;

    mapping(address node => Node) internal _nodes;
    mapping(address node => bytes32) private _recordHashes;

    /// @inheritdoc INodeRegistry
    function register(
        address node,
        address controller,
        bytes calldata record,
        uint64 nonce,
        Signature calldata signature
    ) external {
        Node memory entry = _nodes[node];
        if (nonce != uint256(entry.seq) + 1) revert LedgerBadNonce();
        if (entry.status == NodeStatus.Active) revert LedgerAlreadyRegistered();
        if (entry.status == NodeStatus.Revoked) revert LedgerNodeRevoked();
        if (controller == address(0)) revert LedgerBadController();
        if (entry.status == NodeStatus.Left && controller != entry.controller) revert LedgerBadController();
        bytes32 recordHash = _hashRecord(record);
        if (!_signed(keccak256(abi.encode(REGISTER, node, controller, recordHash, nonce)), signature, node)) {
            revert LedgerBadSignature();
        }
        _nodes[node] = Node(controller, NodeStatus.Active, uint48(nonce), entry.taskCount);
        _recordHashes[node] = recordHash;
        emit NodeRegistered(node, controller, nonce, record);
    }

    /// @inheritdoc INodeRegistry
    function update(address node, bytes calldata record, uint64 nonce, Signature calldata signature) external {
        _activeWithNonce(node, nonce);
        bytes32 recordHash = _hashRecord(record);
        if (!_signed(keccak256(abi.encode(UPDATE, node, recordHash, nonce)), signature, node)) {
            revert LedgerBadSignature();
        }
        _nodes[node].seq = uint48(nonce);
        _recordHashes[node] = recordHash;
        emit NodeUpdated(node, nonce, record);
    }

    /// @inheritdoc INodeRegistry
    function rotate(
        address node,
        address newNode,
        bytes calldata record,
        uint64 nonce,
        Signature calldata controllerSignature,
        Signature calldata newNodeSignature
    ) external {
        address controller = _activeWithNonce(node, nonce);
        if (_nodes[newNode].status != NodeStatus.None) revert LedgerAlreadyRegistered();
        bytes32 recordHash = _hashRecord(record);
        bytes32 digest = _digest(keccak256(abi.encode(ROTATE, node, newNode, recordHash, nonce)));
        if (!_signedDigest(digest, controllerSignature, controller)) revert LedgerBadSignature();
        if (!_signedDigest(digest, newNodeSignature, newNode)) revert LedgerBadSignature();
        _nodes[node].status = NodeStatus.Revoked;
        _nodes[newNode] = Node(controller, NodeStatus.Active, uint48(nonce), 0);
        _recordHashes[newNode] = recordHash;
        emit NodeRotated(node, newNode, nonce, record);
    }

    /// @inheritdoc INodeRegistry
    function deregister(address node, uint64 nonce, Signature calldata signature) external {
        _activeWithNonce(node, nonce);
        if (!_signed(keccak256(abi.encode(LEAVE, node, nonce)), signature, node)) revert LedgerBadSignature();
        Node storage entry = _nodes[node];
        entry.status = NodeStatus.Left;
        entry.seq = uint48(nonce);
        emit NodeLeft(node);
    }

    /// @inheritdoc INodeRegistry
    function revoke(address node, uint64 nonce, Signature calldata signature) external {
        Node memory entry = _nodes[node];
        if (entry.status == NodeStatus.None) revert LedgerNodeUnknown();
        if (entry.status == NodeStatus.Revoked) revert LedgerNodeRevoked();
        if (nonce <= entry.seq) revert LedgerBadNonce();
        if (!_signed(keccak256(abi.encode(REVOKE, node, nonce)), signature, entry.controller)) {
            revert LedgerBadSignature();
        }
        _nodes[node].status = NodeStatus.Revoked;
        emit NodeRevoked(node);
    }

    /// @inheritdoc INodeRegistry
    function nodeOf(address node)
        external
        view
        returns (address controller, NodeStatus status, uint64 seq, bytes32 recordHash, uint64 taskCount)
    {
        Node memory entry = _nodes[node];
        return (entry.controller, entry.status, entry.seq, _recordHashes[node], entry.taskCount);
    }

    function _requireActive(address node) internal view {
        if (_nodes[node].status != NodeStatus.Active) revert LedgerNodeNotActive(node);
    }

    function _activeWithNonce(address node, uint64 nonce) private view returns (address controller) {
        Node memory entry = _nodes[node];
        if (nonce != uint256(entry.seq) + 1) revert LedgerBadNonce();
        if (entry.status != NodeStatus.Active) revert LedgerNodeNotActive(node);
        return entry.controller;
    }

    function _hashRecord(bytes calldata record) private pure returns (bytes32) {
        if (record.length == 0 || record.length > MAX_RECORD_BYTES) revert LedgerBadRecord();
        return keccak256(record);
    }
}
