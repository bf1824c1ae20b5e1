import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Workspace packages resolve to their sources, so tests need no build of what they test.
  resolve: { conditions: ['@2pm/source'] },
  ssr: { resolve: { conditions: ['@2pm/source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'threads',
    isolate: false,
    // Much of the time goes to child processes and deadlines: two files at a time, on one core as well.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
