// Compiles every pipeline of a model shape on whatever device it is given, and says what each is for.

import type { Capabilities } from '../../src/gpu/capabilities';
import type { Dispatch, PipelineSpec } from '../../src/gpu/context';
import { filesAtHand } from '../../src/files/model-files';
import { KvCache } from '../../src/inference/kv-cache';
import { Transformer } from '../../src/inference/transformer';
import { candidates, type Candidates, type Variants } from '../../src/inference/variants';
import { Int8RowWriter } from '../../src/kernels/int8-rows';
import { createLogprobBuffers, logprobs, MOST_LOGPROBS } from '../../src/kernels/logprobs';
import { maskWords, sample } from '../../src/kernels/sample';
import { allocateWeights } from '../../src/model/load';
import type { ModelWeights } from '../../src/model/weights';
import { choosePrecisions, readModel } from '../../src/plan/read-model';
import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES, type ShapeName } from '../../bench/core/shapes';
import { CompilingContext, type CompileListener, type MadeDispatch } from './compiling-context';

/** When a pipeline runs: while a model is loaded, for every token, for a prompt, at the end of a step, or on request. */
export type Phase = 'load' | 'decode' | 'prefill' | 'head' | 'sampling' | 'other';

/** One compiled pipeline. */
export interface PipelineUse {
  /** The number that the listener was told. */
  id: number;
  shader: string;
  /** The conditions that are set, by which a shader becomes several kernels. */
  conditions: string[];
  phase: Phase;
  /** What its dispatches are called in profiles. */
  labels: string[];
  /** `normThreads 64`: the candidates that have this pipeline, of the kernel that it depends on. None where it depends on none. */
  variants: string[];
  /** Whether it runs where the tuner measures nothing: the first candidate of every kernel. */
  isFirst: boolean;
}

/** Short, since no kernel depends on it. */
const CONTEXT = 1024;

/**
 * Compiles what the engine would for a model of such a shape, with every candidate of every kernel. Buffers are allocated, but
 * nothing is ever run: a device that does nothing suffices.
 */
export async function compileShape(
  device: GPUDevice,
  capabilities: Capabilities,
  shape: ShapeName,
  listener: CompileListener,
): Promise<PipelineUse[]> {
  const gpu = new CompilingContext(device, capabilities, listener);
  // Layers are all alike.
  const bytes = new GeneratedModel(shape, { ...SHAPES[shape], layers: 1 });
  const { model } = await readModel(filesAtHand([{ name: `${shape}.gguf`, bytes }]));
  const { activations, headPrecision } = choosePrecisions(model, {});
  const weights = allocateWeights(gpu, model, headPrecision);
  const create = (variants: Partial<Variants>, of = weights): Promise<Transformer> =>
    Transformer.create(gpu, model.config, of, {
      contextLength: CONTEXT,
      exactHead: false,
      variants,
      tuner: { unchecked: true },
      activations,
    });
  const uses = new Uses(gpu.specs);
  await addUses(uses, gpu, await create({}));
  const steps = uses.ids;
  // The other form of a head in int8.
  const planes = weights.head.format === 'int8' ? allocateWeights(gpu, model, 'planes') : undefined;
  if (planes) await addUses(uses, gpu, await create({}, planes));
  for (const each of [weights, ...(planes ? [planes] : [])]) uses.add('load', await loadKernels(gpu, each));
  const all = candidates(capabilities, model.config, activations);
  for (const [kernel, list] of Object.entries(all) as [keyof Candidates, readonly unknown[]][]) {
    const others: { name: string; ids: ReadonlySet<number> }[] = [];
    for (const variant of list.slice(1)) {
      const own = new Uses(gpu.specs);
      const variants: Partial<Variants> = { [kernel]: variant };
      await addUses(own, gpu, await create(variants));
      if (planes && kernel === 'head') await addUses(own, gpu, await create(variants, planes));
      others.push({ name: `${kernel} ${JSON.stringify(variant)}`, ids: own.ids });
      uses.addOthers(own, others.at(-1)!.name);
    }
    // What most others lack depends on this kernel. Some share a pipeline: those that differ only in prefill share decode's.
    const isOwn = (id: number): boolean =>
      2 * others.filter(({ ids }) => !ids.has(id)).length > others.length;
    uses.markFirst([...steps].filter(isOwn), `${kernel} ${JSON.stringify(list[0])}`);
  }
  gpu.destroy();
  return uses.list;
}

