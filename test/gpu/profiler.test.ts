import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePass, type Dispatch, type GpuContext } from '../../src/gpu/context';
import { mergeProfiles, profile, recordLabels } from '../../src/gpu/profiler';
import { rmsNorm } from '../../src/kernels/rms-norm';
import { openContext } from '../support/engine';

const COLS = 256;

describe('the profiler', () => {
  let gpu: GpuContext;
  let dispatch: Dispatch;
  let y: GPUBuffer;
  beforeAll(async () => {
    gpu = await openContext();
    const state = gpu.upload('state', Uint32Array.of(0, 1, 0, 0));
    const x = gpu.upload('x', new Float32Array(COLS).fill(3));
    const weight = gpu.upload('weight', new Float32Array(COLS).fill(2));
    y = gpu.createBuffer('y', COLS * 4);
    dispatch = await rmsNorm(gpu, { cols: COLS, eps: 0, threads: 8 }, state, x, weight, y);
  });
  afterAll(() => gpu.destroy());

  /** Three dispatches in two passes, as a step would encode them. */
  const encode = (encoder: GPUCommandEncoder): void => {
    encodePass(encoder, [dispatch, { ...dispatch }]);
    encodePass(encoder, [dispatch]);
  };

  it('knows dispatches by their labels, without running them', async () => {
    expect(recordLabels(gpu, encode)).toEqual(Array.from({ length: 3 }, () => dispatch.label));
    expect(new Float32Array(await gpu.read(y))).toEqual(new Float32Array(COLS));
  });

  it('runs them as they are, sums up their times and gives its buffers back', async () => {
    const buffers = gpu.bufferCount;
    const times = await profile(gpu, encode);
    if (!gpu.capabilities.timestamps) return expect(times).toBeUndefined();
    expect(times).toEqual([{ label: dispatch.label, count: 3, milliseconds: expect.any(Number) as number }]);
    expect(times![0]!.milliseconds).toBeGreaterThanOrEqual(0);
    // A constant row, normalised, is 1 everywhere.
    expect(new Float32Array(await gpu.read(y))).toEqual(new Float32Array(COLS).fill(2));
    expect(gpu.bufferCount).toBe(buffers);
  });

  it('has nothing to say about nothing, nor where the device has no clock', async () => {
    expect(await profile(gpu, () => {})).toEqual(gpu.capabilities.timestamps ? [] : undefined);
    const plain = await openContext({ features: 'none' });
    expect(await profile(plain, () => {})).toBeUndefined();
    plain.destroy();
  });

  it('adds profiles up by label', () => {
    const one = { label: 'a', count: 1, milliseconds: 2 };
    const other = { label: 'b', count: 1, milliseconds: 5 };
    expect(mergeProfiles([[one, other], [one]])).toEqual([{ label: 'a', count: 2, milliseconds: 4 }, other]);
  });
});
