// Brings a model's tensors from a file to the GPU: checks all of them first, then streams them in the file's order.

import { throwIfAborted } from '../errors';
import type { ByteSource } from '../storage/byte-source';
import { canonicalWords, chunkCount, paddedRows, type ScaleGroup } from '../formats/canonical';
import { floatPieces } from '../formats/floats';
import type { GgufContents, TensorInfo } from '../formats/gguf';
import { scaleGroup, ternaryPieces } from '../formats/ternary';
import { isTernary, type TernaryEncoding } from '../formats/encodings';
import { TernionError } from '../errors';
import type { GpuContext } from '../gpu/context';
import type { HalfMatrix, TernaryMatrix } from '../kernels/matrices';
import type { ModelConfig } from './config';
import { expectTensor, layerPlan, type LayerPlan, type MatrixPlan, type NormPlan } from './tensors';
import { ScaleCollector } from './ternary-scales';
import type { ModelWeights } from './weights';

/** What loading needs beside the device. */
export interface LoadOptions {
  signal?: AbortSignal | undefined;
  /** Bytes of tensor data that are on the GPU, and in all. */
  onProgress?: ((loaded: number, total: number) => void) | undefined;
}

/** Where a tensor goes: its buffers exist already. */
interface Destination {
  tensor: TensorInfo;
  write(source: ByteSource, signal: AbortSignal | undefined): Promise<void>;
}

// Uploads wait in staging memory until the GPU has taken them; beyond this many bytes we wait too.
const MAX_UPLOADS_IN_FLIGHT = 64 << 20;

/**
 * Loads the weights that `config` calls for. `sources` are the files that `TensorInfo.file` counts. Nothing is read
 * before every tensor is known to be there with the right shape and a supported encoding.
 */
export async function loadWeights(
  gpu: GpuContext,
  contents: GgufContents,
  sources: readonly ByteSource[],
  config: ModelConfig,
  { signal, onProgress }: LoadOptions = {},
): Promise<ModelWeights> {
  checkTensors(contents, config);
  const builder = new WeightBuilder(gpu, contents);
  const weights = await gpu.checkedAllocation('the weights', () => builder.build(config));
  const destinations = builder.destinations.toSorted(
    (a, b) => a.tensor.file - b.tensor.file || a.tensor.offset - b.tensor.offset,
  );
  const total = destinations.reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
  let loaded = 0;
  let inFlight = 0;
  for (const destination of destinations) {
    const { tensor } = destination;
    throwIfAborted(signal);
    await destination.write(sources[tensor.file]!, signal);
    loaded += tensor.byteLength;
    inFlight += tensor.byteLength;
    if (inFlight > MAX_UPLOADS_IN_FLIGHT) {
      await gpu.device.queue.onSubmittedWorkDone();
      inFlight = 0;
    }
    gpu.assertAlive();
    onProgress?.(loaded, total);
  }
  builder.finish();
  return weights;
}

/** Checks every tensor that `config` calls for, without any allocation. */
export function checkTensors({ tensors }: GgufContents, config: ModelConfig): void {
  const norm = (plan: NormPlan | undefined): void => {
    if (plan) expectTensor(tensors, plan.name, [plan.length]);
  };
  const matrix = (plan: MatrixPlan): void => {
    for (const part of plan.parts) {
      const { encoding } = expectTensor(tensors, part.name, [part.rows, plan.cols]);
      if (isTernary(encoding)) continue;
      const message = `The tensor ${part.name} is ${encoding}; only models with ternary layers run here.`;
      throw new TernionError('unsupported-tensor-type', message);
    }
  };
  expectTensor(tensors, 'token_embd.weight', [config.vocabularySize, config.width]);
  norm({ name: 'output_norm.weight', length: config.width });
  if (!isTied(tensors, config)) expectTensor(tensors, 'output.weight', [config.vocabularySize, config.width]);
  if (tensors.has(ROPE_FACTORS)) expectTensor(tensors, ROPE_FACTORS, [config.rotary / 2]);
  const known = new Set<string>();
  for (let i = 0; i < config.layers; i++) {
    const plan = layerPlan(config, i);
    const norms = normsOf(plan);
    const matrices = [plan.qkv, plan.attnOutput, plan.gateUp, plan.ffnDown];
    norms.forEach(norm);
    matrices.forEach(matrix);
    for (const { name } of [...norms, ...matrices.flatMap(({ parts }) => parts)]) known.add(name);
  }
  refuseOthers(tensors, config, known);
}

