/** HTTP status of an error: by its code where the contract names one, else by who must act. @module */
import type { PublicError } from '@2pm/core';

const BY_CODE: Readonly<Record<string, number>> = {
  API_UNAUTHORIZED: 401,
  API_WRONG_HOST: 403,
  API_UNKNOWN_ROUTE: 404,
  API_TOO_LARGE: 413,
  TASK_UNKNOWN: 404,
  TASK_NOT_RECIPIENT: 403,
  TASK_NOT_SETTLED: 409,
};
const BY_FAULT: Readonly<Record<PublicError['fault'], number>> = {
  caller: 400,
  policy: 403,
  data: 422,
  peer: 502,
  chain: 503,
  node: 500,
};

export function httpStatus({ code, fault }: PublicError): number {
  return BY_CODE[code] ?? BY_FAULT[fault];
}
