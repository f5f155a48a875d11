// The adapter suite: the built command line's `dap`, driven over standard input and output.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: '.',
    include: ['test/adapter/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
