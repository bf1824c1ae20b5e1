import type { NodeId, TaskId } from '@2pm/core';
import type { TaskUpdate, TaskView } from '@2pm/core/api';
import pc from 'picocolors';
import { expect, test } from 'vitest';
import { renderError } from './error.ts';
import { TaskProgress } from './progress.ts';
import { renderResult } from './result.ts';
import { renderTask } from './task.ts';
import { type Terminal, terminal } from './terminal.ts';
import { bytes, milliseconds, quantity } from './units.ts';

const paint = pc.createColors(false);
const screen = { paint, columns: 80 };
const taskId = `0x${'ab'.repeat(32)}` as TaskId;
const node = (digit: number) => `0x${String(digit).repeat(40)}` as NodeId;

function paper(interactive: boolean): Terminal & { text: string } {
  return {
    text: '',
    write(text) {
      this.text += text;
    },
    interactive,
    columns: 80,
    paint,
  };
}
const update = (who: number, org: string, phase: string, message: string): TaskUpdate => ({
  at: Date.UTC(2026, 0, 1, 12, 0, 5),
  taskId,
  node: node(who),
  org,
  phase,
  message,
});

test('counts become bars whose length is their share of the highest', () => {
  const text = renderResult({ ages: { '0-17': 10, '18-64': 40, '65+': null } }, screen);
  const [title, young, middle, old] = text.split('\n');
  expect(title).toBe('  ages');
  const blocks = (line = '') => [...line].filter((character) => character === '█').length;
  expect(blocks(middle)).toBe(4 * blocks(young));
  expect(old).toContain('withheld');
});

test('a withheld number is never shown as zero', () => {
  expect(renderResult({ mean: null }, screen)).toContain('withheld (too few rows)');
  expect(renderResult(null, screen)).not.toContain('0');
});

test('records alike become a table with a row each', () => {
  const text = renderResult(
    [
      { region: 'north', patients: 1200 },
      { region: 'south', patients: 7 },
    ],
    screen,
  );
  expect(text.split('\n').map((line) => line.trim().split(/\s{2,}/))).toEqual([
    ['region', 'patients'],
    ['north', '1,200'],
    ['south', '7'],
    [''],
  ]);
});

test('every value of a nested result is shown', () => {
  const text = renderResult({ a: { b: [1.5, 'x', [2, 3]] }, c: -4, d: [], e: {} }, screen);
  for (const part of ['a', 'b', '1.5', 'x', '2', '3', 'c', '-4', 'd', 'e', 'empty']) expect(text).toContain(part);
});

test('a person sees one line a party, redrawn; a file gets one line an update', () => {
  const updates = [
    update(1, 'North', 'computing', 'round 1'),
    update(2, 'South', 'gathering', 'waits'),
    update(1, 'North', 'settled', 'done'),
  ];
  const [tty, file] = [paper(true), paper(false)];
  for (const target of [tty, file]) {
    const progress = new TaskProgress(target);
    for (const one of updates) progress.update(one);
    progress.end();
  }
  // The last drawing starts two lines up and rewrites both parties.
  expect(
    tty.text
      .split('\u001b[2A')
      .at(-1)
      ?.match(/North|South/g),
  ).toEqual(['North', 'South']);
  expect(file.text).not.toContain('\u001b');
  expect(file.text.trimEnd().split('\n')).toHaveLength(3);
  expect(file.text).toContain('12:00:05');
});

test('no line of progress is wider than the terminal', () => {
  const target = paper(true);
  const long = { ...update(1, 'O'.repeat(64), 'computing', 'm'.repeat(300)), progress: { done: 3, of: 10 } };
  new TaskProgress(target).update(long);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences are measured away
  const drawn = target.text.replace(/\u001b\[[0-9;]*[A-Za-z]|\r/g, '').trimEnd();
  expect([...drawn].length).toBeLessThanOrEqual(80);
  expect(drawn).toContain('30%');
});

test('text of peers cannot steer the terminal', () => {
  const evil = 'a\u001b[2Jb\nc\u009b1A\u202ed';
  const view: TaskView = {
    taskId,
    name: evil,
    purpose: evil,
    coordinator: node(1),
    mine: true,
    phase: 'refused',
    attempt: 1,
    members: [{ node: node(1), org: evil, roles: [evil], seat: 0, state: evil }],
    refusals: [{ node: node(1), code: evil, reasons: [{ message: evil, line: 3, fix: evil }] }],
    learns: [evil],
    error: { code: evil, message: evil, fault: 'peer', retryable: false, fix: evil },
    cost: { gas: 1, transactions: 1, bytesSent: 1, bytesReceived: 1, rounds: 1, phaseMs: { [evil]: 1, b: 2 } },
  };
  const target = paper(false);
  new TaskProgress(target).update(update(1, evil, evil, evil));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
  const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;
  for (const text of [renderTask(view, paint), target.text, renderResult({ [evil]: [evil, { x: evil }] }, screen)]) {
    expect(text).not.toMatch(steering);
  }
});

test('a refusal names the party, the line and the way out', () => {
  const view = {
    taskId,
    name: 'n',
    purpose: 'p',
    coordinator: node(1),
    mine: true,
    phase: 'refused' as const,
    attempt: 1,
    members: [{ node: node(2), org: 'South', roles: ['holder'], seat: null, state: 'refused' }],
    refusals: [
      {
        node: node(2),
        code: 'POLICY_COLUMN',
        reasons: [{ message: 'column "name" is closed', line: 12, fix: 'leave it out' }],
      },
    ],
    learns: ['analyst: the mean'],
    cost: { gas: 0, transactions: 0, bytesSent: 0, bytesReceived: 0, rounds: 0, phaseMs: {} },
  };
  const text = renderTask(view, paint);
  expect(text).toContain('South refuses  POLICY_COLUMN\n    line 12: column "name" is closed\n    → leave it out');
  expect(text).toContain('analyst: the mean');
});

test('an error shows code, message, innermost cause and fix', () => {
  const cause = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') });
  const text = renderError({ code: 'API_UNREACHABLE', message: 'no node answers', fix: 'start it', cause }, paint);
  expect(text).toBe(
    '✗ API_UNREACHABLE  no node answers\n  cause  connect ECONNREFUSED 127.0.0.1:1\n  fix    start it\n',
  );
});

test('colours follow NO_COLOR, FORCE_COLOR and the stream, in that order', () => {
  const stream = (isTTY: boolean) => Object.assign(Object.create(process.stdout), { isTTY, columns: 80 });
  const coloured = (isTTY: boolean, env: NodeJS.ProcessEnv) => terminal(stream(isTTY), env).paint.red('x') !== 'x';
  expect(coloured(true, {})).toBe(true);
  expect(coloured(false, {})).toBe(false);
  expect(coloured(true, { NO_COLOR: '1' })).toBe(false);
  expect(coloured(false, { FORCE_COLOR: '1' })).toBe(true);
  expect(coloured(true, { NO_COLOR: '1', FORCE_COLOR: '1' })).toBe(false);
});

test('quantities carry their unit', () => {
  expect([bytes(0), bytes(999), bytes(1500), bytes(2.5e9)]).toEqual(['0 B', '999 B', '1.5 KB', '2.5 GB']);
  expect([milliseconds(12.4), milliseconds(1500), milliseconds(61_000), milliseconds(7_260_000)]).toEqual([
    '12 ms',
    '1.5 s',
    '1 min 1 s',
    '2 h 1 min',
  ]);
  expect([quantity(1234567), quantity(0.1 + 0.2), quantity(-3)]).toEqual(['1,234,567', '0.3', '-3']);
});
