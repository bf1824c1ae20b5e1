// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry, Signature} from "./INodeRegistry.sol";
import {Signatures} from "./Signatures.sol";

/// @title Registry of nodes
/// @dev None -> Active <-> Left, Active | Left -> Revoked. The controller never changes while an address lives: a thief
/// of the hot key cannot leave and register again under a controller of his own.
abstract contract NodeRegistry is INodeRegistry, Signatures {
    /// @dev Two slots, split by what changes together: an update writes the second alone. Signatures bind the whole
    /// keccak256 of a record; the 25 bytes kept of it tell which record is current (a second record with the same 25
    /// bytes takes 2^100 work, and only the node itself could sign it).
    struct Node {
        address controller;
        uint40 taskCount;
    }

    struct State {
        NodeStatus status;
        uint48 seq;
        bytes25 recordHash;
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
    mapping(address node => State) private _states;

    /// @inheritdoc INodeRegistry
    function register(
        address node,
        address controller,
        bytes calldata record,
        uint64 nonce,
        Signature calldata signature
    ) external {
        State memory state = _states[node];
        if (nonce != uint256(state.seq) + 1) revert LedgerBadNonce();
        if (state.status == NodeStatus.Active) revert LedgerAlreadyRegistered();
        if (state.status == NodeStatus.Revoked) revert LedgerNodeRevoked();
        if (controller == address(0)) revert LedgerBadController();
        if (state.status == NodeStatus.Left && controller != _nodes[node].controller) revert LedgerBadController();
        bytes32 recordHash = _hashRecord(record);
        if (!_signed(keccak256(abi.encode(REGISTER, node, controller, recordHash, nonce)), signature, node)) {
            revert LedgerBadSignature();
        }
        _nodes[node].controller = controller;
        _states[node] = State(NodeStatus.Active, uint48(nonce), bytes25(recordHash));
        emit NodeRegistered(node, controller, nonce, record);
    }

    /// @inheritdoc INodeRegistry
    function update(address node, bytes calldata record, uint64 nonce, Signature calldata signature) external {
        _activeWithNonce(node, nonce);
        bytes32 recordHash = _hashRecord(record);
        if (!_signed(keccak256(abi.encode(UPDATE, node, recordHash, nonce)), signature, node)) {
            revert LedgerBadSignature();
        }
        _states[node] = State(NodeStatus.Active, uint48(nonce), bytes25(recordHash));
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
        _activeWithNonce(node, nonce);
        address controller = _nodes[node].controller;
        if (_states[newNode].status != NodeStatus.None) revert LedgerAlreadyRegistered();
        bytes32 recordHash = _hashRecord(record);
        bytes32 digest = _digest(keccak256(abi.encode(ROTATE, node, newNode, recordHash, nonce)));
        if (!_signedDigest(digest, controllerSignature, controller)) revert LedgerBadSignature();
        if (!_signedDigest(digest, newNodeSignature, newNode)) revert LedgerBadSignature();
        _states[node].status = NodeStatus.Revoked;
        _nodes[newNode].controller = controller;
        _states[newNode] = State(NodeStatus.Active, uint48(nonce), bytes25(recordHash));
        emit NodeRotated(node, newNode, nonce, record);
    }

    /// @inheritdoc INodeRegistry
    function deregister(address node, uint64 nonce, Signature calldata signature) external {
        _activeWithNonce(node, nonce);
        if (!_signed(keccak256(abi.encode(LEAVE, node, nonce)), signature, node)) revert LedgerBadSignature();
        State storage state = _states[node];
        state.status = NodeStatus.Left;
        state.seq = uint48(nonce);
        emit NodeLeft(node);
    }

    /// @inheritdoc INodeRegistry
    function revoke(address node, uint64 nonce, Signature calldata signature) external {
        State memory state = _states[node];
        if (state.status == NodeStatus.None) revert LedgerNodeUnknown();
        if (state.status == NodeStatus.Revoked) revert LedgerNodeRevoked();
        if (nonce <= state.seq) revert LedgerBadNonce();
        if (!_signed(keccak256(abi.encode(REVOKE, node, nonce)), signature, _nodes[node].controller)) {
            revert LedgerBadSignature();
        }
        _states[node].status = NodeStatus.Revoked;
        emit NodeRevoked(node);
    }

    /// @inheritdoc INodeRegistry
    function nodeOf(address node)
        external
        view
        returns (address controller, NodeStatus status, uint64 seq, bytes32 recordHash, uint64 taskCount)
    {
        Node memory entry = _nodes[node];
        State memory state = _states[node];
        return (entry.controller, state.status, state.seq, state.recordHash, entry.taskCount);
    }

    function _requireActive(address node) internal view {
        if (_states[node].status != NodeStatus.Active) revert LedgerNodeNotActive(node);
    }

    function _activeWithNonce(address node, uint64 nonce) private view {
        State memory state = _states[node];
        if (nonce != uint256(state.seq) + 1) revert LedgerBadNonce();
        if (state.status != NodeStatus.Active) revert LedgerNodeNotActive(node);
    }

    function _hashRecord(bytes calldata record) private pure returns (bytes32) {
        if (record.length == 0 || record.length > MAX_RECORD_BYTES) revert LedgerBadRecord();
        return keccak256(record);
    }
}
