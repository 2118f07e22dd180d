// Runs in every file of test/gpu: an error that no test captured fails the test it happened in.
import { afterAll, afterEach } from 'vitest';
import { destroyDevices, takeDeviceErrors } from './dawn';
import { pauseBetweenLooks } from './dawn-waits';

pauseBetweenLooks();

async function failOnErrors(): Promise<void> {
  const errors = await takeDeviceErrors();
  if (errors.length > 0) throw new Error(`Uncaptured WebGPU errors:\n${errors.join('\n')}`);
}

afterEach(failOnErrors);

afterAll(async () => {
  try {
    await failOnErrors();
  } finally {
    destroyDevices();
  }
});
