/** The process `2pm`. @module */
import { setFlagsFromString } from 'node:v8';
import { bindEngine } from './bind-engine.ts';
import { runCli } from './run.ts';

// Buffers count towards the size at which V8 collects its heap, and computations fill and drop megabytes of them at a time: at
// its own pace it would mark a small heap of objects over and over, for a third of the processor time of a multiplication.
setFlagsFromString('--heap-growing-percent=300');

// A reader that has seen enough (`2pm task list | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await runCli(process.argv.slice(2), { engine: bindEngine() });
