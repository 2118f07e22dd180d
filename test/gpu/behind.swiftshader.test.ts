// What a load leaves for later: less is compiled before the model is there, answers are the same, and a failure is whose it is.
import { readFile } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { TernionError } from '../../src/errors';
import type { GpuContext, PipelineSpec } from '../../src/gpu/context';
import { storeInMemory } from '../../src/gpu/tuning-memory';
import { transformerOf } from '../../bench/core/internals';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { oneFile } from '../support/model-files';
import { until } from '../support/wait';

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

/** Loads the embedded model as a page does; `before` is waited for with each kernel. */
async function load(
  before: (spec: PipelineSpec) => Promise<void> = async () => {},
  options: EngineOptions = {},
): Promise<Loaded> {
  const gpu = await shareContext();
  const compile = gpu.pipeline.bind(gpu);
  const specs: PipelineSpec[] = [];
  gpu.pipeline = async (spec) => {
    specs.push(spec);
    await before(spec);
    return compile(spec);
  };
  const files = oneFile(await readFile(TINY));
  const engine = await LocalEngine.load(gpu, files, {
    behind: true,
    tuning: false,
    tuningStore: store,
    ...options,
  });
  engines.push(engine);
  return { engine, gpu, specs };
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

test('a kernel that does not compile behind the load fails the prompt that needs it, and nothing else', async () => {
  let isBroken = true;
  const { engine } = await load(async (spec) => {
    if (isBroken && isForPrompts(spec)) throw new TernionError('internal', 'does not compile');
  });
  const { text } = await collect(engine.createSession().send('Spell planet.'));
  expect(text).toBe('p-l-a-n-e-t');
  // Its check is remembered, so only compiling it is left.
  await expect(engine.nextLogits(LONG)).rejects.toMatchObject({ code: 'internal' });
  expect((await collect(engine.createSession().send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
  isBroken = false;
  await expect(engine.nextLogits(LONG)).resolves.toHaveLength(engine.info.vocabularySize);
});

test('who disposes of an engine while that goes on leaves nothing on the GPU', async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  let isWaiting = false;
  const { engine, gpu } = await load((spec) => {
    if (!isForPrompts(spec)) return Promise.resolve();
    isWaiting = true;
    return gate;
  });
  await collect(engine.createSession().send('Spell planet.'));
  await until(() => isWaiting);
  await engine.dispose();
  expect([gpu.bytes, gpu.bufferCount]).toEqual([0, 0]);
  release();
  await expect(transformerOf(engine).complete()).rejects.toMatchObject({ code: 'disposed' });
  expect([gpu.bytes, gpu.bufferCount]).toEqual([0, 0]);
});

test('an answer that waits for it ends when it is aborted', async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  let isWaiting = false;
  const { engine } = await load((spec) => {
    if (!isForPrompts(spec)) return Promise.resolve();
    isWaiting = true;
    return gate;
  });
  const controller = new AbortController();
  // Six tokens and more each time.
  const prompt = 'Count from 3 to 9. '.repeat(110);
  const answer = collect(engine.createSession().generate(prompt, { signal: controller.signal }));
  await until(() => isWaiting);
  controller.abort();
  await expect(answer).resolves.toMatchObject({ tokenIds: [] });
  release();
  await transformerOf(engine).complete();
});
