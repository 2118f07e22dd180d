// What the plan says a model takes on the GPU is what it takes, and what does not fit is refused before any tensor is read.
import { describe, expect, test } from 'vitest';
import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES } from '../../bench/core/shapes';
import type { GpuContext } from '../../src/gpu/context';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { fitMemory } from '../../src/plan/memory-fit';
import { planLocal } from '../../src/plan/plan-model';
import { readModel } from '../../src/plan/read-model';
import type { ModelFiles } from '../../src/files/model-files';
import { collect } from '../support/collect';
import { requestDevice } from '../support/dawn';
import { openContext, shareContext } from '../support/engine';
import { fixtureFiles, oneFile, watchReads } from '../support/model-files';
import { smallModel, type SmallShape } from '../support/small-model';
import { TINY, watch } from '../support/watched-engine';

/** A context on a real device, which others use too. */
async function measuredContext(binding?: number): Promise<GpuContext> {
  return withBinding(await shareContext({ limits: 'default' }), binding);
}

/** With `binding` the buffers of `gpu` may have no more bytes than that. No real device has so few. */
function withBinding(gpu: GpuContext, binding: number | undefined): GpuContext {
  if (binding === undefined) return gpu;
  const limits = { maxBufferSize: binding * 2, maxStorageBufferBindingSize: binding };
  return Object.defineProperty(gpu, 'limits', { value: limits });
}

/** Plans a model, loads it and fills one session's cache; compares what was planned with what was allocated. */
async function expectPlanned(
  files: ModelFiles,
  options: EngineOptions = {},
  binding?: number,
): Promise<void> {
  const gpu = await measuredContext(binding);
  const { model } = await readModel(files);
  const fit = fitMemory(model, gpu, options);
  expect(fit.verdict).toBe('fits');
  const engine = await LocalEngine.load(gpu, files, { tuning: false, ...options });
  expect(engine.info.contextLength).toBe(fit.contextLength);
  await collect(engine.createSession().generate({ tokenIds: [1, 2, 3] }, { maxTokens: 1 }));
  const { work, total, ...parts } = gpu.bytesByPart();
  const planned = fit.gpuBytes;
  // Uniforms and readbacks of a few words each, some dozens of them, are counted as work and not planned.
  expect({ ...planned, work: 0, total: 0 }).toEqual({ ...parts, work: 0, total: 0 });
  expect(work - planned.work).toBeGreaterThanOrEqual(0);
  expect(work - planned.work).toBeLessThan(4096);
  expect(total).toBeLessThan(planned.total * 1.01);
  await engine.dispose();
}

