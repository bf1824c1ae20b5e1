/** Somebody who is no node: sends bytes to a port and tells what came back. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

const PATIENCE_MS = 1_500;

export interface Struck {
  answer: Buffer;
  /** The other end hung up before our patience did. */
  closed: boolean;
}

export function strike(host: string, port: number, bytes: Buffer): Promise<Struck> {
  return watch(connect(port, host), (socket) => socket.write(bytes));
}

/** Over TLS with no certificate of our own; whatever the other end says of itself. */
export async function strikeTls(
  host: string,
  port: number,
  bytes: Buffer,
): Promise<{ closed: boolean; bytes: number }> {
  const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['2pm/1'] });
  const { answer, closed } = await watch(socket, () => socket.write(bytes));
  return { closed, bytes: answer.length };
}

function watch(socket: Socket, onConnect: (socket: Socket) => void): Promise<Struck> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let closed = true;
    const timer = setTimeout(() => {
      closed = false;
      socket.destroy();
    }, PATIENCE_MS);
    socket.once('connect', () => onConnect(socket));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve({ answer: Buffer.concat(chunks), closed });
    });
  });
}
