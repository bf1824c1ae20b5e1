/**
 * An interpreter for one program: QuickJS in a WebAssembly instance of its own. Nothing of it is disposed: the whole instance
 * becomes garbage, even after a broken run.
 * @module
 */
import quickjs from '@jitl/quickjs-wasmfile-release-sync';
import {
  type JSContextPointer,
  type JSValuePointer,
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
  type QuickJSSyncVariant,
} from 'quickjs-emscripten-core';
import { Frames } from './frames.ts';

/** Named here because the standard libraries of TypeScript know it only beside a browser's. */
declare const WebAssembly: { Memory: new (pages: { initial: number; maximum: number }) => Memory };
interface Memory {
  readonly buffer: ArrayBuffer;
}

// The package declares its CommonJS form; the module that is loaded is the variant itself.
const VARIANT = quickjs as unknown as QuickJSSyncVariant;
const WASM_PAGE = 65_536;

type Loader = Extract<Awaited<ReturnType<QuickJSSyncVariant['importModuleLoader']>>, (...args: never) => unknown>;
type Instance = Awaited<ReturnType<Loader>>;

export interface Interpreter {
  readonly runtime: QuickJSRuntime;
  readonly context: QuickJSContext;
  /** A function that returns the line at which a module runs; undefined where it would not be right. See `Frames`. */
  readonly lineReader: QuickJSHandle | undefined;
}

/** `file`: the name of the module whose lines are read. */
export async function startInterpreter(memoryBytes: number, stackBytes: number, file: string): Promise<Interpreter> {
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 256 + Math.ceil(memoryBytes / WASM_PAGE) });
  const variant = newVariant(VARIANT, { wasmMemory: memory });
  let instance: Instance | undefined;
  const module = await newQuickJSWASMModuleFromVariant({
    ...variant,
    async importModuleLoader() {
      const load = (await variant.importModuleLoader()) as Loader;
      return async (options) => {
        instance = await load(options);
        return instance;
      };
    },
  });
  const runtime = module.newRuntime();
  runtime.setMemoryLimit(memoryBytes);
  runtime.setMaxStackSize(stackBytes);
  const context = runtime.newContext({
    intrinsics: {
      BaseObjects: true,
      Eval: true,
      StringNormalize: true,
      RegExp: true,
      RegExpCompiler: true,
      JSON: true,
      Proxy: true,
      MapSet: true,
      TypedArrays: true,
      Promise: true,
      BigInt: true,
    },
  });
  return { runtime, context, lineReader: lineReaderOf(context, instance as Instance, memory, memoryBytes, file) };
}

/** The one function of the host that there is. It takes no argument and returns a number, so the wrappers are left out. */
function lineReaderOf(
  context: QuickJSContext,
  instance: Instance,
  memory: Memory,
  memoryBytes: number,
  file: string,
): QuickJSHandle | undefined {
  const reader = context.newFunction('line', () => context.undefined);
  let address: number | undefined;
  const readFrom = (frames: Frames) => {
    const callFunction = (_: unknown, own: JSContextPointer) => {
      address = own;
      const result = instance._malloc(8);
      frames.write(result, frames.line(own));
      return result as JSValuePointer;
    };
    instance.callbacks = { ...instance.callbacks, callFunction };
  };
  readFrom(new Frames(memory, file));
  const called = (code: string, name: string, argument: QuickJSHandle) => {
    const made = context.unwrapResult(context.evalCode(code, name, { type: 'global' }));
    return context.unwrapResult(context.callFunction(made, context.undefined, argument));
  };
  const elsewhere = called('(line) => () =>\n\nline()', 'trial', reader);
  const line = called(
    '(line) => {\n  const own = function* () {\n  yield [0].map(() =>\n    line())[0] };\n  return [...own()][0]; }',
    file,
    elsewhere,
  );
  if (context.dump(line) !== 4) return undefined;
  // What the trial has left behind in memory may make room for other functions.
  const frames = new Frames(memory, file);
  readFrom(frames);
  if (address !== undefined) frames.collectFrom(address, memoryBytes / 2);
  return reader;
}
