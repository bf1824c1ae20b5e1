/** Writes src/sandbox/language.generated.ts from src/language. Run after a change to the language and a build. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { embedLanguage } from '../dist/sandbox/build-language.js';

const folder = new URL('../src/language/', import.meta.url);
const files = {};
for (const name of await readdir(folder)) files[name] = await readFile(new URL(name, folder), 'utf8');
await writeFile(new URL('../src/sandbox/language.generated.ts', import.meta.url), await embedLanguage(files));
