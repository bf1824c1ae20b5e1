export { CHALLENGE_BYTES, RESPONSE_BYTES } from './check.ts';
export { type ExConv, exConv } from './exconv.ts';
export { type VoleNoise, voleNoise } from './noise.ts';
export { type VoleParameters, voleParameters } from './parameters.ts';
export { spreadNoise, type VoleContext, VoleReceiver, VoleSender, voleMessageBytes } from './silent.ts';
