/** `host:port` as a node record gives it. @module */
import { NodeError } from '@2pm/core';

export interface Address {
  host: string;
  port: number;
}

/** IPv6 hosts stand in brackets. @throws {NodeError} `P2P_ADDRESS`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new NodeError('P2P_ADDRESS', 'an address is not host:port', {
      fault: 'caller',
      fix: 'Write it as node.example.org:7420 or [2001:db8::1]:7420.',
    });
  }
  return { host, port };
}
