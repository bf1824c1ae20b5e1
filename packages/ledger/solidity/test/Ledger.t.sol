// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry, Signature} from "../src/INodeRegistry.sol";
import {ITaskBoard} from "../src/ITaskBoard.sol";
import {Ledger} from "../src/Ledger.sol";
import {Keys} from "./Keys.sol";

contract LedgerTest is Keys {
    function setUp() public {
        vm.warp(GENESIS);
        ledger = new Ledger();
    }

    function nodes(uint256 n) internal returns (uint256[] memory keys) {
        keys = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            keys[i] = i + 1;
            register(keys[i]);
        }
        sorted(keys);
    }

    function testFuzz_aSignatureByAnotherKeyIsRefused(uint256 key) public {
        key = 2 + (key % (ORDER - 2));
        address node = vm.addr(1);
        bytes32 hash = registerHash(node, node, "record", 1);
        Signature memory signature = sign(key, hash);
        vm.expectRevert(INodeRegistry.LedgerBadSignature.selector);
        ledger.register(node, node, "record", 1, signature);
    }

    function testFuzz_noSignatureOfZeroAddressExists(bytes32 r, bytes32 vs) public {
        vm.expectRevert(INodeRegistry.LedgerBadSignature.selector);
        ledger.register(address(0), vm.addr(1), "record", 1, Signature(r, vs));
    }

    /// @dev The other malleation, s in the upper half, cannot be said in the compact form at all.
    function testFuzz_aSignatureWithTheOtherParityIsRefused(uint256 key) public {
        key = 1 + (key % (ORDER - 1));
        address node = vm.addr(key);
        Signature memory signature = sign(key, registerHash(node, node, "record", 1));
        signature.vs ^= bytes32(uint256(1) << 255);
        vm.expectRevert(INodeRegistry.LedgerBadSignature.selector);
        ledger.register(node, node, "record", 1, signature);
    }

    function testFuzz_aCommandForAnotherChainOrContractIsRefused(uint64 chain) public {
        address node = vm.addr(1);
        Signature memory signature = sign(1, registerHash(node, node, "record", 1));
        Ledger other = new Ledger();
        vm.expectRevert(INodeRegistry.LedgerBadSignature.selector);
        other.register(node, node, "record", 1, signature);
        vm.assume(chain != block.chainid && chain != 0);
        vm.chainId(chain);
        vm.expectRevert(INodeRegistry.LedgerBadSignature.selector);
        ledger.register(node, node, "record", 1, signature);
    }

    function testFuzz_onlyTheNextNonceIsTaken(uint64 nonce) public {
        register(1);
        address node = vm.addr(1);
        Signature memory signature = sign(1, updateHash(node, "record", nonce));
        if (nonce != 2) vm.expectRevert(INodeRegistry.LedgerBadNonce.selector);
        ledger.update(node, "record", nonce, signature);
    }

    function testFuzz_aRecordIs1To1024Bytes(uint16 size) public {
        bytes memory record = new bytes(size % 2048);
        address node = vm.addr(1);
        Signature memory signature = sign(1, registerHash(node, node, record, 1));
        if (record.length == 0 || record.length > 1024) vm.expectRevert(INodeRegistry.LedgerBadRecord.selector);
        ledger.register(node, node, record, 1, signature);
    }

    function testFuzz_noNumberOfUpdatesOutrunsARevocation(uint8 updates, uint64 ahead) public {
        register(1);
        address node = vm.addr(1);
        updates %= 8;
        uint64 nonce = 9 + (ahead % 1_000_000);
        Signature memory signature = sign(CONTROLLER, revokeHash(node, nonce));
        for (uint64 i = 0; i < updates; ++i) {
            ledger.update(node, "record", 2 + i, sign(1, updateHash(node, "record", 2 + i)));
        }
        ledger.revoke(node, nonce, signature);
        Signature memory again = sign(1, registerHash(node, vm.addr(CONTROLLER), "record", updates + 2));
        vm.expectRevert(INodeRegistry.LedgerNodeRevoked.selector);
        ledger.register(node, vm.addr(CONTROLLER), "record", updates + 2, again);
    }

    function testFuzz_aNodeThatLeftComesBackUnderItsControllerOnly(uint256 thief) public {
        thief = 1 + (thief % (ORDER - 1));
        vm.assume(thief != CONTROLLER);
        register(1);
        address node = vm.addr(1);
        ledger.deregister(node, 2, sign(1, leaveHash(node, 2)));
        Signature memory signature = sign(1, registerHash(node, vm.addr(thief), "record", 3));
        vm.expectRevert(INodeRegistry.LedgerBadController.selector);
        ledger.register(node, vm.addr(thief), "record", 3, signature);
        register(1);
    }

    function testFuzz_deadlinesHoldToTheSecond(uint32 toJoin, uint32 toSettle, uint64 later) public {
        uint64 joinBy = uint64(GENESIS) + 1 + toJoin;
        uint64 settleBy = joinBy + 1 + toSettle;
        uint256[] memory keys = nodes(2);
        bytes32 taskId = create(1, joinBy, settleBy, 0);
        uint256 time = GENESIS + (later % (uint64(toJoin) + 3));
        vm.warp(time);
        if (time > joinBy) {
            vm.expectRevert(ITaskBoard.LedgerTooLate.selector);
            this.startOutside(taskId, keys);
            expire(taskId);
            return;
        }
        vm.expectRevert(ITaskBoard.LedgerTooEarly.selector);
        this.expireOutside(taskId);
        start(taskId, 1, keys);
        vm.warp(settleBy);
        vm.expectRevert(ITaskBoard.LedgerTooEarly.selector);
        this.expireOutside(taskId);
        vm.warp(uint256(settleBy) + 1);
        vm.expectRevert(ITaskBoard.LedgerTooLate.selector);
        this.settleOutside(taskId, keys, 3);
        expire(taskId);
    }

    function testFuzz_settlingNeedsTheQuorum(uint8 n, uint8 quorum, uint256 who) public {
        n = 1 + (n % 6);
        quorum %= n + 1;
        who %= 2 ** n;
        uint256[] memory keys = nodes(n);
        bytes32 taskId = create(1, uint64(GENESIS) + 1, uint64(GENESIS) + 2, quorum);
        start(taskId, 1, keys);
        uint256 attestations = 0;
        for (uint256 i = 0; i < n; ++i) attestations += (who >> i) & 1;
        if (attestations < (quorum == 0 ? n : quorum)) {
            vm.expectRevert(ITaskBoard.LedgerTooFewAttestations.selector);
        }
        this.settleOutside(taskId, keys, who);
    }

    function testFuzz_aRosterOutOfOrderOrWithARepetitionIsRefused(uint8 n, uint8 i, bool repeat) public {
        n = 2 + (n % 5);
        i %= n - 1;
        uint256[] memory keys = nodes(n);
        bytes32 taskId = create(1, uint64(GENESIS) + 1, uint64(GENESIS) + 2, 0);
        if (repeat) keys[i + 1] = keys[i];
        else (keys[i], keys[i + 1]) = (keys[i + 1], keys[i]);
        vm.expectRevert(ITaskBoard.LedgerBadRoster.selector);
        this.startOutside(taskId, keys);
    }

    function testFuzz_aReasonIsPrintable(bytes32 reason, uint8 length) public {
        uint256[] memory keys = nodes(1);
        bytes32 taskId = create(1, uint64(GENESIS) + 1, uint64(GENESIS) + 2, 0);
        // Half of the runs get letters for the first bytes, so that both outcomes are met.
        if (length < 128) {
            uint256 word = 0;
            for (uint256 i = 0; i < length % 33; ++i) word |= uint256(0x41 + (uint8(reason[i]) % 26)) << (248 - 8 * i);
            reason = bytes32(word);
            if (length % 33 == 0) vm.expectRevert(ITaskBoard.LedgerBadReason.selector);
        } else {
            vm.assume(uint8(reason[0]) > 0x5f || uint8(reason[0]) < 0x30);
            vm.expectRevert(ITaskBoard.LedgerBadReason.selector);
        }
        this.abortOutside(taskId, 1, reason, keys);
    }

    function test_aTaskOf64NodesStartsAndSettlesAndOneOf65DoesNot() public {
        uint256[] memory keys = nodes(64);
        bytes32 taskId = create(1, uint64(GENESIS) + 1, uint64(GENESIS) + 2, 64);
        start(taskId, 1, keys);
        settle(taskId, keys, type(uint256).max);
        register(65);
        uint256[] memory more = new uint256[](65);
        for (uint256 i = 0; i < 65; ++i) more[i] = i + 1;
        taskId = create(1, uint64(GENESIS) + 1, uint64(GENESIS) + 2, 0);
        vm.expectRevert(ITaskBoard.LedgerBadRoster.selector);
        this.startOutside(taskId, sorted(more));
    }

    // expectRevert watches the next call, so what signs first must be a call of its own.
    function startOutside(bytes32 taskId, uint256[] memory keys) external {
        start(taskId, 1, keys);
    }

    function settleOutside(bytes32 taskId, uint256[] memory keys, uint256 who) external {
        settle(taskId, keys, who);
    }

    function abortOutside(bytes32 taskId, uint256 key, bytes32 reason, uint256[] memory keys) external {
        abort(taskId, key, reason, keys);
    }

    function expireOutside(bytes32 taskId) external {
        expire(taskId);
    }
}
