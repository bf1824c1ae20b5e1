/** Our WebAssembly modules: they import one memory, `env.memory`, and nothing else. @module */

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

export interface WasmInstance {
  exports: Record<string, unknown>;
  memory: WasmMemory;
  /** First address behind the module's own data. */
  heapBase: number;
}

type WasmModule = { readonly wasmModule: unique symbol };

/** The part of the WebAssembly interface in use; the language's own library types leave it to a browser's. */
interface Wasm {
  Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
  compile(code: Uint8Array): Promise<WasmModule>;
  instantiate(
    module: WasmModule,
    imports: Record<string, Record<string, unknown>>,
  ): Promise<{ exports: Record<string, unknown> }>;
}

/** Bytes of a page. */
export const PAGE = 65_536;
/** Pages that 32-bit addresses reach. */
export const MAX_PAGES = 65_536;

/** A loop: `Uint8Array.from` takes five times as long, 20 ms of a process that has just begun. */
function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** From a module in base64: a function that gives a fresh instance with a memory of its own, `pages` long to begin with. */
export function wasmLoader(code: string, pages: number): () => Promise<WasmInstance> {
  // Compiled code is immutable and carries no session's data; instances share it, and what the engine learnt of it.
  let compiled: Promise<WasmModule> | undefined;
  return async () => {
    const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Wasm };
    compiled ??= wasm.compile(bytesOf(atob(code)));
    const memory = new wasm.Memory({ initial: pages, maximum: MAX_PAGES });
    const { exports } = await wasm.instantiate(await compiled, { env: { memory } });
    return { exports, memory, heapBase: (exports['__heap_base'] as { value: number }).value };
  };
}
