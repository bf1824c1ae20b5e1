// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev A secp256k1 signature in the compact form of ERC-2098: `vs` carries the parity in its top bit.
struct Signature {
    bytes32 r;
    bytes32 vs;
}

/// @title Registry of nodes
/// @notice A node is the address of its signing key. Commands carry the signature of whoever they need; anyone may send
/// them. `nonce` is the sequence number that a command establishes.
interface INodeRegistry {
    enum NodeStatus {
        None,
        Active,
        Left,
        Revoked
    }

    event NodeRegistered(address indexed node, address indexed controller, uint64 seq, bytes record);
    event NodeUpdated(address indexed node, uint64 seq, bytes record);
    event NodeRotated(address indexed node, address indexed newNode, uint64 seq, bytes record);
    event NodeLeft(address indexed node);
    event NodeRevoked(address indexed node);

    /// @notice The nonce is not the next one.
    error LedgerBadNonce();
    /// @notice The signature is not by the one whom the command needs.
    error LedgerBadSignature();
    /// @notice A node record is 1 to 1024 bytes.
    error LedgerBadRecord();
    /// @notice The controller is zero, or not the one of the earlier registration.
    error LedgerBadController();
    /// @notice The node is registered already.
    error LedgerAlreadyRegistered();
    /// @notice The node was never registered.
    error LedgerNodeUnknown();
    /// @notice The node was revoked by its controller.
    error LedgerNodeRevoked();
    /// @notice The node is not registered, has left, or was revoked.
    error LedgerNodeNotActive(address node);

    /// @notice Registers a node, or brings back one that has left (with the same controller).
    /// @param controller Cold key of the organisation; may rotate or revoke the node key. Fixed for this address.
    /// @param record Canonical bytes of the node record; of their keccak256, 25 bytes are kept.
    /// @param signature By the node, over Register.
    function register(
        address node,
        address controller,
        bytes calldata record,
        uint64 nonce,
        Signature calldata signature
    ) external;

    /// @notice Publishes a new record. Signed by the node, over Update.
    function update(address node, bytes calldata record, uint64 nonce, Signature calldata signature) external;

    /// @notice Moves controller and sequence to a new key and revokes the old one.
    /// @param newNode An address that was never a node.
    /// @param controllerSignature By the controller, over Rotate.
    /// @param newNodeSignature By the new node, over the same.
    function rotate(
        address node,
        address newNode,
        bytes calldata record,
        uint64 nonce,
        Signature calldata controllerSignature,
        Signature calldata newNodeSignature
    ) external;

    /// @notice Signed by the node, over Leave.
    function deregister(address node, uint64 nonce, Signature calldata signature) external;

    /// @notice Ends the node for ever. Signed by the controller, over Revoke.
    /// @param nonce Any number above the node's sequence number, so that updates cannot outrun a revocation.
    function revoke(address node, uint64 nonce, Signature calldata signature) external;

    /// @notice What is known of a node; all zero when it was never registered. `taskCount` counts the tasks that it
    /// created, and so is the nonce of its next one. `recordHash` is the first 25 bytes of keccak256(record), then zeros.
    function nodeOf(address node)
        external
        view
        returns (address controller, NodeStatus status, uint64 seq, bytes32 recordHash, uint64 taskCount);
}
