// What a load leaves for later: less is compiled before the model is there, answers are the same, and a failure is whose it is.
import { readFile } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { TernionError } from '../../src/errors';
import { GpuContext, type PipelineSpec } from '../../src/gpu/context';
import { PipelineCache } from '../../src/gpu/pipeline-cache';
import {
  storeInMemory,
  type AdapterRecord,
  type TuningRecords,
  type TuningStore,
} from '../../src/gpu/tuning-memory';
import { bytesSource, type ByteSource } from '../../src/files/byte-source';
import { candidates } from '../../src/inference/variants';
import { transformerOf } from '../../bench/core/internals';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { oneFile } from '../support/model-files';
import { sleep, until } from '../support/wait';

const TINY = 'public/models/ternion-tiny-i2_s.gguf';
/** Kernels for prompts multiply several tokens at once. */
const isForPrompts = ({ shader, constants }: PipelineSpec): boolean =>
  shader === 'ternary_matmul' && Number(constants?.['TOKENS']) > 1;
/** 700 tokens of the embedded model, whose layers multiply and add 1.6 M times for each: more than is done without the kernels for prompts. */
const LONG = Array.from({ length: 700 }, (_, i) => i % 200);

interface Loaded {
  engine: LocalEngine;
  gpu: GpuContext;
  /** What was compiled, or found compiled, so far. */
  specs: PipelineSpec[];
}

const store = storeInMemory();
const engines: LocalEngine[] = [];
afterAll(() => Promise.all(engines.map((engine) => engine.dispose())));

/** Compiles with another, whose device it is; `before` is waited for with each kernel. */
class SlowCache extends PipelineCache {
  constructor(
    device: GPUDevice,
    private readonly of: GpuContext,
    private readonly before: (spec: PipelineSpec) => Promise<void>,
  ) {
    super(device);
  }

  override async get(spec: PipelineSpec): Promise<GPUComputePipeline> {
    await this.before(spec);
    return this.of.pipeline(spec);
  }
}

/** Loads the embedded model as a page does; `before` is waited for with each kernel. */
async function load(
  before: (spec: PipelineSpec) => Promise<void> = async () => {},
  { bytes, ...options }: EngineOptions & { bytes?: ByteSource } = {},
): Promise<Loaded> {
  const loading = await begin(before, options, bytes);
  return { ...loading, engine: await loading.engine };
}

/** As {@link load}, but the engine is still to come. */
async function begin(
  before: (spec: PipelineSpec) => Promise<void>,
  options: EngineOptions = {},
  bytes?: ByteSource,
): Promise<Omit<Loaded, 'engine'> & { engine: Promise<LocalEngine> }> {
  const shared = await shareContext();
  const { device, capabilities } = shared;
  const specs: PipelineSpec[] = [];
  const cache = new SlowCache(device, shared, async (spec) => {
    specs.push(spec);
    await before(spec);
  });
  const gpu = new GpuContext(device, capabilities, undefined, cache);
  const engine = LocalEngine.load(gpu, oneFile(bytes ?? (await readFile(TINY))), {
    behind: true,
    tuning: false,
    tuningStore: store,
    ...options,
  });
  engine.then((loaded) => engines.push(loaded)).catch(() => {});
  return { engine, gpu, specs };
}

/** Lets nothing through until it is released. */
function gate(): { wait: () => Promise<void>; isWaiting: () => boolean; release: () => void } {
  let release = (): void => {};
  const opened = new Promise<void>((resolve) => (release = resolve));
  let isWaiting = false;
  const wait = (): Promise<void> => {
    isWaiting = true;
    return opened;
  };
  return { wait, isWaiting: () => isWaiting, release };
}

test('kernels for prompts are not compiled before the model is there, and answers are the same with and without them', async () => {
  const { engine, specs } = await load();
  expect(specs.filter(isForPrompts)).toEqual([]);
  const ids = LONG.slice(0, 40);
  const without = await engine.nextLogits(ids);
  const transformer = transformerOf(engine);
  expect(transformer.isComplete).toBe(false);
  await transformer.complete();
  expect(specs.filter(isForPrompts)).not.toEqual([]);
  expect(transformer.variants.prefillMatmul.tokens).toBeGreaterThan(1);
  expect(Object.keys(engine.info.kernels.chosen).join()).toContain('prefillMatmul');
  expect(await engine.nextLogits(ids)).toEqual(without);
});

test('what is left is done when the first answer is complete', async () => {
  const { engine, specs } = await load();
  const { text } = await collect(engine.createSession().send('Spell planet.'));
  expect(text).toBe('p-l-a-n-e-t');
  await until(() => transformerOf(engine).isComplete);
  expect(specs.filter(isForPrompts)).not.toEqual([]);
});

test('a load that finds all checked compiles no kernel that its model does not run', async () => {
  await (await load()).engine.dispose();
  const { engine, specs } = await load();
  const { decodeMatmul } = transformerOf(engine).variants;
  const matrices = specs.filter(({ shader }) => shader === 'ternary_matmul');
  expect(matrices.length).toBeGreaterThan(0);
  // A gated matrix has two blocks at least.
  for (const { constants } of matrices) {
    expect(constants).toMatchObject({ BLOCKS: decodeMatmul.blocks, SPLIT: decodeMatmul.split, TOKENS: 1 });
  }
  expect(engine.info.loadTimes).toMatchObject({ check: 0, tune: 0 });
});

