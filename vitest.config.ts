// Which tests run where: unit tests first, then the GPU tests once for each driver, and real browsers.
import { availableParallelism } from 'node:os';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { availableDrivers, type Driver } from './test/support/machine.mjs';
import { LongestFirst } from './test/support/longest-first.ts';
import { SummaryReporter } from './test/support/reporter.ts';
import { Watchdog } from './test/support/watchdog/watchdog.ts';
import { fileUrl } from './tools/vite/file-url.ts';
import { scriptUrl } from './tools/vite/script-url.ts';
import { xgrammar } from './tools/vite/xgrammar.ts';
import { shaders } from './tools/vite/shaders.ts';

const watchdog = new Watchdog();

/** The watchdog has an eye on every file. Those with a GPU or a browser have a process of their own: Dawn, a native module, needs one. */
const WATCHED = { pool: watchdog.pool, isolate: true };

/** Unit tests run one after the other in as many processes as there are cores: with one for each file they took 236 s of the processor, and so 191. */
const IN_SHARED_PROCESSES = { pool: watchdog.pool, isolate: false };
const PROGRESS = 'test/support/watchdog/progress.ts';

/**
 * These run on one driver only, the fastest, as what they test hardly depends on it: SwiftShader takes up to ten times as
 * long as lavapipe, and Chromium runs on SwiftShader too.
 */
const ONE_DRIVER = 'test/gpu/**/*.one-driver.test.ts';

/** These run on SwiftShader only where it is here: most of what they take is compiling, in which it is the fastest. */
const SWIFTSHADER = 'test/gpu/**/*.swiftshader.test.ts';

/** `npm test -- --quick`: what finds most mistakes in little time. All unit tests but those of the test run itself, and these. */
const quick = process.env.TERNION_QUICK === '1';
const QUICK_GPU = [
  'test/gpu/kernels/*.test.ts',
  'test/gpu/smoke.test.ts',
  'test/gpu/golden.one-driver.test.ts',
  'test/gpu/session/answers.one-driver.test.ts',
];
const QUICK_E2E = ['test/e2e/smoke.test.ts', 'test/e2e/plan.test.ts'];

/**
 * What waits for a GPU or a browser has no limit but the watchdog's, which says more about a hang than a timeout does. What
 * computes here gets minutes: a machine may have other things to do.
 */
const NO_TIMEOUT = { testTimeout: 0, hookTimeout: 0 };
const UNIT_TIMEOUT = { testTimeout: 600_000, hookTimeout: 600_000 };

/**
 * A software GPU compiles on one core and computes on all, and pages wait for a worker, a GPU's process, a server: a third file has what
 * two leave of two cores.
 */
const THREE_AT_A_TIME = { maxWorkers: 3, ...NO_TIMEOUT };

/** All drivers and browsers at once: a core that waits for the last file of one of them would have nothing to do. */
const AFTER_UNIT_TESTS = 1;

/** TERNION_VULKAN names one driver to test with; without it all that are here take their turn. */
function driversToTest(): Driver[] {
  const wanted = process.env.TERNION_VULKAN as Driver | undefined;
  return wanted ? [wanted] : availableDrivers();
}

/**
 * Most of the time of a test on lavapipe is LLVM's, which optimises what then runs for milliseconds: without that a file that compiles
 * much took 68 s of CPU time instead of 124 (test/gpu/kernels/ternary-matmul, nothing in Mesa's cache).
 */
const QUICKLY_COMPILED = { GALLIVM_PERF: process.env.GALLIVM_PERF ?? 'nopt' };

/**
 * Where there are several drivers, tests of kernels try all combinations of variants, shapes and epilogues on the one that compiles
 * soonest, and on the others some that have each of them once (`combinations` in test/support/effort.ts).
 */
const COMBINATIONS = (all: boolean): Record<string, string> => ({
  TERNION_COMBINATIONS: all ? 'all' : 'covering',
});

function gpuProject(driver: Driver, turn: number, drivers: readonly Driver[]): TestProjectConfiguration {
  const compiler = drivers.includes('swiftshader') ? 'swiftshader' : drivers[0];
  return {
    extends: true,
    test: {
      name: `gpu-${driver}`,
      include: quick ? QUICK_GPU : ['test/gpu/**/*.test.ts'],
      exclude: [...(turn === 0 ? [] : [ONE_DRIVER]), ...(driver === compiler ? [] : [SWIFTSHADER])],
      setupFiles: [PROGRESS, 'test/support/dawn-setup.ts'],
      env: {
        TERNION_VULKAN: driver,
        ...QUICKLY_COMPILED,
        ...COMBINATIONS(driver === compiler && !quick),
      },
      sequence: { groupOrder: AFTER_UNIT_TESTS },
      ...THREE_AT_A_TIME,
      ...WATCHED,
    },
  };
}

export default defineConfig({
  plugins: [scriptUrl(), fileUrl(), shaders(), xgrammar()],
  test: {
    sequence: { sequencer: LongestFirst },
    reporters: ['default', new SummaryReporter(watchdog)],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'src/**/*.test.ts'],
          exclude: quick ? ['test/unit/watchdog.test.ts'] : [],
          setupFiles: [PROGRESS, 'test/support/leave-nothing.ts'],
          sequence: { groupOrder: 0 },
          // Vitest would leave a core to itself, which has little to do meanwhile.
          maxWorkers: availableParallelism(),
          ...UNIT_TIMEOUT,
          ...IN_SHARED_PROCESSES,
        },
      },
      ...driversToTest().map(gpuProject),
      {
        extends: true,
        test: {
          name: 'e2e',
          include: quick ? QUICK_E2E : ['test/e2e/**/*.test.ts'],
          setupFiles: [PROGRESS],
          globalSetup: ['test/support/builds/setup.ts'],
          sequence: { groupOrder: AFTER_UNIT_TESTS },
          ...THREE_AT_A_TIME,
          ...WATCHED,
        },
      },
    ],
  },
});
