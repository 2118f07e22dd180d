// Runs the files of this folder under the watchdog. They hang on purpose, so no other configuration includes them.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { SummaryReporter } from '../../reporter.ts';
import { Watchdog } from '../watchdog.ts';

const watchdog = new Watchdog();

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../../../..', import.meta.url)),
    name: 'hanging',
    include: ['test/support/watchdog/hanging/*.hang.ts'],
    pool: watchdog.pool,
    // Fewer processes than files, so that one is given another file after its first.
    isolate: false,
    maxWorkers: 2,
    setupFiles: ['test/support/watchdog/progress.ts'],
    reporters: ['default', new SummaryReporter(watchdog)],
    testTimeout: 0,
  },
});
