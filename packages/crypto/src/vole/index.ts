export { type ExConv, exConv } from './exconv.ts';
export { type VoleParameters, voleParameters } from './parameters.ts';
export { type VoleContext, VoleReceiver, VoleSender, voleMessageBytes } from './silent.ts';
