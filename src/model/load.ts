// Brings a model's tensors from a file to the GPU: checks all of them first, then streams them in the file's order.

import { throwIfAborted } from '../errors';
import type { ByteSource } from '../storage/byte-source';
import { canonicalWords, chunkCount, paddedRows, uniformScales } from '../formats/canonical';
import { floatPieces } from '../formats/floats';
import { packedTernaryPieces } from '../formats/packed';
import { ternaryPieces, type TernaryPiece } from '../formats/ternary';
import { TernionError } from '../errors';
import type { GpuContext } from '../gpu/context';
import type { HalfMatrix, TernaryMatrix } from '../kernels/matrices';
import type { ModelConfig } from './config';
import {
  isTernaryTensor,
  type ModelFile,
  type ModelTensor,
  type ModelTensors,
  type PackedMatrix,
  type PlainTensor,
  type WeightScale,
} from './model-file';
import { expectTensor, layerPlan, type MatrixPlan, type NormPlan } from './tensors';
import type { ModelWeights } from './weights';

/** What loading needs beside the device. */
export interface LoadOptions {
  signal?: AbortSignal | undefined;
  /** Bytes of tensor data that are on the GPU, and in all. */
  onProgress?: ((loaded: number, total: number) => void) | undefined;
}

/** Where a tensor goes: its buffers exist already. */
interface Destination {
  tensor: ModelTensor;
  write(source: ByteSource, signal: AbortSignal | undefined): Promise<void>;
}

// Uploads wait in staging memory until the GPU has taken them; beyond this many bytes we wait too.
const MAX_UPLOADS_IN_FLIGHT = 64 << 20;

/**
 * Loads the weights that the model's config calls for. Nothing is read before every tensor is known to be there with the
 * right shape and a supported encoding.
 */
export async function loadWeights(
  gpu: GpuContext,
  model: Pick<ModelFile, 'config' | 'tensors' | 'sources'>,
  { signal, onProgress }: LoadOptions = {},
): Promise<ModelWeights> {
  const { config, tensors, sources } = model;
  checkTensors(model);
  const builder = new WeightBuilder(gpu, tensors);
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
  return weights;
}

/** Checks every tensor that the config calls for, without any allocation. */
export function checkTensors({ config, tensors }: Pick<ModelFile, 'config' | 'tensors'>): void {
  const norm = (plan: NormPlan | undefined): void => {
    if (!plan) return;
    expectTensor(tensors, plan.name, [plan.length]);
    plainTensor(tensors, plan.name);
  };
  const matrix = (plan: MatrixPlan): void => {
    for (const part of plan.parts) {
      const tensor = expectTensor(tensors, part.name, [part.rows, plan.cols]);
      if (isTernaryTensor(tensor)) continue;
      const message = `The tensor ${part.name} is ${tensor.encoding}; only models with ternary layers run here.`;
      throw new TernionError('unsupported-tensor-type', message);
    }
  };
  const head = (name: string): void => {
    expectTensor(tensors, name, [config.vocabularySize, config.width]);
    plainTensor(tensors, name);
  };
  head('token_embd.weight');
  norm({ name: 'output_norm.weight', length: config.width });
  if (!isTied(tensors, config)) head('output.weight');
  for (let i = 0; i < config.layers; i++) {
    const plan = layerPlan(config, i);
    for (const each of [plan.attnNorm, plan.attnSubNorm, plan.ffnNorm, plan.ffnSubNorm]) norm(each);
    for (const each of [plan.qkv, plan.attnOutput, plan.gateUp, plan.ffnDown]) matrix(each);
  }
}

function isTied(tensors: ModelTensors, config: ModelConfig): boolean {
  return config.tiedHead || !tensors.has('output.weight');
}

/** A tensor that is read as numbers; refuses one of packed codes. */
function plainTensor(tensors: ModelTensors, name: string): PlainTensor {
  const tensor = tensors.get(name)!;
  if (tensor.encoding !== 'PACKED') return tensor;
  throw new TernionError('unsupported-tensor-type', `The tensor ${name} is packed; only layers can be.`);
}