describe('the plan is what is allocated', () => {
  test('for the embedded model', () => expectPlanned(fixtureFiles(TINY)));

  test('with an f16 head and a context that was asked for', () =>
    expectPlanned(fixtureFiles(TINY), { headPrecision: 'f16', contextLength: 300 }));

  test('with a head in planes', () => expectPlanned(fixtureFiles(TINY), { headPrecision: 'planes' }));

  test('with a KV cache in int8', () => expectPlanned(fixtureFiles(TINY), { kvCache: 'int8' }));

  test('on a device whose bindings hold a third of the embedding, which is cut into shards', () => {
    // The embedding is 1536 · 256 halves; the largest matrix, gate and up, 1024 · 256 codes of two bits.
    const third = (1536 * 256 * 2) / 3;
    return expectPlanned(fixtureFiles(TINY), { contextLength: 256 }, third);
  });

  const base = { width: 256, ffnWidth: 512, heads: 4, kvHeads: 2, headDim: 64 } as const;
  const shapes: [string, SmallShape, EngineOptions?][] = [
    [
      'with scales for every block',
      { ...base, architecture: 'qwen3', encoding: 'Q2_0', variedScales: true, tied: true },
    ],
    ['with a head of its own', { ...base, architecture: 'llama', encoding: 'TQ2_0', variedScales: true }],
    [
      'with a head of its own and unrounded activations',
      { ...base, architecture: 'llama', encoding: 'TQ1_0', variedScales: true },
      { precision: 'exact' },
    ],
    [
      'with an embedding in Q4_K and a head in Q6_K',
      {
        ...base,
        architecture: 'llama',
        encoding: 'TQ2_0',
        embedding: 'Q4_K',
        head: 'Q6_K',
        variedScales: true,
      },
    ],
    [
      'with factors for long contexts',
      {
        ...base,
        architecture: 'minicpm',
        encoding: 'TQ2_0',
        variedScales: true,
        longrope: {
          originalContext: 64,
          attentionFactor: 1,
          short: new Float32Array(32).fill(1),
          long: new Float32Array(32).fill(2),
        },
      },
    ],
    // Three query heads of 40 dimensions: rows and columns that are no multiples of a chunk.
    [
      'with awkward widths',
      {
        architecture: 'bitnet',
        width: 208,
        ffnWidth: 328,
        heads: 3,
        kvHeads: 1,
        headDim: 40,
        encoding: 'I2_S',
        contextLength: 100,
      },
    ],
  ];
  test.each(shapes)('for a model %s', async (_name, shape, options) => {
    await expectPlanned(oneFile((await smallModel(shape)).bytes), options);
  });

  test('with an embedding in Q6_K on a device whose bindings hold half of it, which is cut into shards', async () => {
    const shape = { ...base, kvHeads: 1, ffnWidth: 128, architecture: 'qwen3', encoding: 'Q2_0' } as const;
    const { bytes } = await smallModel({ ...shape, embedding: 'Q6_K', tied: true, variedScales: true });
    // Codes of six bits: 288 · 256 of them. The largest matrix, of q, k and v, has 384 · 256 of two bits.
    const half = (288 * 256 * 6) / 8 / 2;
    const options = { contextLength: 64, variants: { prefillTokens: 16 } };
    await expectPlanned(oneFile(bytes), options, half);
  });

  test('for a model that makes embeddings, but for the cache, which lasts as long as a call', async () => {
    const shape = {
      ...base,
      architecture: 'qwen3',
      encoding: 'I2_S',
      perMatrixNorms: true,
      embeds: true,
    } as const;
    const files = oneFile((await smallModel(shape)).bytes);
    const gpu = await measuredContext();
    const { gpuBytes } = fitMemory((await readModel(files)).model, gpu, {});
    const engine = await LocalEngine.load(gpu, files, { tuning: false });
    await engine.embed('a');
    const { layers, embedding, head, kvCache, work } = gpu.bytesByPart();
    expect({ layers, embedding, head, kvCache }).toEqual({
      layers: gpuBytes.layers,
      embedding: gpuBytes.embedding,
      // It has no use for a head, in int8 or otherwise.
      head: 0,
      kvCache: 0,
    });
    expect(gpuBytes.head).toBe(0);
    expect(work - gpuBytes.work).toBeGreaterThanOrEqual(0);
    expect(work - gpuBytes.work).toBeLessThan(4096);
    await engine.dispose();
  });

  test('but for scales, where a file has them for every block and they turn out to be the same', async () => {
    const { bytes } = await smallModel({ ...base, architecture: 'llama', encoding: 'TQ2_0' });
    const gpu = await measuredContext();
    const fit = fitMemory((await readModel(oneFile(bytes))).model, gpu, {});
    const engine = await LocalEngine.load(gpu, oneFile(bytes), { tuning: false });
    const { layers } = gpu.bytesByPart();
    expect(layers).toBeLessThanOrEqual(fit.gpuBytes.layers);
    // A scale of four bytes for 256 codes of two bits: a sixteenth.
    expect(layers).toBeGreaterThan(fit.gpuBytes.layers * 0.93);
    await engine.dispose();
  });
});

describe('what does not fit', () => {
  // A position of 2 · 64 keys in f32 takes 512 bytes: a binding has 585 of them, and contexts are whole 64s.
  const BINDING = 300_000;
  const WIDE = { cacheFormat: 'f32' } as const;

  /** Loads; fails if anything was allocated, or read beyond the header. */
  async function refusal(options: EngineOptions, binding?: number): Promise<string> {
    const gpu = withBinding(await openContext({ limits: 'default' }), binding);
    const counts = watch(gpu);
    const { files, ends } = watchReads(fixtureFiles(TINY));
    const headers = watchReads(fixtureFiles(TINY));
    await readModel(headers.files);
    const error = await LocalEngine.load(gpu, files, options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'TernionError', code: 'out-of-memory' });
    expect(counts.buffersMade).toBe(0);
    expect(gpu.bytes).toBe(0);
    expect(ends).toEqual(headers.ends);
    gpu.device.destroy();
    return (error as Error).message;
  }

  test('the memory budget is refused with the bytes of every part', async () => {
    const message = await refusal({ memoryBudget: 1e6 });
    expect(message).toMatch(
      /takes \d[\d.]* MB on the GPU \(layers .*embedding 0\.418 MB.*memory budget is 1 MB/,
    );
    expect(message).toContain('The model does not fit this device.');
  });

  test('a binding is refused with the name and the size of the buffer', async () => {
    // Gate and up of a layer: 1024 · 256 codes of two bits are 65536 bytes.
    const message = await refusal({}, 65532);
    expect(message).toMatch(/takes \d+ bytes; this device allows 65532 \(maxStorageBufferBindingSize\)/);
  });

  test('with the context that was asked for is refused, and the message says which fits', async () => {
    const message = await refusal({ contextLength: 1024, variants: WIDE }, BINDING);
    expect(message).toContain("With a context of 1024 tokens, the GPU buffer 'keys 0' takes 524288 bytes");
    expect(message).toContain('A contextLength of 576 fits.');
    const options = { contextLength: 576, variants: WIDE, tuning: false };
    const gpu = await measuredContext(BINDING);
    const engine = await LocalEngine.load(gpu, fixtureFiles(TINY), options);
    expect(engine.info.contextLength).toBe(576);
    await engine.dispose();
  });

  test('with the default context gets a shorter one, in which it works', async () => {
    const gpu = await measuredContext(BINDING);
    const engine = await LocalEngine.load(gpu, fixtureFiles(TINY), { variants: WIDE, tuning: false });
    expect(engine.info.contextLength).toBe(576);
    const { text } = await collect(engine.createSession().send('Count from 3 to 9.'));
    expect(text).toBe('3, 4, 5, 6, 7, 8, 9');
    await engine.dispose();
    expect(gpu.bytes).toBe(0);
  });
});

