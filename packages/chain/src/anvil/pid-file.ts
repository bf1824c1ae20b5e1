/**
 * Ownership of a state directory. A supervisor that was killed leaves an anvil behind that nobody mines; the next one
 * must find it, make sure that it is that very process, and end it. A live one must not be disturbed.
 * @module
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export const PidFile = z.strictObject({
  pid: z.number().int().positive(),
  supervisor: z.number().int().positive(),
  url: z.string(),
});
export type PidFile = z.infer<typeof PidFile>;

export function readPidFile(path: string): PidFile | null {
  try {
    return PidFile.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}

/** What the process that a pid file names is now. A reused process id counts as `gone`. */
export function processState(file: PidFile, marker: string): 'gone' | 'orphan' | 'supervised' {
  const found = inspect(file.pid);
  if (found === null || !found.command.includes(marker)) return 'gone';
  return found.parent === file.supervisor ? 'supervised' : 'orphan';
}

function inspect(pid: number): { parent: number; command: string } | null {
  try {
    if (process.platform === 'linux') {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return { parent: Number(parent), command };
    }
    const line = execFileSync('ps', ['-o', 'ppid=,command=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    const [, parent, command] = /^(\d+)\s+(.*)$/s.exec(line) ?? [];
    return parent === undefined || command === undefined ? null : { parent: Number(parent), command };
  } catch {
    return null;
  }
}