const ROPE_FACTORS = 'rope_freqs.weight';

function normsOf({ attnNorm, headNorms, attnSubNorm, ffnNorm, ffnSubNorm }: LayerPlan): NormPlan[] {
  return [attnNorm, headNorms?.q, headNorms?.k, attnSubNorm, ffnNorm, ffnSubNorm].filter(
    (each) => each !== undefined,
  );
}

/** Refuses layers that have more than the architecture's tensors, such as biases: leaving them out gives nonsense. */
function refuseOthers(
  tensors: GgufContents['tensors'],
  config: ModelConfig,
  known: ReadonlySet<string>,
): void {
  for (const name of tensors.keys()) {
    if (!name.startsWith('blk.') || known.has(name)) continue;
    const message = `The tensor ${name} has no place in a model of the architecture '${config.architecture}'.`;
    throw new TernionError('unsupported-feature', message);
  }
}

function isTied(tensors: GgufContents['tensors'], config: ModelConfig): boolean {
  return config.tiedHead || !tensors.has('output.weight');
}

/** Allocates the buffers of a model and remembers which tensor goes where. */
class WeightBuilder {
  readonly destinations: Destination[] = [];
  readonly #unfinished: (() => void)[] = [];
  readonly #tensors: GgufContents['tensors'];

  constructor(
    private readonly gpu: GpuContext,
    contents: GgufContents,
  ) {
    this.#tensors = contents.tensors;
  }

  build(config: ModelConfig): ModelWeights {
    const embedding = this.#half('token_embd.weight');
    const weights: ModelWeights = {
      embedding,
      head: isTied(this.#tensors, config) ? embedding : this.#half('output.weight'),
      outputNorm: this.#norm({ name: 'output_norm.weight', length: config.width }),
      layers: Array.from({ length: config.layers }, (_, i) => {
        const plan = layerPlan(config, i);
        return {
          attnNorm: this.#norm(plan.attnNorm),
          qkv: this.#ternary(plan.qkv),
          headNorms: plan.headNorms && {
            q: this.#norm(plan.headNorms.q),
            k: this.#norm(plan.headNorms.k),
          },
          attnSubNorm: plan.attnSubNorm && this.#norm(plan.attnSubNorm),
          attnOutput: this.#ternary(plan.attnOutput),
          ffnNorm: this.#norm(plan.ffnNorm),
          gateUp: this.#ternary(plan.gateUp),
          ffnSubNorm: plan.ffnSubNorm && this.#norm(plan.ffnSubNorm),
          ffnDown: this.#ternary(plan.ffnDown),
        };
      }),
      ropeFactors: this.#ropeFactors(config),
      parameterCount: 0,
    };
    for (const { tensor } of this.destinations) {
      weights.parameterCount += tensor.shape.reduce((product, n) => product * n, 1);
    }
    return weights;
  }

  /** What is left to do when everything is read. */
  finish(): void {
    for (const finish of this.#unfinished) finish();
  }

  #ropeFactors({ rotary }: ModelConfig): Float32Array | undefined {
    const tensor = this.#tensors.get(ROPE_FACTORS);
    if (!tensor) return undefined;
    const factors = new Float32Array(rotary / 2);
    this.destinations.push({
      tensor,
      write: async (source, signal) => {
        for await (const { firstElement, values } of floatPieces(source, tensor, 'f32', { signal })) {
          factors.set(values, firstElement);
        }
        if (factors.every((factor) => factor > 0 && Number.isFinite(factor))) return;
        throw new TernionError(
          'corrupt-file',
          `${ROPE_FACTORS} has values that no frequency can be divided by.`,
        );
      },
    });
    return factors;
  }

  #norm({ name, length }: NormPlan): GPUBuffer {
    const buffer = this.gpu.createBuffer(name, length * 4);
    const tensor = this.#tensors.get(name)!;
    this.destinations.push({
      tensor,
      write: async (source, signal) => {
        for await (const { firstElement, values } of floatPieces(source, tensor, 'f32', { signal })) {
          this.#write(buffer, firstElement * 4, values);
        }
      },
    });
    return buffer;
  }