test('a context that fits with an int8 cache alone gets one, as the plan says, and works', async () => {
  const { model } = await readModel(fixtureFiles(TINY));
  const gpu = await measuredContext();
  const memoryBudget = fitMemory(model, gpu, { kvCache: 'f16' }).gpuBytes.total - 1;
  const fit = fitMemory(model, gpu, { memoryBudget });
  expect(fit).toMatchObject({ verdict: 'fits', kvCacheFormat: 'int8', contextLength: 1024 });
  const engine = await LocalEngine.load(gpu, fixtureFiles(TINY), { memoryBudget, tuning: false });
  expect(engine.info.codePaths.kvCache).toBe('int8');
  const { text } = await collect(engine.createSession().send('Count from 3 to 9.'));
  expect(text).toBe('3, 4, 5, 6, 7, 8, 9');
  expect(gpu.bytesByPart().kvCache).toBe(fit.gpuBytes.kvCache);
  await engine.dispose();
});

test('a plan for the shape of a 2B model reads its header alone and fits a device with default limits', async () => {
  const source = new GeneratedModel('bitnet-2b4t', SHAPES['bitnet-2b4t']);
  const { files, ends } = watchReads(oneFile(source));
  const { model } = await readModel(files);
  const gpu = await measuredContext();
  const fit = fitMemory(model, gpu, {});
  expect(fit).toMatchObject({ verdict: 'fits', contextLength: 4096 });
  // Two bits a weight: 30 layers of 2560 · (2 · 2560 + 2 · 640 + 3 · 6912). The embedding, which
  // is the head too: 128256 · 2560 in int8, and two bytes for 32 of them.
  const codes = (30 * 2560 * (2 * 2560 + 2 * 640 + 3 * 6912)) / 4;
  expect(fit.gpuBytes.layers).toBeGreaterThan(codes);
  expect(fit.gpuBytes.layers).toBeLessThan(codes * 1.01);
  expect(fit.gpuBytes.embedding).toBe(128256 * (2560 + 2560 / 16));
  expect(fit.gpuBytes.head).toBe(0);
  // So it runs on phones: see defaultMemoryBudget.
  expect(fit.gpuBytes.total - fit.gpuBytes.kvCache).toBeLessThan(0.9e9);
  expect(fitMemory(model, gpu, { contextLength: 2048, memoryBudget: 1.1e9 }).verdict).toBe('fits');
  expect(Math.max(...ends.values())).toBeLessThan(8e6);
});

test('embedding and head of the shape of TriLM 3.9B take the bits of their blocks', async () => {
  const source = new GeneratedModel('trilm-3.9b', SHAPES['trilm-3.9b']);
  const { model } = await readModel(oneFile(source));
  const kept = fitMemory(model, await measuredContext(), {}).gpuBytes;
  // 50688 · 3072 numbers, in Q4_K and in Q6_K: see src/formats/block-rows.ts.
  expect(kept.embedding).toBe((50688 * 3072 * 4.625) / 8);
  expect(kept.head).toBe((50688 * 3072 * 6.625) / 8);
  const { embedding, head } = fitMemory(model, await measuredContext(), { headPrecision: 'f16' }).gpuBytes;
  expect([embedding, head]).toEqual([50688 * 3072 * 2, 50688 * 3072 * 2]);
});

test('planning leaves the device of the caller as it was', async () => {
  const device = await requestDevice();
  const plan = await planLocal(new Blob([await smallModelBytes()]), { device });
  expect(plan).toMatchObject({ verdict: 'fits', code: undefined, download: { missing: 0, cached: false } });
  device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE }).destroy();
  device.destroy();
});

async function smallModelBytes(): Promise<Uint8Array<ArrayBuffer>> {
  const shape = { width: 64, ffnWidth: 64, heads: 1, kvHeads: 1, headDim: 64 } as const;
  return (await smallModel({ ...shape, architecture: 'bitnet', encoding: 'I2_S' })).bytes;
}
