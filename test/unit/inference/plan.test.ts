// Plans without a GPU: what they say for devices of any kind, and what they read of a model on a server.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { GeneratedModel } from '../../../bench/core/generated-model';
import { SHAPES, type ShapeName } from '../../../bench/core/shapes';
import { defaultMemoryBudget } from '../../../src/plan/memory-budget';
import { planOpened, type ModelPlan, type PlanOptions } from '../../../src/plan/plan-model';
import {
  contextToLoad,
  fitMemory,
  roomier,
  type MemoryFit,
  type TargetDevice,
} from '../../../src/plan/memory-fit';
import type { MemoryOptions } from '../../../src/plan/load-options';
import { readModel } from '../../../src/plan/read-model';
import type { ModelFile } from '../../../src/model/model-file';
import { parseGguf } from '../../../src/formats/gguf';
import { bytesSource } from '../../../src/files/byte-source';
import { listIn } from '../../../src/storage/cache/models';
import type { OpenedSource } from '../../../src/storage/sources/model-source';
import { openSource } from '../../../src/storage/sources/open-source';
import { oneFile } from '../../support/model-files';
import { FaultServer } from '../../support/fault-server';
import { environment, MemoryFolder, MemoryLocks } from '../../support/memory-storage';
import { smallModel } from '../../support/small-model';
import { keyOf, lockName } from '../../../src/storage/cache/cache';
import { expectFailure } from '../../support/expect-failure';

const MIB = 1 << 20;

/** A GPU with the limits that every WebGPU device has at least. */
const DEVICE: TargetDevice = {
  limits: { maxBufferSize: 256 * MIB, maxStorageBufferBindingSize: 128 * MIB },
  capabilities: {
    subgroups: true,
    subgroupMinSize: 32,
    subgroupMaxSize: 32,
    shaderF16: true,
    packedDot: true,
    timestamps: false,
    vendor: 'unknown',
  },
};

/** A model of a real shape whose header alone is ever made. */
function generated(name: ShapeName): OpenedSource {
  const source = new GeneratedModel(name, SHAPES[name]);
  return {
    files: oneFile(source),
    info: { cached: false, reason: 'a test' },
    size: source.size,
    missingBytes: 0,
    finish: async () => {},
    close: async () => {},
  };
}

const planShape = (name: ShapeName, options: PlanOptions = {}, device = DEVICE): Promise<ModelPlan> =>
  planOpened(generated(name), device, options);

