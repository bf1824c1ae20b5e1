/** What a node can run the shared part of a plan with, the default first. @module */
import type { SharedBackend } from '@2pm/core';
import { additiveSemiHonest } from './additive/backend.ts';
import { additiveDealerSemiHonest } from './additive/dealer/backend.ts';
import { rep3SemiHonest } from './rep3/backend.ts';
import { rep3Malicious } from './rep3-malicious/backend.ts';

export const sharedBackends: readonly SharedBackend[] = [
  rep3SemiHonest,
  rep3Malicious,
  additiveSemiHonest,
  additiveDealerSemiHonest,
];
