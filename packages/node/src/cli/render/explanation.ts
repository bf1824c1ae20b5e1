/** What a program would do: who takes part, what everyone learns, what it costs. @module */
import type { Explanation } from '../engine.ts';
import { renderLearns } from './task.ts';
import { type Paint, plain } from './terminal.ts';
import { bytes, milliseconds, quantity } from './units.ts';

export function renderExplanation(explanation: Explanation, paint: Paint): string {
  const { name, learns, operations, roles, cost, intersections, others = [] } = explanation;
  const parties = roles.map(({ name, min, max, members, tables }) => {
    const range = min === max ? `${min}` : `${min} to ${max}`;
    const here = cost === undefined || min === max ? '' : paint.dim(`  costs below are for ${members}`);
    return `  ${range} ${plain(name)}, with ${tables.map(plain).join(' and ')}${here}\n`;
  });
  const head = `${paint.bold(plain(name))}  ${paint.dim(`${quantity(operations)} operations`)}\n${parties.join('')}`;
  const lines = [
    ...intersections.map(
      ({ name, to, protocol, bytes: sent, memoryBytes, milliseconds: ms }) =>
        `"${plain(name)}"${to === undefined ? '' : ` for ${plain(to)}`}, ${plain(protocol)}: ${bytes(sent)}, ${bytes(memoryBytes)} of memory, about ${milliseconds(ms)}`,
    ),
    ...(cost === undefined ? [] : costLines(cost)),
    ...others.map(otherLine),
  ];
  const costs = lines.map((line) => `  ${paint.dim('·')} ${line}\n`).join('');
  return `${head}${renderLearns(learns, paint)}${costs === '' ? '' : `\n  ${paint.bold('What it costs')}\n${costs}`}`;
}

function costLines(cost: NonNullable<Explanation['cost']>): string[] {
  const { near, far } = cost.milliseconds;
  const seats = [...new Set([Math.min(...cost.seatBytes), Math.max(...cost.seatBytes)].map(bytes))].join(' to ');
  return [
    `${quantity(cost.rounds)} rounds, ${plain(cost.protocol)}`,
    `${seats} sent by each computing party`,
    ...Object.entries(cost.holderBytes).map(([role, sent]) => `${bytes(sent)} sent by each ${plain(role)}`),
    `${bytes(cost.outputBytes)} read by who learns the result`,
    `about ${milliseconds(near)} side by side, ${milliseconds(far)} at 20 ms and 100 Mbit/s; ${milliseconds(cost.computingMs)} of it computing`,
  ];
}

function otherLine(other: NonNullable<Explanation['others']>[number]): string {
  const protocol = plain(other.protocol);
  if ('refused' in other) return `not with ${protocol}: ${plain(other.refused)}`;
  const { near, far } = other.milliseconds;
  const computing = other.dealer === true ? other.seatBytes.slice(0, -1) : other.seatBytes;
  const dealt = other.dealer === true ? `, ${bytes(other.seatBytes.at(-1) ?? 0)} by the dealer` : '';
  const sent = bytes(Math.max(...computing));
  const about = other.exact ? '' : 'about ';
  return `with ${protocol}: ${about}${quantity(other.rounds)} rounds, ${sent} sent by each of ${computing.length}${dealt}; ${milliseconds(near)}, ${milliseconds(far)}`;
}