describe('a plan', () => {
  test('of BitNet 2B4T says that it fits a device with default limits, and what it takes', async () => {
    const { verdict, model, reason, code } = await planShape('bitnet-2b4t');
    expect({ verdict, reason, code }).toEqual({ verdict: 'fits', reason: undefined, code: undefined });
    expect(model).toMatchObject({ contextLength: 4096, trainedContextLength: 4096, kvCacheFormat: 'f16' });
    // Keys and values of 30 layers, 5 heads of 128 dimensions, in f16.
    expect(model!.gpuBytes.kvCache).toBe(30 * 2 * 4096 * 5 * 128 * 2);
    const { layers, embedding, head, kvCache, work, total } = model!.gpuBytes;
    expect(layers + embedding + head + kvCache + work).toBe(total);
  });

  test('of BitNet 2B4T takes 0.90 GB without its KV cache, and fits the budget of a phone', async () => {
    const { model } = await planShape('bitnet-2b4t', { contextLength: 2048 });
    const { embedding, head, kvCache, total } = model!.gpuBytes;
    // A byte for each number of the one matrix for both, and two for 32 of them.
    expect({ embedding, head }).toEqual({ embedding: 128256 * (2560 + 2560 / 16), head: 0 });
    expect(total - kvCache).toBeLessThan(0.9e9);
    // See src/plan/memory-budget.ts.
    const phone = await planShape('bitnet-2b4t', { contextLength: 2048, memoryBudget: 1.1e9 });
    expect(phone.verdict).toBe('fits');
  });

  test('of Bonsai 1.7B takes at most 1.15 times its file without its KV cache', async () => {
    const { model, download } = await planShape('bonsai-1.7b');
    const { kvCache, total } = model!.gpuBytes;
    expect((total - kvCache) / download.total).toBeLessThan(1.15);
  });

  test('counts the vocabulary in f16 where that was asked for', async () => {
    const { model } = await planShape('bitnet-2b4t', { headPrecision: 'f16' });
    expect(model!.gpuBytes).toMatchObject({ embedding: 128256 * 2560 * 2, head: 0 });
    const untied = await planShape('falcon-e-1b', { headPrecision: 'f16' });
    expect(untied.model!.gpuBytes.head).toBe(32768 * 2048 * 2);
  });

  test('takes 4096 tokens by default, and no more than the model was made for', async () => {
    expect((await planShape('bonsai-1.7b')).model!.contextLength).toBe(4096);
    expect((await planShape('tiny', { contextLength: 1e6 })).model!.contextLength).toBe(1024);
  });

  test('is cut by a binding: a layer keeps keys of 65536 positions of 8 · 128 halves in 128 MiB', async () => {
    const shape = { ...SHAPES['bonsai-1.7b'], contextLength: 131072 };
    const source = new GeneratedModel('long', shape);
    const opened = { ...generated('bonsai-1.7b'), files: oneFile(source) };
    const options = { contextLength: 131072, kvCache: 'f16' } as const;
    const { verdict, model, code, reason } = await planOpened(opened, DEVICE, options);
    expect(verdict).toBe('fits-with-less-context');
    expect(model).toMatchObject({ contextLength: 65536, wantedContextLength: 131072 });
    // It was asked for: loadModel would refuse it.
    expect(code).toBe('out-of-memory');
    expect(reason).toContain(`'keys 0' takes ${131072 * 8 * 128 * 2} bytes`);
  });

  test('is cut by the memory budget, to the longest context in whole 64s', async () => {
    const whole = (await planShape('bonsai-1.7b')).model!.gpuBytes.total;
    const memoryBudget = whole - 100e6;
    const options = { memoryBudget, kvCache: 'f16' } as const;
    const { verdict, model, code, limits, reason } = await planShape('bonsai-1.7b', options);
    expect({ verdict, code }).toEqual({ verdict: 'fits-with-less-context', code: undefined });
    expect(limits).toEqual({ ...DEVICE.limits, memoryBudget });
    expect(reason).toMatch(/^With a context of 4096 tokens, it takes \d+ MB on the GPU/);
    const { contextLength, gpuBytes } = model!;
    expect(contextLength % 64).toBe(0);
    expect(gpuBytes.total).toBeLessThanOrEqual(memoryBudget);
    const more = { ...options, contextLength: contextLength + 64 };
    expect((await planShape('bonsai-1.7b', more)).verdict).toBe('fits-with-less-context');
  });

  test('of what does not fit says by how much', async () => {
    const plan = await planShape('bitnet-2b4t', { memoryBudget: 0.8e9 });
    expect(plan).toMatchObject({ verdict: 'does-not-fit', code: 'out-of-memory' });
    expect(plan.reason).toMatch(
      /With a context of 256 tokens, it takes 9\d{2} MB .* the memory budget is 800 MB/,
    );
    const limits = { maxBufferSize: 4 * MIB, maxStorageBufferBindingSize: 4 * MIB };
    const small = await planShape('bitnet-2b4t', {}, { ...DEVICE, limits });
    // Codes of gate and up: 2 · 6912 rows of 2560, two bits each.
    expect(small.reason).toContain(`takes ${(2 * 6912 * 2560) / 4} bytes; this device allows ${4 * MIB}`);
  });

  test('of what is not supported names it', async () => {
    const { bytes } = await smallModel(TINY);
    // Not with TextDecoder: what it calls latin1 is Windows-1252, which has other characters for 0x80 to 0x9f.
    const other = Buffer.from(bytes).toString('latin1').replaceAll('qwen3', 'qwen9');
    const opened = await openSource(Uint8Array.from(Buffer.from(other, 'latin1')), {}, environment());
    const plan = await planOpened(opened, DEVICE);
    expect(plan).toMatchObject({
      verdict: 'not-supported',
      code: 'unsupported-architecture',
      model: undefined,
    });
    expect(plan.reason).toContain('qwen9');
  });

  test('of a damaged file rejects, as loading would', async () => {
    const { bytes } = await smallModel(TINY);
    const opened = await openSource(bytes.subarray(0, 2000), {}, environment());
    await expectFailure(planOpened(opened, DEVICE), 'corrupt-file');
  });

  test('of bytes that are no model says so', async () => {
    const opened = await openSource(new Uint8Array(100), {}, environment());
    const plan = await planOpened(opened, DEVICE);
    expect(plan).toMatchObject({ verdict: 'not-supported', code: 'unsupported-format' });
  });
});