function asTernionError(error: unknown): TernionError {
  if (error instanceof TernionError) return error;
  throw error;
}

test('a kernel that does not compile behind the load fails the prompt that needs it, and nothing else', async () => {
  let isBroken = true;
  const { engine } = await load(async (spec) => {
    if (isBroken && isForPrompts(spec)) throw new TernionError('internal', 'does not compile');
  });
  const { text } = await collect(engine.createSession().send('Spell planet.'));
  expect(text).toBe('p-l-a-n-e-t');
  // Its check is remembered, so only compiling it is left; and where that has failed behind the answer already, it is checked again.
  const { code } = await engine.nextLogits(LONG).then(() => ({ code: 'none' }), asTernionError);
  expect(['internal', 'kernel-check-failed']).toContain(code);
  expect((await collect(engine.createSession().send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
  isBroken = false;
  await expect(engine.nextLogits(LONG)).resolves.toHaveLength(engine.info.vocabularySize);
});

test('who disposes of an engine while that is compiled does not wait for it, and nothing of it comes behind', async () => {
  const { wait, isWaiting, release } = gate();
  const { engine, gpu } = await load((spec) => (isForPrompts(spec) ? wait() : Promise.resolve()));
  await collect(engine.createSession().send('Spell planet.'));
  await until(isWaiting);
  const completing = transformerOf(engine).complete();
  const failed = expectFailure(completing, 'disposed');
  let isOver = false;
  completing.catch(() => (isOver = true));
  await engine.dispose();
  expect(isOver).toBe(true);
  await failed;
  expect([gpu.bytes, gpu.bufferCount]).toEqual([0, 0]);
  release();
  // The pipeline is there now, and nobody runs it: a submit with what is destroyed would fail this test.
  await gpu.device.queue.onSubmittedWorkDone();
  await sleep(20);
  await expectFailure(transformerOf(engine).complete(), 'disposed');
  expect([gpu.bytes, gpu.bufferCount]).toEqual([0, 0]);
});

test('an upload that fails ends the kernels that are made beside it, and waits for none that is being compiled', async () => {
  const { wait, isWaiting, release } = gate();
  const whole = bytesSource(await readFile(TINY));
  const broken = {
    size: whole.size,
    async read(offset: number, length: number): Promise<Uint8Array> {
      // The header and the tokenizer come; tensors do not.
      if (offset > whole.size / 2) {
        await until(isWaiting);
        throw new TernionError('download-failed', 'Broken off.');
      }
      return whole.read(offset, length);
    },
  };
  // Of the row kernel, which the upload itself needs, nothing is kept back.
  const slow = ({ shader }: PipelineSpec): Promise<void> =>
    shader === 'int8_rows' ? Promise.resolve() : wait();
  const { engine, gpu } = await begin(slow, { tuningStore: storeInMemory() }, broken);
  await expectFailure(engine, 'download-failed');
  expect([gpu.bytes, gpu.bufferCount]).toEqual([0, 0]);
  release();
  await gpu.device.queue.onSubmittedWorkDone();
  await sleep(20);
  expect([gpu.bytes, gpu.bufferCount]).toEqual([0, 0]);
});

test('an answer that waits for it ends when it is aborted', async () => {
  const { wait, isWaiting, release } = gate();
  const { engine } = await load((spec) => (isForPrompts(spec) ? wait() : Promise.resolve()));
  const controller = new AbortController();
  // Six tokens and more each time.
  const prompt = 'Count from 3 to 9. '.repeat(110);
  const answer = collect(engine.createSession().generate(prompt, { signal: controller.signal }));
  await until(isWaiting);
  controller.abort();
  await expect(answer).resolves.toMatchObject({ tokenIds: [] });
  release();
  await transformerOf(engine).complete();
});

/** What is remembered of the adapter, to be changed. */
async function remembered(
  from: TuningStore,
): Promise<{ records: TuningRecords; times: AdapterRecord['times'] }> {
  const records = (await from.load()) as TuningRecords;
  const [adapter] = Object.values(records);
  if (!adapter) throw new Error('Nothing is remembered');
  return { records, times: adapter.times };
}

test('a variant for prompts that turns out to be faster behind the load runs from the next answer on, with the same results', async () => {
  const memory = storeInMemory();
  const { engine } = await load(undefined, { tuningStore: memory });
  const transformer = transformerOf(engine);
  await transformer.complete();
  const before = transformer.variants;
  const ids = LONG.slice(0, 40);
  const logits = await engine.nextLogits(ids);
  // As if another tab had timed them since.
  const others = candidates(transformer.gpu.capabilities, transformer.config).prefillMatmul;
  const faster = others.find((each) => JSON.stringify(each) !== JSON.stringify(before.prefillMatmul));
  const { records, times } = await remembered(memory);
  const name = Object.keys(transformer.tuning.chosen).find((each) => each.startsWith('prefillMatmul'));
  times[name!] = { [JSON.stringify(faster)]: 0.5 };
  await memory.save(records);
  await transformer.tuneForLater(0, new AbortController().signal);
  expect(transformer.variants).toEqual({ ...before, prefillMatmul: faster });
  expect(engine.info.kernels.chosen[name!]).toBe(JSON.stringify(faster));
  expect(await engine.nextLogits(ids)).toEqual(logits);
});
