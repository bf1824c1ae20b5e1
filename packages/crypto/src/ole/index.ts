export { ANSWER_BYTES, OFFER_BYTES, type OleContext, OleReceiver, OleSender } from './ole.ts';
export { SLOTS } from './parameters.ts';
export { Ring } from './ring.ts';
