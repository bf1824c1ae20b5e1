/** How the demo speaks. @module */
import type { ResultNode, TaskView } from '@2pm/core/api';
import { renderCost, renderLearns, renderRefusals, TaskProgress, type Terminal, terminal } from '@2pm/node';
import type { PlainAnswer } from './datasets.ts';

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
  compare(result: ResultNode, answer: PlainAnswer): boolean {
    const { paint } = this.#terminal;
    const record = (result ?? {}) as Record<string, ResultNode>;
    const rows: [string, ResultNode | undefined, number | number[]][] = [
      ['flights', record['n'], answer.n],
      ['mean delay', record['mean'], answer.mean],
      ['variance', record['variance'], answer.variance],
      ...answer.histogram.map((count, index): [string, ResultNode | undefined, number] => [
        answer.bins[index] ?? '',
        Array.isArray(record['histogram']) ? record['histogram'][index] : undefined,
        count,
      ]),
    ];
    let equal = true;
    this.#write(`\n  ${paint.dim(`${''.padEnd(20)}${'private'.padStart(14)}${'plain'.padStart(14)}`)}\n`);
    for (const [name, found, expected] of rows) {
      const same = typeof found === 'number' && typeof expected === 'number' && close(found, expected);
      equal &&= same;
      const sign = same ? paint.green('✓') : paint.red('✗');
      this.#write(`  ${name.padEnd(20)}${number(found).padStart(14)}${number(expected).padStart(14)}  ${sign}\n`);
    }
    return equal;
  }

  learnt(view: TaskView): void {
    this.#write(renderLearns(view.learns, this.#terminal.paint));
    this.#write(
      `  ${this.#terminal.paint.dim('·')} the three airlines: that the task ran, with whom, and nothing of each other's flights\n`,
    );
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
