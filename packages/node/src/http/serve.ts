/** The API on a port of its own. @module */
import { createServer, type Server } from 'node:http';
import { NodeError } from '@2pm/core';
import { getRequestListener } from '@hono/node-server';
import { type ApiParts, apiRoutes } from './routes.ts';

export interface ApiServer extends AsyncDisposable {
  /** `http://127.0.0.1:7421` */
  readonly url: string;
  /** Stops listening and ends the open requests. */
  close(): Promise<void>;
}

/** @throws {NodeError} `API_PORT_IN_USE`, `API_CANNOT_LISTEN`. */
export async function serveApi(
  parts: Omit<ApiParts, 'host'> & Partial<Pick<ApiParts, 'host'>>,
  { host, port }: { host: string; port: number },
): Promise<ApiServer> {
  const server = createServer(getRequestListener(apiRoutes({ host, ...parts }).fetch));
  await listen(server, host, port);
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${bound}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === 'EADDRINUSE'
          ? new NodeError(
              'API_PORT_IN_USE',
              `another process listens on ${host}:${port}, where the API should answer`,
              {
                fault: 'caller',
                fix: 'stop it, or set another api.port in 2pm.yaml',
                cause,
              },
            )
          : new NodeError('API_CANNOT_LISTEN', `cannot listen on ${host}:${port} (${cause.code ?? cause.message})`, {
              fault: 'caller',
              fix: 'set api.host to an address of this machine and api.port to a port that you may use',
              cause,
            }),
      );
    });
    server.listen(port, host, () => resolve());
  });
}
