// What a decoded token of BitNet 2B4T costs the GPUs of each vendor beside arithmetic: counted from the dispatches that would run
// there, all 30 layers at their real size, by what their kernels say of themselves.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { GpuVendor } from '../../../src/gpu/capabilities';
import type { Dispatch } from '../../../src/gpu/context';
import { countStep } from '../../../src/inference/step-count';
import { countedModel, type CountedModel } from '../../support/counted-model';

/** Where attention is split among workgroups, whose results are joined by one more dispatch. */
const CONTEXT = 512;

/** Of a step at that context. */
const MOST_DISPATCHES = 220;
/** Of a layer there. */
const MOST_ROUNDS = 110;
/** Of layers and head; keys and values come on top. */
const MOST_BYTES = 1.03;

// Firefox has no subgroups and does not say whose the GPU is.
const DEVICES: { vendor: GpuVendor; lanes: number }[] = [
  { vendor: 'apple', lanes: 32 },
  { vendor: 'intel', lanes: 16 },
  { vendor: 'nvidia', lanes: 32 },
  { vendor: 'amd', lanes: 64 },
  { vendor: 'qualcomm', lanes: 64 },
  { vendor: 'arm', lanes: 16 },
  { vendor: 'unknown', lanes: 32 },
  { vendor: 'unknown', lanes: 0 },
];

vi.stubGlobal('GPUBufferUsage', {});
afterAll(() => vi.unstubAllGlobals());

describe.for(DEVICES)('on a GPU of $vendor with subgroups of $lanes', (device) => {
  let model: CountedModel;
  beforeAll(async () => {
    model = await countedModel(device);
  });

  it('a step has few dispatches', async () => {
    const { dispatches } = await model.token(CONTEXT);
    expect(dispatches).toBeLessThanOrEqual(MOST_DISPATCHES);
  });

  it('a layer waits for memory few times', async () => {
    const { rounds } = model.layer(CONTEXT);
    expect(rounds).toBeLessThanOrEqual(MOST_ROUNDS);
  });

  it('a step reads little but weights, keys and values', async () => {
    const { bytes } = await model.token(CONTEXT);
    const cached = (CONTEXT + 1) * model.positionBytes;
    expect((bytes - cached) / model.weightBytes).toBeLessThanOrEqual(MOST_BYTES);
    expect(bytes - cached).toBeGreaterThan(model.weightBytes);
  });
});

describe('TriLM 3.9B, whose embedding and head are kept in blocks', () => {
  it('is counted too, and reads little but weights, keys and values', async () => {
    const model = await countedModel({ vendor: 'nvidia', lanes: 32 }, {}, 'trilm-3.9b');
    const { bytes } = await model.token(CONTEXT);
    const cached = (CONTEXT + 1) * model.positionBytes;
    expect((bytes - cached) / model.weightBytes).toBeLessThanOrEqual(MOST_BYTES);
    expect(bytes - cached).toBeGreaterThan(model.weightBytes);
  });
});

describe('a head in planes', () => {
  it('is a dispatch more, and a fifth less to read', async () => {
    const device = { vendor: 'nvidia', lanes: 32 } as const;
    const planes = await countedModel(device, {}, 'bitnet-2b4t', { headPrecision: 'planes' });
    const int8 = await countedModel(device);
    const [inPlanes, inBytes] = [await planes.token(CONTEXT), await int8.token(CONTEXT)];
    expect(inPlanes.dispatches).toBe(inBytes.dispatches + 1);
    // Of 8.5 bits a number 4 are not read: 154 of 349 MB, of 880 in all.
    expect(inPlanes.bytes / inBytes.bytes).toBeGreaterThan(0.8);
    expect(inPlanes.bytes / inBytes.bytes).toBeLessThan(0.83);
    // It takes a 34th more than 349 MB.
    expect(planes.weightBytes - int8.weightBytes).toBe(128256 * 2560 * (2 / 64));
  });
});

describe('a count', () => {
  const dispatch = (label: string, rounds: number, least = 0): Dispatch => ({
    label,
    pipeline: {} as GPUComputePipeline,
    bindGroup: {} as GPUBindGroup,
    grid: (_tokens, position) => (position >= least ? [1, 1, 1] : undefined),
    cost: { rounds: (_tokens, position) => rounds + position, bytes: (tokens) => 100 * tokens },
  });

  it('adds up what dispatches say of the step, and leaves out those that it does without', () => {
    const all = [dispatch('a', 1), dispatch('b', 2, 5)];
    expect(countStep(all, 0)).toEqual({ dispatches: 1, rounds: 1, bytes: 100 });
    expect(countStep(all, 5, 2)).toEqual({ dispatches: 2, rounds: 13, bytes: 400 });
  });

  it('is refused for a kernel that says nothing, which would count as nothing', () => {
    const silent = { ...dispatch('silent', 1), cost: undefined };
    expect(() => countStep([silent], 0)).toThrow("'silent' does not say");
  });
});
