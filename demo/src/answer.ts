/** What only the demo can know: the answer over all files together. @module */
import type { ResultNode } from '@2pm/core/api';

export interface AnswerLine {
  label: string;
  /** Where the result has it. */
  at: readonly (string | number)[];
  value: number;
}

export function found({ at }: AnswerLine, result: ResultNode): ResultNode | undefined {
  let node: ResultNode | undefined = result;
  for (const step of at) node = (node as Record<string | number, ResultNode> | undefined | null)?.[step];
  return node;
}
