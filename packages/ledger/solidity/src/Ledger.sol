// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaskBoard} from "./TaskBoard.sol";

/// @title The ledger of nodes and tasks
/// @notice One contract, one EIP-712 domain. Without owner, proxy, pause or funds.
contract Ledger is TaskBoard {}
