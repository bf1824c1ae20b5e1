import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMAND_TYPES } from '@2pm/core';
import { describe, expect, test } from 'vitest';
// @ts-expect-error: a build script without types
import { generateContracts } from '../scripts/compile.mjs';
import { LEDGER_ABI } from './contracts.generated.ts';
import { CONTRACT_ERRORS, refusalOfContract } from './refusal.ts';

const source = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the committed ABI, bytecode and code hash are what the Solidity sources compile to', () => {
  expect(generateContracts() === source('./contracts.generated.ts')).toBe(true);
}, 60_000);

test('the contract signs the struct types of the product, letter by letter', () => {
  const solidity = source('../solidity/src/NodeRegistry.sol') + source('../solidity/src/TaskBoard.sol');
  for (const type of Object.values(COMMAND_TYPES)) expect(solidity).toContain(`"${type}"`);
});

test('every custom error of the contract has one code, and every code one custom error', () => {
  const errors = LEDGER_ABI.filter((item) => item.type === 'error' && item.name.startsWith('Ledger'));
  expect(errors.map((item) => ('name' in item ? item.name : '')).sort()).toEqual(Object.keys(CONTRACT_ERRORS).sort());
  for (const [name, code] of Object.entries(CONTRACT_ERRORS)) expect(refusalOfContract(name)?.code).toBe(code);
  expect(refusalOfContract('constructor')).toBeUndefined();
});

// forge is installed for linux-x64 alone; nowhere else may this be skipped.
describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('forge', () => {
  test('fuzzing finds no input and no sequence of calls that breaks a rule', { timeout: 300_000 }, async () => {
    const script = fileURLToPath(new URL('../scripts/test-contracts.mjs', import.meta.url));
    // `npm run test:contracts` looks longer.
    const env = { ...process.env, FOUNDRY_FUZZ_RUNS: '12', FOUNDRY_INVARIANT_RUNS: '3' };
    const child = spawn(process.execPath, [script, '--color', 'never'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const code = await new Promise((done) => child.once('close', done));
    expect(code, output).toBe(0);
    expect(output).toMatch(/14 tests passed, 0 failed, 0 skipped/);
  });
});
