// Firefox looks at what is finished every 100 ms and at every submit, so waits submit nothing again and again; elsewhere not.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { until } from '../../support/wait';

afterEach(() => vi.unstubAllGlobals());

/** A device in a browser with this user agent, which looks whether a wait is over at its third submit; and its waits. */
async function browser(userAgent: string) {
  vi.resetModules();
  vi.stubGlobal('navigator', { userAgent });
  let submits = 0;
  const third = () => until(() => submits >= 3);
  const device = {
    queue: {
      submit: (commands: Iterable<GPUCommandBuffer>) => {
        expect([...commands]).toEqual([]);
        submits++;
        return undefined;
      },
      onSubmittedWorkDone: async () => (await third(), undefined),
    },
  };
  const buffer = { mapAsync: async () => (await third(), undefined) } as unknown as GPUBuffer;
  const waits = await import('../../../src/gpu/map-async');
  return { device, buffer, submits: () => submits, ...waits };
}

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0';
const CHROMIUM =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36';

describe('waiting for the GPU', () => {
  it('for the work that was submitted is nudged in Firefox', async () => {
    const { workDone, device } = await browser(FIREFOX);
    await workDone(device);
  });

  it('for a buffer is nudged in Firefox', async () => {
    const { mapForReading, device, buffer } = await browser(FIREFOX);
    vi.stubGlobal('GPUMapMode', { READ: 1 });
    await mapForReading(device, buffer);
  });

  it('submits nothing in Chromium', async () => {
    const { workDone, device, submits } = await browser(CHROMIUM);
    device.queue.onSubmittedWorkDone = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return undefined;
    };
    await workDone(device);
    expect(submits()).toBe(0);
  });
});
