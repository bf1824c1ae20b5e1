/** The process `2pm`. @module */
import { bindEngine } from './bind-engine.ts';
import { runCli } from './run.ts';

// A reader that has seen enough (`2pm task list | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await runCli(process.argv.slice(2), { engine: bindEngine() });
