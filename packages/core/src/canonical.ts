/**
 * Writes deterministic CBOR (RFC 8949 §4.2.1) into one growing buffer: shortest lengths, records by the bytes of their encoded
 * keys. Of the values that a plan is made of; others are left to the caller.
 * @module
 */

const utf8 = new TextEncoder();

/** Bytes of a value that is no record, array, string, byte string, boolean, null or safe integer. */
export type Rest = (value: unknown) => Uint8Array;

export function canonicalBytes(value: unknown, rest: Rest): Uint8Array {
  const writer = new Writer(rest);
  writer.value(value, 0);
  return writer.bytes();
}

const DEEPEST = 1000;
const MOST_KEPT = 32;

class Writer {
  readonly #rest: Rest;
  #buffer = new Uint8Array(1024);
  #length = 0;
  /** By the number of keys: those of the record before, and in order. */
  readonly #sorted: { readonly given: readonly string[]; readonly keys: readonly string[] }[] = [];

  constructor(rest: Rest) {
    this.#rest = rest;
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  value(value: unknown, depth: number): void {
    if (depth > DEEPEST) throw new RangeError('nested too deeply');
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number' && Number.isSafeInteger(value)) {
      if (value >= 0) this.#head(0, value);
      else this.#head(1, -1 - value);
    } else if (value === true) this.#byte(0xf5);
    else if (value === false) this.#byte(0xf4);
    else if (value === null) this.#byte(0xf6);
    else if (Array.isArray(value)) {
      this.#head(4, value.length);
      for (let i = 0; i < value.length; i++) this.value(value[i], depth + 1);
    } else if (value instanceof Uint8Array && value.constructor === Uint8Array) {
      this.#head(2, value.length);
      this.#append(value);
    } else if (isRecord(value)) {
      const keys = this.#inOrder(Object.keys(value));
      this.#head(5, keys.length);
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i] as string;
        this.#text(key);
        this.value(value[key], depth + 1);
      }
    } else this.#append(this.#rest(value));
  }

  /** Records of one kind have their keys in one order, mostly, which is sorted once. */
  #inOrder(keys: string[]): readonly string[] {
    const { length } = keys;
    const sorted = this.#sorted[length];
    if (sorted !== undefined && sameKeys(sorted.given, keys)) return sorted.keys;
    const fresh = { given: keys, keys: inOrder([...keys]) };
    if (length < MOST_KEPT) this.#sorted[length] = fresh;
    return fresh.keys;
  }

  #text(text: string): void {
    // ASCII, as nearly everything is, takes a byte a character.
    const { length } = text;
    this.#head(3, length);
    this.#room(length);
    const buffer = this.#buffer;
    const start = this.#length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) {
        this.#length = start - headLength(length);
        const bytes = utf8.encode(text);
        this.#head(3, bytes.length);
        this.#append(bytes);
        return;
      }
      buffer[start + i] = code;
    }
    this.#length = start + length;
  }

  #head(major: number, count: number): void {
    const type = major << 5;
    if (count < 24) {
      this.#byte(type | count);
      return;
    }
    const size = headLength(count) - 1;
    this.#byte(type | (size === 1 ? 24 : size === 2 ? 25 : size === 4 ? 26 : 27));
    this.#room(size);
    let left = count;
    for (let i = size - 1; i >= 0; i--) {
      this.#buffer[this.#length + i] = left % 256;
      left = Math.floor(left / 256);
    }
    this.#length += size;
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = byte;
  }

  #append(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length + more));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}

function headLength(count: number): number {
  return count < 24 ? 1 : count < 256 ? 2 : count < 65_536 ? 3 : count < 4_294_967_296 ? 5 : 9;
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** By length and then by bytes, which is the order of the encoded keys; in place. Records have few keys. */
function inOrder(keys: string[]): string[] {
  if (keys.some((key) => !/^[ -~]*$/.test(key)) || keys.length > 32) {
    const bytes = new Map(keys.map((key) => [key, utf8.encode(key)]));
    return keys.sort((a, b) => compareBytes(bytes.get(a) as Uint8Array, bytes.get(b) as Uint8Array));
  }
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string;
    let at = i;
    for (; at > 0; at--) {
      const before = keys[at - 1] as string;
      if (before.length < key.length || (before.length === key.length && before < key)) break;
      keys[at] = before;
    }
    keys[at] = key;
  }
  return keys;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : (a[at] as number) - (b[at] as number);
}
