/** How a check says that something is not as it must be. @module */

export class Refusal extends Error {}

export function refuse(message: string): never {
  throw new Refusal(message);
}

export function demand(condition: boolean, message: string): asserts condition {
  if (!condition) refuse(message);
}
