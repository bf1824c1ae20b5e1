// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Sends many calls in one transaction and says how each ended
/// @dev Commands are authenticated by their signatures, so it makes no difference who sends them.
contract Relay {
    event Outcome(uint256 indexed index, bool ok, bytes result);

    function run(address target, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory result) = target.call(calls[i]);
            emit Outcome(i, ok, result);
        }
    }
}
