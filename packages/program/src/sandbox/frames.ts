/**
 * Which line of the program runs, read from the interpreter's own stack: an error that writes its stack as text would cost
 * more than the rest of a node, and more the longer the program's functions are. The places in memory are those of the one
 * build of QuickJS that we use (2025-09-13 for wasm32, JSStackFrame and JSFunctionBytecode in quickjs.c); a trial before
 * each program says whether they are right, and if not, lines are read from errors as everywhere else.
 * @module
 */

/** In bytes; all addresses and numbers are words of 4 bytes, but for the kind of an object, which takes 2. */
const CONTEXT = { runtime: 16 };
const RUNTIME = { atoms: 56, collectFrom: 108, frame: 148 };
const FRAME = { before: 0, running: 8, at: 28 };
const OBJECT = { kind: 6, code: 32 };
const CODE = { start: 20, file: 68, linesSize: 76, lines: 80 };
const TEXT = { characters: 16 };

/** Kinds of objects that are functions in JavaScript: plain ones, generators, and those that are async. */
const FUNCTIONS: ReadonlySet<number> = new Set([13, 16, 54, 58]);

/** How a function's lines are written: steps of up to 50 instructions and -1 to 3 lines in a byte; 0 before larger ones. */
const STEP = { lines: 5, first: -1 };
const DEEPEST = 100_000;
const FIRST_COLLECTION = 256 * 1024;

/** A function of the program and where in it each line begins: ascending places among its instructions, and the lines. */
interface Lines {
  readonly start: number;
  readonly places: number[];
  readonly lines: number[];
}

export class Frames {
  readonly #memory: { readonly buffer: ArrayBuffer };
  readonly #file: string;
  /** Null for functions of other files. */
  readonly #functions = new Map<number, Lines | null>();
  #bytes = new Uint8Array(0);
  #words = new Uint32Array(0);

  constructor(memory: { readonly buffer: ArrayBuffer }, file: string) {
    this.#memory = memory;
    this.#file = file;
  }

  /**
   * Lets memory fill up to so many bytes before cycles are first looked for: a plan under construction has hardly any, and to
   * look for them takes longer the larger it is.
   */
  collectFrom(context: number, bytes: number): void {
    this.#refresh();
    const place = (this.#word(context + CONTEXT.runtime) + RUNTIME.collectFrom) >>> 2;
    if (this.#words[place] === FIRST_COLLECTION) this.#words[place] = bytes;
  }

  /** A small integer for the interpreter, in 8 bytes at `address`: its 32 bits, and 32 more that are 0. */
  write(address: number, value: number): void {
    this.#refresh();
    this.#words[address >>> 2] = value;
    this.#words[(address >>> 2) + 1] = 0;
  }

  /** The line that the innermost function of the file has come to; 0 if none is running. `context`: its address. */
  line(context: number): number {
    this.#refresh();
    const runtime = this.#word(context + CONTEXT.runtime);
    let frame = this.#word(runtime + RUNTIME.frame);
    for (let depth = 0; frame !== 0 && depth < DEEPEST; depth++) {
      const object = this.#word(frame + FRAME.running);
      if (FUNCTIONS.has(this.#word(object + OBJECT.kind) >>> 16)) {
        const code = this.#word(object + OBJECT.code);
        let lines = this.#functions.get(code);
        if (lines === undefined) lines = this.#read(runtime, code);
        if (lines !== null) return lineAt(lines, this.#word(frame + FRAME.at) - lines.start - 1);
      }
      frame = this.#word(frame + FRAME.before);
    }
    return 0;
  }

  /** Memory that has grown is another buffer. */
  #refresh(): void {
    if (this.#bytes.buffer === this.#memory.buffer) return;
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#words = new Uint32Array(this.#memory.buffer);
  }

  #word(address: number): number {
    return this.#words[address >>> 2] ?? 0;
  }

  #read(runtime: number, code: number): Lines | null {
    const lines = this.#isOfFile(runtime, code) ? this.#linesOf(code) : null;
    this.#functions.set(code, lines);
    return lines;
  }

  #isOfFile(runtime: number, code: number): boolean {
    const atom = this.#word(code + CODE.file);
    const text = this.#word(this.#word(runtime + RUNTIME.atoms) + 4 * atom) + TEXT.characters;
    for (let i = 0; i < this.#file.length; i++) if (this.#bytes[text + i] !== this.#file.charCodeAt(i)) return false;
    return this.#bytes[text + this.#file.length] === 0;
  }

  #linesOf(code: number): Lines {
    let at = this.#word(code + CODE.lines);
    const end = at + this.#word(code + CODE.linesSize);
    const number = (): number => {
      let value = 0;
      for (let shift = 0; shift < 35 && at < end; shift += 7) {
        const byte = this.#bytes[at++] ?? 0;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      return value >>> 0;
    };
    const signed = (): number => {
      const value = number();
      return (value >>> 1) ^ -(value & 1);
    };
    let line = number() + 1;
    number();
    let place = 0;
    const [places, lines] = [[0], [line]];
    while (at < end) {
      const step = (this.#bytes[at++] ?? 0) - 1;
      if (step < 0) {
        place += number();
        line += signed();
      } else {
        place += Math.floor(step / STEP.lines);
        line += (step % STEP.lines) + STEP.first;
      }
      // The column.
      signed();
      places.push(place);
      lines.push(line);
    }
    return { start: this.#word(code + CODE.start), places, lines };
  }
}

function lineAt({ places, lines }: Lines, place: number): number {
  let [low, high] = [0, places.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((places[middle] as number) <= place) low = middle;
    else high = middle;
  }
  return lines[low] ?? 0;
}
