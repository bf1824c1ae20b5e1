// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskBoard} from "./ITaskBoard.sol";
import {Signature} from "./INodeRegistry.sol";
import {NodeRegistry} from "./NodeRegistry.sol";

/// @title Board of tasks
/// @dev Members are kept as one hash; whoever needs them shows them again. Storage holds what the rules need next, events
/// hold the rest.
abstract contract TaskBoard is ITaskBoard, NodeRegistry {
    /// @dev The first five members fill one slot exactly.
    struct Task {
        address coordinator;
        uint40 joinBy;
        uint40 settleBy;
        TaskStatus status;
        uint8 quorum;
        bytes32 specHash;
        /// What the state stands on: invitedHash while open, rosterHash while running, resultRoot once settled. One slot
        /// for the three: writing over costs 5,000 gas, a new slot 22,100.
        bytes32 commitment;
        bytes32 transcriptRoot;
    }

    bytes32 private constant CREATE = keccak256(
        "Create(address coordinator,uint64 nonce,bytes32 specHash,bytes32 invitedHash,uint64 joinBy,uint64 settleBy,uint8 quorum)"
    );
    bytes32 private constant START = keccak256("Start(bytes32 taskId,bytes32 rosterHash)");
    bytes32 private constant CONSENT = keccak256("Consent(bytes32 taskId,bytes32 consentHash)");
    bytes32 private constant ATTEST = keccak256("Attest(bytes32 taskId,bytes32 resultRoot,bytes32 transcriptRoot)");
    bytes32 private constant ABORT = keccak256("Abort(bytes32 taskId,bytes32 reason,address culprit)");

    uint256 private constant MAX_MEMBERS = 64;

    mapping(bytes32 taskId => Task) private _tasks;

    /// @inheritdoc ITaskBoard
    function create(
        address coordinator,
        uint64 nonce,
        bytes32 specHash,
        bytes32 invitedHash,
        uint64 joinBy,
        uint64 settleBy,
        uint8 quorum,
        Signature calldata signature
    ) external returns (bytes32 taskId) {
        if (nonce != _nodes[coordinator].taskCount) revert LedgerBadNonce();
        _requireActive(coordinator);
        if (joinBy <= block.timestamp || settleBy <= joinBy || settleBy > type(uint40).max) revert LedgerBadDeadline();
        if (quorum > MAX_MEMBERS) revert LedgerBadQuorum();
        bytes32 structHash = keccak256(
            abi.encode(CREATE, coordinator, nonce, specHash, invitedHash, joinBy, settleBy, quorum)
        );
        if (!_signed(structHash, signature, coordinator)) revert LedgerBadSignature();
        taskId = keccak256(abi.encode(block.chainid, address(this), coordinator, nonce));
        _nodes[coordinator].taskCount = uint40(nonce + 1);
        Task storage task = _tasks[taskId];
        task.coordinator = coordinator;
        task.joinBy = uint40(joinBy);
        task.settleBy = uint40(settleBy);
        task.status = TaskStatus.Open;
        task.quorum = quorum;
        task.specHash = specHash;
        task.commitment = invitedHash;
        emit TaskCreated(taskId, coordinator, specHash, invitedHash, joinBy, settleBy, quorum);
    }

    /// @inheritdoc ITaskBoard
    function start(
        bytes32 taskId,
        address[] calldata members,
        bytes32[] calldata consentHashes,
        Signature[] calldata consentSignatures,
        Signature calldata signature
    ) external {
        Task storage task = _taskIn(taskId, TaskStatus.Open);
        if (block.timestamp > task.joinBy) revert LedgerTooLate();
        uint256 n = members.length;
        if (n == 0 || n > MAX_MEMBERS) revert LedgerBadRoster();
        if (consentHashes.length != n || consentSignatures.length != n) revert LedgerBadRoster();
        if (task.quorum > n) revert LedgerBadQuorum();
        _requireActive(task.coordinator);
        bytes32 rosterHash = keccak256(abi.encodePacked(members, consentHashes));
        if (!_signed(keccak256(abi.encode(START, taskId, rosterHash)), signature, task.coordinator)) {
            revert LedgerBadSignature();
        }
        for (uint256 i = 0; i < n; ++i) {
            if (i > 0 && members[i] <= members[i - 1]) revert LedgerBadRoster();
            _requireConsent(taskId, members[i], consentHashes[i], consentSignatures[i]);
        }
        task.status = TaskStatus.Running;
        task.commitment = rosterHash;
        emit TaskStarted(taskId, members, consentHashes);
    }

    /// @inheritdoc ITaskBoard
    function settle(
        bytes32 taskId,
        address[] calldata members,
        bytes32[] calldata consentHashes,
        bytes32 resultRoot,
        bytes32 transcriptRoot,
        Signature[] calldata signatures
    ) external {
        Task storage task = _taskIn(taskId, TaskStatus.Running);
        if (block.timestamp > task.settleBy) revert LedgerTooLate();
        _requireRoster(task, members, consentHashes);
        if (signatures.length != members.length) revert LedgerRosterMismatch();
        bytes32 digest = _digest(keccak256(abi.encode(ATTEST, taskId, resultRoot, transcriptRoot)));
        uint256 attestations = _countAttestations(digest, members, signatures);
        uint256 quorum = task.quorum;
        if (attestations < (quorum == 0 ? members.length : quorum)) revert LedgerTooFewAttestations();
        task.status = TaskStatus.Settled;
        task.commitment = resultRoot;
        task.transcriptRoot = transcriptRoot;
        emit TaskSettled(taskId, resultRoot, transcriptRoot, attestations);
    }

    /// @inheritdoc ITaskBoard
    function abort(
        bytes32 taskId,
        address by,
        bytes32 reason,
        address culprit,
        address[] calldata members,
        bytes32[] calldata consentHashes,
        Signature calldata signature
    ) external {
        Task storage task = _openOrRunning(taskId);
        if (!_isReason(reason)) revert LedgerBadReason();
        if (by != task.coordinator) {
            if (task.status != TaskStatus.Running) revert LedgerNotAllowed();
            _requireRoster(task, members, consentHashes);
            if (!_includes(members, by)) revert LedgerNotAllowed();
        }
        if (!_signed(keccak256(abi.encode(ABORT, taskId, reason, culprit)), signature, by)) revert LedgerBadSignature();
        task.status = TaskStatus.Aborted;
        emit TaskAborted(taskId, by, reason, culprit);
    }

    /// @inheritdoc ITaskBoard
    function expire(bytes32 taskId) external {
        Task storage task = _openOrRunning(taskId);
        uint256 deadline = task.status == TaskStatus.Open ? task.joinBy : task.settleBy;
        if (block.timestamp <= deadline) revert LedgerTooEarly();
        task.status = TaskStatus.Expired;
        emit TaskExpired(taskId);
    }

    /// @inheritdoc ITaskBoard
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
        )
    {
        Task storage task = _tasks[taskId];
        coordinator = task.coordinator;
        status = task.status;
        joinBy = task.joinBy;
        settleBy = task.settleBy;
        quorum = task.quorum;
        specHash = task.specHash;
        if (status == TaskStatus.Running) rosterHash = task.commitment;
        if (status == TaskStatus.Settled) resultRoot = task.commitment;
        transcriptRoot = task.transcriptRoot;
    }

    function _taskIn(bytes32 taskId, TaskStatus wanted) private view returns (Task storage task) {
        task = _tasks[taskId];
        TaskStatus status = task.status;
        if (status == TaskStatus.None) revert LedgerTaskUnknown();
        if (status != wanted) revert LedgerTaskWrongState();
    }

    function _openOrRunning(bytes32 taskId) private view returns (Task storage task) {
        task = _tasks[taskId];
        TaskStatus status = task.status;
        if (status == TaskStatus.None) revert LedgerTaskUnknown();
        if (status != TaskStatus.Open && status != TaskStatus.Running) revert LedgerTaskWrongState();
    }

    function _requireConsent(bytes32 taskId, address member, bytes32 consentHash, Signature calldata signature)
        private
        view
    {
        _requireActive(member);
        if (!_signed(keccak256(abi.encode(CONSENT, taskId, consentHash)), signature, member)) {
            revert LedgerBadConsent(member);
        }
    }

    /// @dev Equal lengths matter: the hash alone does not say where members end and consents begin.
    function _requireRoster(Task storage task, address[] calldata members, bytes32[] calldata consentHashes)
        private
        view
    {
        if (members.length != consentHashes.length) revert LedgerRosterMismatch();
        if (keccak256(abi.encodePacked(members, consentHashes)) != task.commitment) revert LedgerRosterMismatch();
    }

    function _countAttestations(bytes32 digest, address[] calldata members, Signature[] calldata signatures)
        private
        pure
        returns (uint256 count)
    {
        for (uint256 i = 0; i < members.length; ++i) {
            Signature calldata signature = signatures[i];
            if (signature.r == 0 && signature.vs == 0) continue;
            if (!_signedDigest(digest, signature, members[i])) revert LedgerBadAttestation(members[i]);
            ++count;
        }
    }

    function _includes(address[] calldata members, address node) private pure returns (bool) {
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i] == node) return true;
        }
        return false;
    }

    /// @dev So that whoever reads events may print a reason as it stands.
    function _isReason(bytes32 reason) private pure returns (bool) {
        bool ended = false;
        for (uint256 i = 0; i < 32; ++i) {
            bytes1 char = reason[i];
            if (char == 0) {
                ended = true;
                continue;
            }
            bool allowed = (char >= "A" && char <= "Z") || (char >= "0" && char <= "9") || char == "_";
            if (ended || !allowed) return false;
        }
        return reason[0] != 0;
    }
}
