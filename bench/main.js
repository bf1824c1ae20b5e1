/**
 * Figures: `npm run bench -- NAME [--json] …` runs bench/NAME.js with the remaining arguments. With --json a benchmark
 * prints one JSON object a line and nothing else.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(HERE)
  .filter((name) => name.endsWith('.js') && name !== 'main.js')
  .map((name) => name.slice(0, -3));
const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [--json] …   with NAME one of: ${names.join(', ')}`);
  process.exitCode = 2;
} else {
  // Protocols of more than two parties have a file of their own.
  const nparty = name === 'psi' && ['nparty', 'threshold'].includes(args[args.indexOf('--protocol') + 1]);
  const file = nparty ? 'psi-nparty' : name;
  spawn(process.execPath, [`${HERE}${file}.js`, ...args], { stdio: 'inherit' }).on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}
