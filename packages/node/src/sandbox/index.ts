export { createSandbox, type ProgramSandbox, type SandboxOptions } from './sandbox-process.ts';
