/** How the demo speaks. @module */
import type { ResultNode, TaskView } from '@2pm/core/api';
import { renderCost, renderLearns, renderRefusals, TaskProgress, type Terminal, terminal } from '@2pm/node';
import { type AnswerLine, found } from './answer.ts';

const number = (value: unknown) =>
  typeof value === 'number' ? value.toLocaleString('en', { maximumFractionDigits: 3 }) : String(value);

export class Stage {
  readonly #terminal: Terminal;
  readonly #began = Date.now();
  #progress: TaskProgress | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#terminal = terminal(stream, process.env);
  }

  title(text: string): void {
    this.#write(`\n${this.#terminal.paint.bold(text)}\n\n`);
  }

  step(text: string): void {
    const { paint } = this.#terminal;
    const seconds = ((Date.now() - this.#began) / 1_000).toFixed(1).padStart(5);
    this.#write(`  ${paint.dim(`${seconds} s`)}  ${text}\n`);
  }

  note(text: string): void {
    // What stands above a note is not redrawn any more.
    this.#progress?.end();
    this.#write(`  ${this.#terminal.paint.yellow('!')} ${text}\n`);
  }

  progress(): TaskProgress {
    this.#progress = new TaskProgress(this.#terminal);
    return this.#progress;
  }

  /** The private result beside the plain one. True when they are the same. */
  compare(result: ResultNode, answer: readonly AnswerLine[]): boolean {
    const { paint } = this.#terminal;
    let equal = true;
    this.#write(`\n  ${paint.dim(`${''.padEnd(22)}${'private'.padStart(14)}${'plain'.padStart(14)}`)}\n`);
    for (const line of answer) {
      const [value, expected] = [found(line, result), line.value];
      const same = typeof value === 'number' && close(value, expected);
      equal &&= same;
      const sign = same ? paint.green('✓') : paint.red('✗');
      this.#write(`  ${line.label.padEnd(22)}${number(value).padStart(14)}${number(expected).padStart(14)}  ${sign}\n`);
    }
    return equal;
  }

  learnt(view: TaskView, others: string): void {
    this.#write(renderLearns(view.learns, this.#terminal.paint));
    this.#write(`  ${this.#terminal.paint.dim('·')} ${others}\n`);
  }

  cost(view: TaskView): void {
    this.#write(renderCost(view.cost, this.#terminal.paint));
  }

  refusals(view: TaskView): void {
    this.#write(renderRefusals(view, this.#terminal.paint));
  }

  outcome({ phase, attempt }: TaskView): void {
    const { paint } = this.#terminal;
    this.#write(`  ${phase === 'settled' ? paint.green('✓') : paint.red('✗')} ${phase} in attempt ${attempt}\n`);
  }

  /** The intersection that the host keeps: as many rows as there are, and nowhere but there. */
  kept(rows: number | undefined, expected: number, org: string): boolean {
    const { paint } = this.#terminal;
    const same = rows === expected;
    const told = same ? `${number(expected)} of its rows, which stay on its node` : `${rows} rows, not ${expected}`;
    this.#write(`\n  ${same ? paint.green('✓') : paint.red('✗')} ${org} learns which members it shares: ${told}\n`);
    return same;
  }

  rejected(rejected: boolean, bit: number): void {
    const { paint } = this.#terminal;
    this.#write(
      rejected
        ? `  ${paint.green('✓')} with bit ${bit.toLocaleString('en')} flipped it is rejected\n`
        : `  ${paint.red('✗')} with bit ${bit} flipped it was ACCEPTED\n`,
    );
  }

  end(ok: boolean, firstSeconds: number, seconds: number): void {
    const { paint } = this.#terminal;
    const sign = ok ? paint.green('✓') : paint.red('✗');
    this.#write(
      `\n${sign} ${ok ? 'all of it worked' : 'something did not work'}; first private result after ${firstSeconds.toFixed(1)} s, everything in ${seconds.toFixed(1)} s\n`,
    );
  }

  #write(text: string): void {
    this.#terminal.write(text);
  }
}

/** Equal up to the rounding of double precision. */
function close(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}