describe('the KV cache', () => {
  // 28 layers with 8 heads of 128 dimensions: keys and values in f16; or codes, and a pair of f32 scales for each head.
  const F16 = 28 * 4096 * 8 * 2 * 128 * 2;
  const INT8 = 28 * 4096 * 8 * 2 * (128 + 4);
  let model: ModelFile;
  beforeAll(async () => {
    ({ model } = await readModel(generated('bonsai-1.7b').files));
  });
  const fit = (options: MemoryOptions = {}): MemoryFit => fitMemory(model, DEVICE, options);

  test('is in int8 where that was asked for, and takes 0.52 of the memory', () => {
    const [f16, int8] = [fit(), fit({ kvCache: 'int8' })];
    expect([f16.kvCacheFormat, int8.kvCacheFormat]).toEqual(['f16', 'int8']);
    expect([f16.gpuBytes.kvCache, int8.gpuBytes.kvCache]).toEqual([F16, INT8]);
    expect(INT8 / F16).toBeLessThan(0.52);
    expect(f16.gpuBytes.total - int8.gpuBytes.total).toBe(F16 - INT8);
  });

  test('is in int8 where the whole context fits with that alone, and so a plan says', async () => {
    const memoryBudget = fit().gpuBytes.total - 1;
    const plan = await planShape('bonsai-1.7b', { memoryBudget });
    expect(plan).toMatchObject({ verdict: 'fits', reason: undefined, code: undefined });
    expect(plan.model).toMatchObject({ contextLength: 4096, kvCacheFormat: 'int8' });
    // A context that was asked for is as good as the default.
    const asked = fit({ memoryBudget, contextLength: 4096 });
    expect(asked).toMatchObject({ verdict: 'fits', kvCacheFormat: 'int8' });
    expect(contextToLoad(asked, { contextLength: 4096 })).toBe(4096);
  });

  test('is in int8 where a longer context fits with that, though not the whole', () => {
    const memoryBudget = fit().gpuBytes.total - (F16 - INT8) - 50e6;
    const f16 = fit({ memoryBudget, kvCache: 'f16' });
    const auto = fit({ memoryBudget });
    expect([f16.verdict, auto.verdict]).toEqual(['fits-with-less-context', 'fits-with-less-context']);
    expect(auto.kvCacheFormat).toBe('int8');
    expect(auto.contextLength).toBeGreaterThan(1.5 * f16.contextLength);
    expect(auto.gpuBytes.total).toBeLessThanOrEqual(memoryBudget);
    expect(auto.reason).toMatch(/^With a context of 4096 tokens and a KV cache in int8, it takes \d+ MB/);
  });

  test('in int8 lets a binding hold twice the positions', () => {
    const long = { ...model, config: { ...model.config, contextLength: 131072 } };
    expect(fitMemory(long, DEVICE, { contextLength: 131072 })).toMatchObject({
      verdict: 'fits',
      contextLength: 131072,
      kvCacheFormat: 'int8',
    });
  });

  test.each<MemoryOptions>([
    { kvCache: 'f16' },
    { precision: 'exact' },
    { variants: { cacheFormat: 'f16' } },
  ])('stays in f16 with %o, whatever fits', (options) => {
    const memoryBudget = fit(options).gpuBytes.total - 1;
    expect(fit({ ...options, memoryBudget })).toMatchObject({
      verdict: 'fits-with-less-context',
      kvCacheFormat: 'f16',
    });
  });

  test('may be in int8 with unrounded activations too, if that is said', () => {
    expect(fit({ precision: 'exact', kvCache: 'int8' }).kvCacheFormat).toBe('int8');
  });
});

describe('of two fits', () => {
  const fit = (verdict: MemoryFit['verdict'], contextLength: number, reason?: string): MemoryFit => ({
    verdict,
    reason,
    contextLength,
    wantedContextLength: 4096,
    kvCacheFormat: 'f16',
    gpuBytes: { layers: 0, embedding: 0, head: 0, kvCache: 0, work: 0, total: 0 },
  });
  const whole = fit('fits', 4096);
  const long = fit('fits-with-less-context', 1024, 'long');
  const short = fit('fits-with-less-context', 512, 'short');
  const none = fit('does-not-fit', 256, 'none');

  test.each([
    ['the whole context', short, whole, whole],
    ['the whole context before anything', whole, whole, whole],
    ['the longer one', short, long, long],
    ['the longer one, though it is the preferred', long, short, long],
    ['any that fits', none, short, short],
    ['the preferred one that fits', short, none, short],
  ])('%s is taken', (_name, preferred, other, taken) => {
    expect(roomier(preferred, other)).toBe(taken);
  });

  test('that are as good as each other the preferred one is taken', () => {
    for (const each of [whole, long, none]) expect(roomier(each, { ...each })).toBe(each);
  });
});

const TINY = {
  architecture: 'qwen3',
  width: 64,
  ffnWidth: 64,
  heads: 1,
  kvHeads: 1,
  headDim: 64,
  encoding: 'I2_S',
} as const;

