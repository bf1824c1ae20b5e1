/** Where text goes: colours only for a person who did not decline them. @module */
import pc from 'picocolors';

export type Paint = ReturnType<typeof pc.createColors>;

export interface Terminal {
  write(text: string): void;
  /** True where lines may be redrawn. */
  readonly interactive: boolean;
  readonly columns: number;
  readonly paint: Paint;
}

/** NO_COLOR (no-color.org) goes before FORCE_COLOR, and both before what the stream is. */
export function terminal(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv): Terminal {
  const tty = 'isTTY' in stream && stream.isTTY === true && env['TERM'] !== 'dumb';
  const colour = !env['NO_COLOR'] && (Boolean(env['FORCE_COLOR']) || tty);
  return {
    write: (text) => void stream.write(text),
    interactive: tty,
    get columns() {
      return 'columns' in stream && typeof stream.columns === 'number' && stream.columns > 0 ? stream.columns : 100;
    },
    paint: pc.createColors(colour),
  };
}

/** Text that a peer or a program wrote: no control characters, so that it cannot steer the reader's terminal. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, ' ');
}