/** Canonical words of a ternary matrix, and its scales, unless they are {@link PackedMatrix.scale}. */
function codePieces(
  source: ByteSource,
  tensor: ModelTensor,
  signal: AbortSignal | undefined,
): AsyncGenerator<TernaryPiece, void, undefined> {
  if (tensor.encoding !== 'PACKED') return ternaryPieces(source, tensor, { signal, group: 'row' });
  const { name, shape, offset } = tensor;
  return packedTernaryPieces(source, { name, shape: [shape[0] / 4, shape[1]], offset }, { signal });
}

async function readScale(
  source: ByteSource,
  { tensor, divides }: WeightScale,
  signal: AbortSignal | undefined,
): Promise<number> {
  let scale = NaN;
  for await (const { values } of floatPieces(source, tensor, 'f32', { signal })) {
    scale = divides ? 1 / values[0]! : values[0]!;
  }
  if (Number.isFinite(scale)) return scale;
  throw new TernionError('corrupt-file', `The scale ${tensor.name} is no number to scale with.`);
}

/** Allocates the buffers of a model and remembers which tensor goes where. */
class WeightBuilder {
  readonly destinations: Destination[] = [];

  constructor(
    private readonly gpu: GpuContext,
    private readonly tensors: ModelTensors,
  ) {}

  build(config: ModelConfig): ModelWeights {
    const embedding = this.#half('token_embd.weight');
    const weights: ModelWeights = {
      embedding,
      head: isTied(this.tensors, config) ? embedding : this.#half('output.weight'),
      outputNorm: this.#norm({ name: 'output_norm.weight', length: config.width }),
      layers: Array.from({ length: config.layers }, (_, i) => {
        const plan = layerPlan(config, i);
        return {
          attnNorm: this.#norm(plan.attnNorm),
          qkv: this.#ternary(plan.qkv),
          attnSubNorm: plan.attnSubNorm && this.#norm(plan.attnSubNorm),
          attnOutput: this.#ternary(plan.attnOutput),
          ffnNorm: this.#norm(plan.ffnNorm),
          gateUp: this.#ternary(plan.gateUp),
          ffnSubNorm: plan.ffnSubNorm && this.#norm(plan.ffnSubNorm),
          ffnDown: this.#ternary(plan.ffnDown),
        };
      }),
      parameterCount: 0,
    };
    for (const { tensor } of this.destinations) {
      // Scales that are tensors of their own are no parameters, as those inside other encodings are none.
      if (!this.tensors.has(tensor.name)) continue;
      weights.parameterCount += tensor.shape.reduce((product, n) => product * n, 1);
    }
    return weights;
  }

  #norm({ name, length }: NormPlan): GPUBuffer {
    const buffer = this.gpu.createBuffer(name, length * 4);
    const tensor = plainTensor(this.tensors, name);
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
    const scales = this.gpu.createBuffer(`${parts[0]!.name} scales`, stacked * 4);
    let firstRow = 0;
    for (const part of parts) {
      this.#ternaryPart(this.tensors.get(part.name)!, cols, firstRow, codes, scales);
      firstRow += paddedRows(part.rows);
    }
    return { rows, cols, codes, scales };
  }

  #ternaryPart(
    tensor: ModelTensor,
    cols: number,
    firstRow: number,
    codes: GPUBuffer,
    scales: GPUBuffer,
  ): void {
    const rowBytes = chunkCount(cols) * 16;
    this.destinations.push({
      tensor,
      write: async (source, signal) => {
        for await (const piece of codePieces(source, tensor, signal)) {
          const row = firstRow + piece.firstRow;
          this.#write(codes, row * rowBytes, piece.words);
          this.#write(scales, row * 4, piece.scales);
        }
      },
    });
    if (tensor.encoding === 'PACKED') this.#separateScale(tensor, firstRow, scales);
  }

  /** The scale of a packed matrix may lie anywhere, even in another file: it has its own place in the order of reading. */
  #separateScale({ shape: [rows], scale }: PackedMatrix, firstRow: number, scales: GPUBuffer): void {
    this.destinations.push({
      tensor: scale.tensor,
      write: async (source, signal) => {
        this.#write(scales, firstRow * 4, uniformScales(rows, await readScale(source, scale, signal)));
      },
    });
  }

  #half(name: string): HalfMatrix {
    const tensor = plainTensor(this.tensors, name);
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
