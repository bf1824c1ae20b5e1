/** Whose fault an error of a channel is. @module */
import type { NodeId } from '@2pm/core';

/** Marks an error of a channel with the peer at its other end. */
export async function blaming<T>(peer: NodeId, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && !('peer' in error)) Object.defineProperty(error, 'peer', { value: peer });
    throw error;
  }
}

export function blamed(error: unknown): NodeId | undefined {
  return error instanceof Error && 'peer' in error ? (error.peer as NodeId) : undefined;
}
