// Compiles solidity/src into src/contracts.generated.ts.
import { writeFileSync } from 'node:fs';
import { generateContracts } from './compile.mjs';

writeFileSync(new URL('../src/contracts.generated.ts', import.meta.url), generateContracts());