const SMALL = {
  architecture: 'llama',
  width: 1024,
  ffnWidth: 4096,
  heads: 8,
  kvHeads: 8,
  headDim: 128,
  encoding: 'I2_S',
} as const;

describe('of a model on a server', () => {
  let server: FaultServer | undefined;
  let bytes: Uint8Array;
  beforeAll(async () => {
    ({ bytes } = await smallModel(SMALL));
  });
  afterEach(() => server?.close());

  async function serve(): Promise<{ url: string; headerBytes: number }> {
    const { tensors } = await parseGguf(bytesSource(bytes));
    const headerBytes = Math.min(...[...tensors.values()].map(({ offset }) => offset));
    server = await FaultServer.start({ '/model.gguf': { bytes, etag: '"1"' } });
    return { url: `${server.origin}/model.gguf`, headerBytes };
  }

  const plan = async (
    url: string,
    cache?: { folder: MemoryFolder; locks?: MemoryLocks },
  ): Promise<ModelPlan> => planOpened(await openSource(url, { waits: false }, environment(cache)), DEVICE);

  test('a plan asks for the pieces that the header is in, and no others', async () => {
    const { url, headerBytes } = await serve();
    // Otherwise this test would say nothing.
    expect(bytes.length).toBeGreaterThan(5 * MIB);
    expect(headerBytes).toBeLessThan(MIB);
    const { download, verdict } = await plan(url);
    expect(verdict).toBe('fits');
    expect(download).toMatchObject({ total: bytes.length, missing: bytes.length, cached: false });
    expect(server!.exchanges.map(({ range }) => range)).toEqual([[0, MIB]]);
  });

  test('what a plan read is in the cache: the next one asks for none of it', async () => {
    const { url } = await serve();
    const folder = new MemoryFolder();
    const first = await plan(url, { folder });
    expect(first.download).toEqual({
      total: bytes.length,
      missing: bytes.length - MIB,
      cached: true,
      uncachedReason: undefined,
    });
    const sent = server!.bytesSent;
    expect((await plan(url, { folder })).download).toEqual(first.download);
    expect(server!.bytesSent - sent).toBeLessThan(2);
    const cache = { folder, locks: new MemoryLocks() };
    expect(await listIn(cache)).toMatchObject([{ url, complete: false, bytes: MIB }]);
  });

  test('a plan says why the files would not be kept, and keeps nothing then', async () => {
    const { url } = await serve();
    const folder = new MemoryFolder();
    folder.quota = 2 * MIB;
    const { download } = await plan(url, { folder });
    expect(download.cached).toBe(false);
    expect(download.uncachedReason).toMatch(/the file takes \d+ MB of storage and the browser has 2 MB free/);
    expect(folder.used).toBe(0);
  });

  test('what turns out to be no model is not kept', async () => {
    server = await FaultServer.start({ '/model.gguf': { bytes: new Uint8Array(3 * MIB), etag: '"1"' } });
    const folder = new MemoryFolder();
    expect((await plan(`${server.origin}/model.gguf`, { folder })).code).toBe('unsupported-format');
    expect(folder.used).toBe(0);
  });

  test('a plan does not wait for another tab that downloads the model', async () => {
    const { url } = await serve();
    const cache = { folder: new MemoryFolder(), locks: new MemoryLocks() };
    const release = await cache.locks.acquire(lockName(await keyOf(url)), 'exclusive');
    const { verdict, download } = await plan(url, cache);
    expect(verdict).toBe('fits');
    expect(download.uncachedReason).toBe('another tab has the file in use');
    release();
    expect((await plan(url, cache)).download.cached).toBe(true);
  });

  test('a plan of what is not there rejects', async () => {
    await serve();
    await expectFailure(plan(`${server!.origin}/other.gguf`), 'download-failed');
  });
});

test.each([
  ['an iPhone', { userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X)' }, 1.1e9],
  ['an iPad', { userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)', maxTouchPoints: 5 }, 1.1e9],
  ['a Mac', { userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)', maxTouchPoints: 0 }, undefined],
  ['an Android phone', { userAgent: 'Mozilla/5.0 (Linux; Android 16) Mobile', deviceMemory: 4 }, 1.1e9],
  ['one that keeps quiet', { userAgent: 'Mozilla/5.0 (Android 16; Mobile; rv:150.0)' }, 1.1e9],
  ['a large one', { userAgent: 'Mozilla/5.0 (Linux; Android 16) Mobile', deviceMemory: 8 }, undefined],
  ['Linux', { userAgent: 'Mozilla/5.0 (X11; Linux x86_64)', deviceMemory: 4 }, undefined],
])('the memory budget of %s', (_name, hints, budget) => {
  expect(defaultMemoryBudget(hints)).toBe(budget);
});
