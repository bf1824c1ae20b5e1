import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Layout, layout } from './layout.ts';
import { lockDirectory, readRunning } from './lock.ts';

let places: Layout;
beforeEach(async () => {
  places = layout(await mkdtemp(join(tmpdir(), '2pm-lock-')));
});
afterEach(() => rm(places.dir, { recursive: true }));

test('a second node in one directory is refused and told which process holds it', () => {
  using _first = lockDirectory(places, 4711);
  expect(() => lockDirectory(places, 4712)).toThrow(
    expect.objectContaining({ code: 'CONFIG_DIRECTORY_IN_USE', message: expect.stringContaining('4711') }),
  );
  expect(readRunning(places)?.pid).toBe(4711);
});

test('a directory is free again after its node has stopped', () => {
  lockDirectory(places, 1)[Symbol.dispose]();
  expect(readRunning(places)).toBeUndefined();
  using lock = lockDirectory(places, 2);
  lock.announce('http://127.0.0.1:1');
  expect(readRunning(places)).toEqual({ pid: 2, api: 'http://127.0.0.1:1' });
});

test('the lock of a killed process is taken over, and held while it lives', async () => {
  mkdirSync(places.state);
  const script = `const D = require(${JSON.stringify(createRequire(import.meta.url).resolve('libsql'))});
    new D(${JSON.stringify(join(places.state, 'lock'))}).exec('BEGIN EXCLUSIVE'); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  expect(() => lockDirectory(places, 2)).toThrow(expect.objectContaining({ code: 'CONFIG_DIRECTORY_IN_USE' }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  using _mine = lockDirectory(places, 2);
});
