/** Who may call: the holder of the token, under a name that a foreign web page cannot make a browser use. @module */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { NodeError } from '@2pm/core';

/**
 * Refuses host names that could be rebound by DNS: an attacker's page can point a name of his at the loopback address,
 * but it can neither be an IP address nor the name that the operator configured.
 * @throws {NodeError} `API_WRONG_HOST`.
 */
export function checkHost(header: string | undefined, configured: string): void {
  const name = (header ?? '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  if (isIP(name) !== 0 || name === 'localhost' || name === configured.toLowerCase()) return;
  throw new NodeError('API_WRONG_HOST', 'this API does not answer under that host name', {
    fault: 'caller',
    fix: 'call it by IP address, or set api.host to the name',
  });
}

/** Compares digests, so that neither content nor length shows in the time. @throws {NodeError} `API_UNAUTHORIZED`. */
export function checkToken(header: string | undefined, token: string): void {
  const given = /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  if (token !== '' && timingSafeEqual(digest(given), digest(token))) return;
  throw new NodeError('API_UNAUTHORIZED', 'the API token is missing or wrong', {
    fault: 'caller',
    fix: "send `Authorization: Bearer TOKEN` with the content of the node's api-token file",
  });
}