/** Pipelines by their number, each with what was found about it. */
class Uses {
  readonly #uses = new Map<number, PipelineUse>();

  constructor(private readonly specs: readonly PipelineSpec[]) {}

  get list(): PipelineUse[] {
    return [...this.#uses.values()];
  }

  get ids(): Set<number> {
    return new Set(this.#uses.keys());
  }

  add(phase: Phase, made: readonly MadeDispatch[]): void {
    for (const { id, dispatch } of made) {
      const use = this.#uses.get(id) ?? this.#unused(id, phase);
      if (!use.labels.includes(dispatch.label)) use.labels.push(dispatch.label);
      this.#uses.set(id, use);
    }
  }

  #unused(id: number, phase: Phase): PipelineUse {
    const { shader, conditions = {} } = this.specs[id]!;
    const set = Object.keys(conditions).filter((name) => conditions[name]);
    return { id, shader, conditions: set, phase, labels: [], variants: [], isFirst: true };
  }

  /** Takes over what is only in `others`, which another candidate than the first needs. */
  addOthers(others: Uses, variant: string): void {
    for (const use of others.list) {
      const known = this.#uses.get(use.id);
      if (!known) this.#uses.set(use.id, { ...use, variants: [variant], isFirst: false });
      else if (!known.isFirst) known.variants.push(variant);
    }
  }

  markFirst(ids: readonly number[], variant: string): void {
    for (const id of ids) this.#uses.get(id)!.variants.push(variant);
  }
}

async function loadKernels(gpu: CompilingContext, { embedding }: ModelWeights): Promise<MadeDispatch[]> {
  if (embedding.format === 'int8' || embedding.format === 'planes')
    (await Int8RowWriter.create(gpu, embedding)).free();
  return gpu.takeMade();
}

/** A sampler with log-probabilities would check them first, on a device that computes nothing. */
async function logprobKernels(
  gpu: CompilingContext,
  vocabulary: number,
  threads: number,
): Promise<MadeDispatch[]> {
  const buffer = (label: string): GPUBuffer => gpu.createBuffer(label, vocabulary * 4);
  const sampling = { logits: buffer('logits'), ids: buffer('ids') };
  const buffers = createLogprobBuffers(gpu, vocabulary, sampling);
  await logprobs(gpu, vocabulary, threads, MOST_LOGPROBS, buffers);
  for (const each of Object.values<GPUBuffer>({ ...buffers })) gpu.free(each);
  return gpu.takeMade();
}

/** As `logprobKernels`: a masked sampler, too, would check itself first. */
async function maskedKernels(gpu: CompilingContext, transformer: Transformer): Promise<MadeDispatch[]> {
  const { config, work, variants } = transformer;
  const { vocabularySize } = config;
  const mask = gpu.createBuffer('mask', maskWords(vocabularySize) * 4);
  for (const penalties of [false, true]) {
    for (const random of [false, true]) {
      const mode = { penalties, random, masked: true };
      await sample(gpu, vocabularySize, variants.sampleThreads, mode, { ...work, mask });
    }
  }
  gpu.free(mask);
  return gpu.takeMade();
}

/** All that `transformer` can be asked to dispatch. */
async function addUses(uses: Uses, gpu: CompilingContext, transformer: Transformer): Promise<void> {
  // The exact head is compiled when it is first wanted.
  await transformer.encodeLogits(gpu.device.createCommandEncoder());
  uses.add('head', gpu.takeMade());
  const { config, variants } = transformer;
  const cache = await KvCache.create(gpu, config, CONTEXT, variants.cacheFormat);
  const { decode, prefill } = await transformer.forwardPass(cache);
  const made = gpu.takeMade();
  const among = (dispatches: readonly Dispatch[]): MadeDispatch[] =>
    made.filter(({ dispatch }) => dispatches.includes(dispatch));
  uses.add('decode', among(decode));
  uses.add('prefill', among(prefill));
  for (const penalties of [false, true])
    for (const random of [false, true]) await transformer.sampler({ penalties, random, masked: false });
  uses.add('sampling', gpu.takeMade());
  uses.add('sampling', await maskedKernels(gpu, transformer));
  uses.add('sampling', await logprobKernels(gpu, config.vocabularySize, variants.sampleThreads));
  await transformer.compile();
  uses.add('other', gpu.takeMade());
  cache.destroy();
}
