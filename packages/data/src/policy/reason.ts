/** Why a task is refused. @module */
import type { Decision } from '@2pm/core';

export interface Reason {
  code: string;
  message: string;
  line?: number;
  fix?: string;
}

export function refusal(reasons: readonly Reason[]): Decision {
  const [first] = reasons;
  return {
    verdict: 'refuse',
    code: first?.code ?? 'POLICY_DENIED',
    reasons: reasons.slice(0, 20).map(({ message, line, fix }) => ({
      message,
      ...(line === undefined ? {} : { line }),
      ...(fix === undefined ? {} : { fix }),
    })),
  };
}
