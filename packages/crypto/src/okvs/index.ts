export { okvsDecode, okvsEncode, okvsMarked, okvsRows, ROW_BYTES, type Rows } from './okvs.ts';
export { binCapacity, type OkvsParameters, okvsLength, okvsParameters } from './parameters.ts';
export { okvsAssign, okvsOrder, okvsValues } from './values.ts';
