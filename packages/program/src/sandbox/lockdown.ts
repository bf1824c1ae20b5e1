/**
 * The first script of a sandbox: removes what makes two runs differ or turns text into code, and freezes everything
 * reachable, so that a program cannot change what the tracer stands on.
 * @module
 */
export const LOCKDOWN = `'use strict';
(() => {
  // Views of floating point show the bits of a NaN, which are the processor's choice.
  for (const name of ['Float16Array', 'Float32Array', 'Float64Array', 'DataView']) delete globalThis[name];
  for (const name of ['Date', 'WeakRef', 'FinalizationRegistry', 'performance', 'eval', 'SharedArrayBuffer', 'Atomics',
    'escape', 'unescape', 'console', 'print', 'queueMicrotask', 'setTimeout']) delete globalThis[name];
  delete Math.random;
  const hidden = [
    Object.getPrototypeOf(function* () {}),
    Object.getPrototypeOf(async function () {}),
    Object.getPrototypeOf(async function* () {}),
    Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())),
    Object.getPrototypeOf([][Symbol.iterator]()),
    Object.getPrototypeOf(''[Symbol.iterator]()),
    Object.getPrototypeOf(new Map()[Symbol.iterator]()),
    Object.getPrototypeOf(new Set()[Symbol.iterator]()),
    Object.getPrototypeOf(''.matchAll(/x/g)),
    Object.getPrototypeOf((async function* () {})()),
    Object.getPrototypeOf((function* () {})()),
  ];
  for (const prototype of [Function.prototype, ...hidden.slice(0, 3)]) {
    Object.defineProperty(prototype, 'constructor', { value: undefined, writable: false, configurable: false });
  }
  delete globalThis.Function;
  const seen = new Set();
  const pending = [globalThis, ...hidden];
  while (pending.length > 0) {
    const value = pending.pop();
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
    seen.add(value);
    pending.push(Object.getPrototypeOf(value));
    for (const key of Reflect.ownKeys(value)) {
      const { value: held, get, set } = Object.getOwnPropertyDescriptor(value, key);
      pending.push(held, get, set);
    }
    Object.freeze(value);
  }
})();
`;

/**
 * The module that a program gets as `@2pm/program`: what the language exports, after its own classes are frozen like the rest.
 * Their constructors are taken away as well, so that a handle, a task or a plan cannot be made but by calling the language.
 */
export function sealed(modules: readonly string[]): string {
  const imports = modules.map((name, i) => `import * as m${i} from '${name}';`).join('\n');
  return `${imports}
const seen = new Set();
const pending = [${modules.map((_, i) => `...Object.values(m${i})`).join(', ')}];
while (pending.length > 0) {
  const value = pending.pop();
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
  if (Object.isFrozen(value) && typeof value !== 'function') continue;
  seen.add(value);
  const { prototype } = value;
  if (typeof value === 'function' && prototype !== undefined && !Object.isFrozen(prototype)) {
    Object.defineProperty(prototype, 'constructor', { value: undefined, writable: false, configurable: false });
  }
  pending.push(Object.getPrototypeOf(value));
  for (const key of Reflect.ownKeys(value)) {
    const { value: held, get, set } = Object.getOwnPropertyDescriptor(value, key);
    pending.push(held, get, set);
  }
  Object.freeze(value);
}
export * from 'language/index.ts';
`;
}
