// Allocations that are checked, side by side: each hears of its own failure, and of no other's.
import { expect, test } from 'vitest';
import { openContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';

test.each(['first', 'second'])(
  'of two at once the %s has no room: it fails, and the other does not',
  async (which) => {
    const gpu = await openContext();
    const large = (): Promise<GPUBuffer> =>
      gpu.checkedAllocation('too much', () => gpu.createBuffer('large', 2 * gpu.limits.maxBufferSize));
    const small = (): Promise<GPUBuffer> =>
      gpu.checkedAllocation('a little', () => gpu.createBuffer('small', 64));
    const pair = which === 'first' ? [large(), small()] : [small(), large()];
    const [failing, other] = which === 'first' ? pair : pair.toReversed();
    await expectFailure(failing!, 'out-of-memory', /too much/);
    expect((await other!).size).toBe(64);
    // What failed was taken back, and only that.
    expect(gpu.bytes).toBe(64);
    gpu.destroy();
  },
);
