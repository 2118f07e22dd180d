// Which tests run where: unit tests first, then the GPU tests once for each driver, then real browsers.
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { availableDrivers, type Driver } from './test/support/machine.mjs';

// The heavy files run on the fastest driver only, as they test what hardly depends on it: SwiftShader takes up to ten times
// as long as lavapipe, and Chromium runs on SwiftShader too.
const HEAVY = 'test/gpu/**/*.heavy.test.ts';

/** Software GPUs and browsers use every core already: one file at a time keeps them within their time limits. */
const ONE_AT_A_TIME = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 };

/** TERNION_VULKAN names one driver to test with; without it all that are here take their turn. */
function driversToTest(): Driver[] {
  const wanted = process.env.TERNION_VULKAN as Driver | undefined;
  return wanted ? [wanted] : availableDrivers();
}

function gpuProject(driver: Driver, turn: number): TestProjectConfiguration {
  return {
    extends: true,
    test: {
      name: `gpu-${driver}`,
      include: ['test/gpu/**/*.test.ts'],
      exclude: turn === 0 ? [] : [HEAVY],
      setupFiles: ['test/support/dawn-setup.ts'],
      env: { TERNION_VULKAN: driver },
      sequence: { groupOrder: 1 + turn },
      ...ONE_AT_A_TIME,
    },
  };
}

export default defineConfig({
  test: {
    // Dawn is a native module and is at home in a process of its own, not in a worker thread.
    pool: 'forks',
    reporters: ['default', './test/support/reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'src/**/*.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      ...driversToTest().map(gpuProject),
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          sequence: { groupOrder: 10 },
          ...ONE_AT_A_TIME,
        },
      },
    ],
  },
});