  #ternary({ parts, cols }: MatrixPlan): TernaryMatrix {
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const stacked = parts.reduce((sum, part) => sum + paddedRows(part.rows), 0);
    const codes = this.gpu.createBuffer(parts[0]!.name, canonicalWords(stacked, cols) * 4);
    const tensors = parts.map(({ name }) => this.#tensors.get(name)!);
    const group = finestGroup(tensors.map(({ encoding }) => scaleGroup(encoding as TernaryEncoding)));
    const collector = new ScaleCollector(this.gpu, parts[0]!.name, stacked, cols, group);
    let firstRow = 0;
    for (const [i, part] of parts.entries()) {
      this.#ternaryPart(tensors[i]!, cols, firstRow, codes, collector);
      firstRow += paddedRows(part.rows);
    }
    const matrix: Partial<TernaryMatrix> = { rows, cols, codes };
    this.#unfinished.push(() => Object.assign(matrix, collector.finish()));
    return matrix as TernaryMatrix;
  }

  #ternaryPart(
    tensor: TensorInfo,
    cols: number,
    firstRow: number,
    codes: GPUBuffer,
    scales: ScaleCollector,
  ): void {
    const rowBytes = chunkCount(cols) * 16;
    this.destinations.push({
      tensor,
      write: async (source, signal) => {
        for await (const piece of ternaryPieces(source, tensor, { signal })) {
          const row = firstRow + piece.firstRow;
          this.#write(codes, row * rowBytes, piece.words);
          scales.write(row, piece.scales, scaleGroup(tensor.encoding as TernaryEncoding));
        }
      },
    });
  }

  #half(name: string): HalfMatrix {
    const tensor = this.#tensors.get(name)!;
    const [rows, cols] = tensor.shape as [number, number];
    const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.device.limits;
    const rowsPerShard = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / (cols * 2));
    const shards = Array.from({ length: Math.ceil(rows / rowsPerShard) }, (_, i) => {
      const firstRow = i * rowsPerShard;
      const shardRows = Math.min(rowsPerShard, rows - firstRow);
      return {
        firstRow,
        rows: shardRows,
        buffer: this.gpu.createBuffer(`${name} ${i}`, shardRows * cols * 2),
      };
    });
    this.destinations.push({
      tensor,
      write: async (source, signal) => {
        for await (const { firstElement, values } of floatPieces(source, tensor, 'f16', { signal })) {
          if (tensor.encoding !== 'F16') assertInRange(values, name);
          for (const shard of shards) {
            const shardStart = shard.firstRow * cols;
            const from = Math.max(shardStart, firstElement);
            const to = Math.min(shardStart + shard.rows * cols, firstElement + values.length);
            if (from >= to) continue;
            const part = values.subarray(from - firstElement, to - firstElement);
            this.#write(shard.buffer, (from - shardStart) * 2, part);
          }
        }
      },
    });
    return { rows, cols, shards };
  }

  #write(buffer: GPUBuffer, offset: number, values: Float32Array | Uint16Array | Uint32Array): void {
    if (values.length === 0) return;
    this.gpu.device.queue.writeBuffer(buffer, offset, values as GPUAllowSharedBufferSource);
  }
}

/** From 65520 on f16 has only infinity, which would spread to every logit. */
function assertInRange(halves: Uint16Array, name: string): void {
  for (const bits of halves) {
    if ((bits & 0x7c00) !== 0x7c00) continue;
    const message = `The tensor ${name} has values beyond 65504, the largest of f16, in which it would be kept.`;
    throw new TernionError('unsupported-feature', message);
  }
}

/** The group that the scales of all parts can be written in. */
function finestGroup(groups: readonly ScaleGroup[]): ScaleGroup {
  const counted = groups.filter((group) => group !== 'row');
  return counted.length > 0 ? Math.min(...counted) : 'row';
}
