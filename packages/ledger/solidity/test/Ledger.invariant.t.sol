// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry} from "../src/INodeRegistry.sol";
import {ITaskBoard} from "../src/ITaskBoard.sol";
import {Ledger} from "../src/Ledger.sol";
import {Keys} from "./Keys.sol";

/// @title A few nodes that do whatever comes to mind
/// @dev Every call may be refused; what must hold is checked against what was seen before.
contract Crowd is Keys {
    uint256 internal constant KEYS = 5;

    bytes32[] public taskIds;
    mapping(bytes32 taskId => ITaskBoard.TaskStatus) public lastTask;
    mapping(bytes32 taskId => uint256[]) internal rosters;
    mapping(address node => INodeRegistry.NodeStatus) public lastNode;
    mapping(address node => uint64) public lastSeq;
    uint256 public settled;
    string public broken;

    constructor(Ledger deployed) {
        ledger = deployed;
    }

    function join(uint256 key) external {
        attempt(abi.encodeCall(this.tryRegister, (1 + key % KEYS)));
    }

    function depart(uint256 key) external {
        if (key % 4 == 0) attempt(abi.encodeCall(this.tryLeave, (1 + key % KEYS)));
    }

    function revoke(uint256 key) external {
        if (key % 16 == 0) attempt(abi.encodeCall(this.tryRevoke, (1 + key % KEYS)));
    }

    function open(uint256 key, uint16 toJoin, uint16 toSettle, uint8 quorum) external {
        uint64 joinBy = uint64(block.timestamp) + toJoin % 500;
        attempt(abi.encodeCall(this.tryCreate, (1 + key % KEYS, joinBy, joinBy + toSettle % 500, quorum % 6)));
    }

    function begin(uint256 which, uint256 who) external {
        if (taskIds.length == 0) return;
        bytes32 taskId = taskIds[which % taskIds.length];
        uint256[] memory all = new uint256[](KEYS);
        uint256 count = 0;
        for (uint256 i = 0; i < KEYS; ++i) if ((who >> i) & 1 == 1) all[count++] = i + 1;
        uint256[] memory keys = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) keys[i] = all[i];
        sorted(keys);
        if (!attempt(abi.encodeCall(this.tryStart, (taskId, keys)))) return;
        rosters[taskId] = keys;
        for (uint256 i = 0; i < count; ++i) {
            (, INodeRegistry.NodeStatus status,,,) = ledger.nodeOf(vm.addr(keys[i]));
            if (status != INodeRegistry.NodeStatus.Active) broken = "a node that is not active was started";
        }
    }

    function finish(uint256 which, uint256 who) external {
        if (taskIds.length == 0) return;
        bytes32 taskId = taskIds[which % taskIds.length];
        uint256[] memory keys = rosters[taskId];
        if (!attempt(abi.encodeCall(this.trySettle, (taskId, keys, who)))) return;
        settled++;
        (,,,, uint8 quorum,,,,) = ledger.taskOf(taskId);
        uint256 attestations = 0;
        for (uint256 i = 0; i < keys.length; ++i) attestations += (who >> i) & 1;
        if (attestations < (quorum == 0 ? keys.length : quorum)) broken = "settled below the quorum";
    }

    function giveUp(uint256 which, uint256 key) external {
        if (taskIds.length == 0 || which % 3 != 0) return;
        bytes32 taskId = taskIds[which % taskIds.length];
        attempt(abi.encodeCall(this.tryAbort, (taskId, 1 + key % KEYS)));
    }

    function wait_(uint16 time) external {
        vm.warp(block.timestamp + time % 300);
        for (uint256 i = 0; i < taskIds.length; ++i) attempt(abi.encodeCall(this.tryExpire, (taskIds[i])));
    }

    function tryRegister(uint256 key) external {
        register(key);
    }

    function tryLeave(uint256 key) external {
        address node = vm.addr(key);
        uint64 nonce = seqOf(node) + 1;
        ledger.deregister(node, nonce, sign(key, leaveHash(node, nonce)));
    }

    function tryRevoke(uint256 key) external {
        address node = vm.addr(key);
        uint64 nonce = seqOf(node) + 1;
        ledger.revoke(node, nonce, sign(CONTROLLER, revokeHash(node, nonce)));
    }

    function tryCreate(uint256 key, uint64 joinBy, uint64 settleBy, uint8 quorum) external {
        taskIds.push(create(key, joinBy, settleBy, quorum));
    }

    function tryStart(bytes32 taskId, uint256[] memory keys) external {
        (address coordinator,,,,,,,,) = ledger.taskOf(taskId);
        for (uint256 key = 1; key <= KEYS; ++key) if (vm.addr(key) == coordinator) start(taskId, key, keys);
    }

    function trySettle(bytes32 taskId, uint256[] memory keys, uint256 who) external {
        settle(taskId, keys, who);
    }

    function tryAbort(bytes32 taskId, uint256 key) external {
        abort(taskId, key, "TASK_GIVEN_UP", rosters[taskId]);
    }

    function tryExpire(bytes32 taskId) external {
        expire(taskId);
    }

    /// @dev Runs one command and then compares every state with what it was.
    function attempt(bytes memory call) internal returns (bool ok) {
        (ok,) = address(this).call(call);
        for (uint256 i = 0; i < taskIds.length; ++i) {
            (, ITaskBoard.TaskStatus status,,,,,,,) = ledger.taskOf(taskIds[i]);
            ITaskBoard.TaskStatus before = lastTask[taskIds[i]];
            if (!mayFollow(before, status)) broken = "a task left the diagram";
            if (status != before && !ok) broken = "a refused command changed a task";
            lastTask[taskIds[i]] = status;
        }
        for (uint256 key = 1; key <= KEYS; ++key) {
            address node = vm.addr(key);
            (, INodeRegistry.NodeStatus status, uint64 seq,,) = ledger.nodeOf(node);
            if (lastNode[node] == INodeRegistry.NodeStatus.Revoked && status != lastNode[node]) broken = "back from revoked";
            if (seq < lastSeq[node]) broken = "a sequence number went back";
            lastNode[node] = status;
            lastSeq[node] = seq;
        }
    }

    function mayFollow(ITaskBoard.TaskStatus a, ITaskBoard.TaskStatus b) internal pure returns (bool) {
        if (a == b) return true;
        if (a == ITaskBoard.TaskStatus.None) return b == ITaskBoard.TaskStatus.Open;
        if (b == ITaskBoard.TaskStatus.Aborted || b == ITaskBoard.TaskStatus.Expired) {
            return a == ITaskBoard.TaskStatus.Open || a == ITaskBoard.TaskStatus.Running;
        }
        if (b == ITaskBoard.TaskStatus.Running) return a == ITaskBoard.TaskStatus.Open;
        return b == ITaskBoard.TaskStatus.Settled && a == ITaskBoard.TaskStatus.Running;
    }
}

contract LedgerInvariants is Keys {
    Crowd internal crowd;

    function setUp() public {
        vm.warp(GENESIS);
        crowd = new Crowd(new Ledger());
        for (uint256 key = 0; key < 5; ++key) crowd.join(key);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(crowd);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = crowd.join.selector;
        selectors[1] = crowd.depart.selector;
        selectors[2] = crowd.revoke.selector;
        selectors[3] = crowd.open.selector;
        selectors[4] = crowd.begin.selector;
        selectors[5] = crowd.begin.selector;
        selectors[6] = crowd.finish.selector;
        selectors[7] = crowd.finish.selector;
        selectors[8] = crowd.giveUp.selector;
        selectors[9] = crowd.wait_.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(crowd), selectors);
    }

    /// @dev States move along the diagram, settled means attested by a quorum, revoked and sequence are for good.
    function invariant_theRulesHold() public view {
        require(bytes(crowd.broken()).length == 0, crowd.broken());
    }
}
