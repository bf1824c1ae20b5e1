/** The progress of a task, one line a party: redrawn in place for a person, one line an update otherwise. @module */
import type { TaskUpdate } from '@2pm/core/api';
import { cut, pad, visibleWidth } from './table.ts';
import { type Paint, plain, type Terminal } from './terminal.ts';

const BAR_WIDTH = 16;

export class TaskProgress {
  readonly #terminal: Terminal;
  readonly #parties = new Map<string, TaskUpdate>();
  #drawn = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  update(update: TaskUpdate): void {
    this.#parties.set(update.node, update);
    const { interactive } = this.#terminal;
    if (interactive) this.#redraw();
    else
      this.#terminal.write(
        `${new Date(update.at).toISOString().slice(11, 19)}  ${line(update, this.#widths(), this.#terminal)}\n`,
      );
  }

  /** Leaves the lines as they stand; what is written next goes below. */
  end(): void {
    this.#drawn = 0;
  }

  #widths(): { org: number; phase: number } {
    const updates = [...this.#parties.values()];
    const widest = (texts: string[], most: number) => Math.min(most, Math.max(...texts.map(visibleWidth)));
    return {
      org: widest(
        updates.map(({ org }) => plain(org)),
        24,
      ),
      phase: widest(
        updates.map(({ phase }) => plain(phase)),
        12,
      ),
    };
  }

  #redraw(): void {
    const widths = this.#widths();
    const up = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A`;
    const lines = [...this.#parties.values()].map((update) => `\r\u001b[2K${line(update, widths, this.#terminal)}\n`);
    this.#drawn = lines.length;
    // One write, so that no half-drawn state shows.
    this.#terminal.write(up + lines.join(''));
  }
}

function line(update: TaskUpdate, widths: { org: number; phase: number }, { paint, columns }: Terminal): string {
  const phase = plain(update.phase);
  const org = pad(cut(plain(update.org), widths.org), widths.org);
  const bar = update.progress === undefined ? '' : `${progressBar(update.progress, paint)}  `;
  const used = 2 + 2 + widths.org + 2 + widths.phase + 2 + visibleWidth(bar) + 10;
  const message = cut(plain(update.message), Math.max(12, columns - used));
  return `  ${mark(phase, paint)} ${org}  ${paint.dim(pad(cut(phase, widths.phase), widths.phase))}  ${bar}${message}`;
}

/** By colour and by shape. */
export function mark(phase: string, paint: Paint): string {
  if (phase === 'settled' || phase === 'attested' || phase === 'allow') return paint.green('✓');
  if (phase === 'refused' || phase === 'aborted' || phase === 'expired' || phase === 'failed' || phase === 'lost') {
    return paint.red('✗');
  }
  return paint.cyan('●');
}

function progressBar({ done, of }: { done: number; of: number }, paint: Paint): string {
  const share = of > 0 ? Math.min(1, Math.max(0, done / of)) : 0;
  const full = Math.round(share * BAR_WIDTH);
  return `${paint.cyan('█'.repeat(full))}${paint.dim('░'.repeat(BAR_WIDTH - full))} ${pad(`${Math.floor(share * 100)}%`, 4, 'right')}`;
}
