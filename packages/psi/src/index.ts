export { digestKeys } from './digest-keys.ts';
export { rr22Card } from './rr22/card.ts';
export type { Capacity, Rr22Options } from './rr22/parameters.ts';
export { rr22Receiver } from './rr22/receiver.ts';
export { rr22Sender } from './rr22/sender.ts';
