// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signature} from "./INodeRegistry.sol";

/// @title Board of tasks
/// @notice None -> Open -> Running -> Settled; Open or Running -> Aborted; past its deadline each -> Expired, by anyone.
/// Nobody has power over a task beyond these rules. Times are Unix seconds; a deadline is the last second that counts.
interface ITaskBoard {
    enum TaskStatus {
        None,
        Open,
        Running,
        Settled,
        Aborted,
        Expired
    }

    event TaskCreated(
        bytes32 indexed taskId,
        address indexed coordinator,
        bytes32 specHash,
        bytes32 invitedHash,
        uint64 joinBy,
        uint64 settleBy,
        uint8 quorum
    );
    event TaskStarted(bytes32 indexed taskId, address[] members, bytes32[] consentHashes);
    event TaskSettled(bytes32 indexed taskId, bytes32 resultRoot, bytes32 transcriptRoot, uint256 attestations);
    event TaskAborted(bytes32 indexed taskId, address indexed by, bytes32 reason, address culprit);
    event TaskExpired(bytes32 indexed taskId);

    /// @notice Deadlines must satisfy now < joinBy < settleBy < 2^40.
    error LedgerBadDeadline();
    /// @notice The quorum is above 64 or above the number of members.
    error LedgerBadQuorum();
    /// @notice No such task.
    error LedgerTaskUnknown();
    /// @notice The task is not in a state that allows this.
    error LedgerTaskWrongState();
    /// @notice The deadline of this state has passed.
    error LedgerTooLate();
    /// @notice The deadline of this state has not passed.
    error LedgerTooEarly();
    /// @notice A roster is 1 to 64 strictly ascending members, one consent each.
    error LedgerBadRoster();
    /// @notice A consent is not signed by its member.
    error LedgerBadConsent(address member);
    /// @notice These are not the members and consents that the task started with.
    error LedgerRosterMismatch();
    /// @notice An attestation is not signed by its member over these roots.
    error LedgerBadAttestation(address member);
    /// @notice Fewer attestations than the quorum.
    error LedgerTooFewAttestations();
    /// @notice A reason is 1 to 32 upper-case letters, digits and underscores, padded with zeros.
    error LedgerBadReason();
    /// @notice Only the coordinator, or a member of a running task, may abort it.
    error LedgerNotAllowed();

    /// @notice Opens the task keccak256(abi.encode(chainid, this, coordinator, nonce)). Signed by the coordinator, over Create.
    /// @param invitedHash Hash of the invited nodes; the list itself stays off chain.
    /// @param quorum Attestations needed to settle; 0 means all members.
    function create(
        address coordinator,
        uint64 nonce,
        bytes32 specHash,
        bytes32 invitedHash,
        uint64 joinBy,
        uint64 settleBy,
        uint8 quorum,
        Signature calldata signature
    ) external returns (bytes32 taskId);

    /// @notice Fixes the roster.
    /// @param members 1 to 64 active nodes, strictly ascending.
    /// @param consentSignatures By each member, over Consent(taskId, consentHash).
    /// @param signature By the coordinator, over Start(taskId, rosterHash).
    function start(
        bytes32 taskId,
        address[] calldata members,
        bytes32[] calldata consentHashes,
        Signature[] calldata consentSignatures,
        Signature calldata signature
    ) external;

    /// @notice Records the outcome on which a quorum of members agrees.
    /// @param members As at the start; so are consentHashes.
    /// @param signatures By each member, over Attest(taskId, resultRoot, transcriptRoot); zero where one did not sign.
    function settle(
        bytes32 taskId,
        address[] calldata members,
        bytes32[] calldata consentHashes,
        bytes32 resultRoot,
        bytes32 transcriptRoot,
        Signature[] calldata signatures
    ) external;

    /// @notice Ends a task without an outcome. Signed by `by` over Abort(taskId, reason, culprit).
    /// @param by The coordinator, or a member once the task runs.
    /// @param culprit Whom `by` holds responsible, zero for nobody; a claim, not a finding of the contract.
    /// @param members As at the start, needed from a member only; so are consentHashes.
    function abort(
        bytes32 taskId,
        address by,
        bytes32 reason,
        address culprit,
        address[] calldata members,
        bytes32[] calldata consentHashes,
        Signature calldata signature
    ) external;

    /// @notice Ends a task whose deadline has passed.
    function expire(bytes32 taskId) external;

    /// @notice What is known of a task; all zero when there is none. `rosterHash` is zero unless the task is running, the
    /// roots are zero unless it is settled.
    function taskOf(bytes32 taskId)
        external
        view
        returns (
            address coordinator,
            TaskStatus status,
            uint64 joinBy,
            uint64 settleBy,
            uint8 quorum,
            bytes32 specHash,
            bytes32 rosterHash,
            bytes32 resultRoot,
            bytes32 transcriptRoot
        );
}
