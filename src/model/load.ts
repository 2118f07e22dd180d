// Brings a model's tensors from a file to the GPU: checks all of them first, then streams them in the file's order.

import { throwIfAborted } from '../errors';
import type { ByteSource } from '../files/byte-source';
import { canonicalWords, chunkCount, paddedRows, uniformScales, type ScaleGroup } from '../formats/canonical';
import { floatPieces } from '../formats/floats';
import { packedTernaryPieces } from '../formats/packed';
import { scaleGroup, ternaryPieces, type TernaryPiece } from '../formats/ternary';
import type { TernaryEncoding } from '../formats/encodings';
import { TernionError } from '../errors';
import type { BufferMaker, MemoryPart } from '../gpu/buffers';
import type { UploadTarget } from '../gpu/context';
import { workDone } from '../gpu/map-async';
import type { TernaryMatrix, VocabularyMatrix } from '../kernels/matrices';
import type { ModelConfig } from './config';
import { assertFinite } from './finite';
import {
  isTernaryTensor,
  type ModelFile,
  type ModelTensor,
  type ModelTensors,
  type PackedMatrix,
  type PlainTensor,
  type WeightScale,
} from './model-file';
import {
  expectTensor,
  layerTensors,
  ropeFactorTensors,
  type LayerTensors,
  type MatrixTensors,
  type NormTensor,
} from './tensors';
import type { RopeFactors } from './rope-frequencies';
import { ScaleCollector } from './ternary-scales';
import { allocateVocabulary, type VocabularyPrecision } from './vocabulary';
import type { LayerWeights, ModelWeights } from './weights';

/** What loading needs beside the device. */
export interface LoadOptions {
  /** How embedding and LM head are kept, unless they are ternary. */
  vocabulary: VocabularyPrecision;
  signal?: AbortSignal | undefined;
  /** Bytes of tensor data that are on the GPU, and in all. */
  onProgress?: ((loaded: number, total: number) => void) | undefined;
  /**
   * Called before anything is read, with the weights as they will be, if nothing about them depends on what is read: how scales lie and
   * how positions are turned, which kernels are made of. They are not to be used before all is loaded.
   */
  onAllocated?: ((weights: ModelWeights) => void) | undefined;
}

/** Where a tensor goes: its buffers exist already. */
interface Destination {
  tensor: ModelTensor;
  write(gpu: UploadTarget, source: ByteSource, signal: AbortSignal | undefined): Promise<void>;
}

// Uploads wait in staging memory until the GPU has taken them; beyond this many bytes we wait too.
const MAX_UPLOADS_IN_FLIGHT = 64 << 20;

/**
 * Loads the weights that the model's config calls for. Nothing is read before every tensor is known to be there with the
 * right shape and a supported encoding.
 */
export async function loadWeights(
  gpu: UploadTarget,
  model: Pick<ModelFile, 'config' | 'tensors' | 'sources'>,
  { vocabulary, signal, onProgress, onAllocated }: LoadOptions,
): Promise<ModelWeights> {
  const { config, tensors, sources } = model;
  checkTensors(model);
  const builder = new WeightBuilder(gpu, tensors, vocabulary);
  const finish = await gpu.checkedAllocation('the weights', () => builder.allocate(config));
  if (onAllocated && builder.isSettled(config)) onAllocated(finish(true));
  const destinations = builder.destinations.toSorted(
    (a, b) => a.tensor.file - b.tensor.file || a.tensor.offset - b.tensor.offset,
  );
  const total = destinations.reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
  let loaded = 0;
  let inFlight = 0;
  for (const [index, destination] of destinations.entries()) {
    const { tensor } = destination;
    throwIfAborted(signal);
    if (tensor.file !== destinations[index - 1]?.tensor.file) prefetch(destinations, sources, tensor.file);
    await destination.write(gpu, sources[tensor.file]!, signal);
    loaded += tensor.byteLength;
    inFlight += tensor.byteLength;
    if (inFlight > MAX_UPLOADS_IN_FLIGHT) {
      await workDone(gpu.device);
      inFlight = 0;
    }
    gpu.assertAlive();
    onProgress?.(loaded, total);
  }
  return finish();
}

/**
 * Allocates what {@link loadWeights} leaves on the GPU, and fills nothing: on a ledger, it says what that will be. Where
 * a file has a scale for every block, it is taken that they differ; if they turn out not to, a little less is left.
 */
export function allocateWeights(
  buffers: BufferMaker,
  { config, tensors }: Pick<ModelFile, 'config' | 'tensors'>,
  vocabulary: VocabularyPrecision,
): ModelWeights {
  return new WeightBuilder(buffers, tensors, vocabulary).allocate(config)(false);
}

/** Tells the source of `file` which part of it is about to be read: tensor data comes over the network from now on. */
function prefetch(destinations: Destination[], sources: readonly ByteSource[], file: number): void {
  const tensors = destinations.map(({ tensor }) => tensor).filter((tensor) => tensor.file === file);
  const last = tensors.at(-1)!;
  sources[file]!.prefetch?.(tensors[0]!.offset, last.offset + last.byteLength);
}

/** Checks every tensor that the config calls for, without any allocation. */
export function checkTensors({ config, tensors }: Pick<ModelFile, 'config' | 'tensors'>): void {
  const norm = (wanted: NormTensor | undefined): void => {
    if (!wanted) return;
    expectTensor(tensors, wanted.name, [wanted.length]);
    plainTensor(tensors, wanted.name);
  };
  const matrix = ({ parts, cols }: MatrixTensors): void => {
    for (const part of parts) {
      const tensor = expectTensor(tensors, part.name, [part.rows, cols]);
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
  const factors = ropeFactorTensors(config, tensors);
  norm(factors?.short);
  norm(factors?.long);
  const known = new Set<string>();
  for (let i = 0; i < config.layers; i++) {
    const layer = layerTensors(config, i);
    const norms = normsOf(layer);
    const matrices = [layer.qkv, layer.attnOutput, layer.gateUp, layer.ffnDown];
    norms.forEach(norm);
    matrices.forEach(matrix);
    for (const { name } of [...norms, ...matrices.flatMap(({ parts }) => parts)]) known.add(name);
  }
  refuseOthers(tensors, config, known);
}

function normsOf(layer: LayerTensors): NormTensor[] {
  const { attnNorm, inputNorms, headNorms, attnSubNorm, ffnNorm, ffnSubNorm } = layer;
  const own = Object.values(inputNorms ?? {});
  return [attnNorm, ...own, headNorms?.q, headNorms?.k, attnSubNorm, ffnNorm, ffnSubNorm].filter(
    (each) => each !== undefined,
  );
}

/**
 * Refuses layers that have more than the architecture's tensors, such as biases, and factors of RoPE that the metadata say
 * nothing of: leaving them out gives nonsense.
 */
function refuseOthers(tensors: ModelTensors, config: ModelConfig, known: ReadonlySet<string>): void {
  const factors = ropeFactorTensors(config, tensors);
  const used = new Set([...known, factors?.short.name, factors?.long.name]);
  for (const name of tensors.keys()) {
    if (!/^(blk\.|rope_f)/.test(name) || used.has(name)) continue;
    const message = `The tensor ${name} has no place in a model of the architecture '${config.architecture}'.`;
    throw new TernionError('unsupported-feature', message);
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
  if (tensor.encoding !== 'PACKED') return ternaryPieces(source, tensor, { signal });
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

/**
 * What has been allocated, once everything was read. Whether a scale a row suffices shows by then (see `ScaleCollector`),
 * unless the caller says so.
 */
type Finish<T> = (rowsSuffice?: boolean) => T;

/** Allocates the buffers of a model and remembers which tensor goes where. */
class WeightBuilder {
  readonly destinations: Destination[] = [];

  constructor(
    private readonly buffers: BufferMaker,
    private readonly tensors: ModelTensors,
    private readonly vocabulary: VocabularyPrecision,
  ) {}

  /** Whether all that kernels are made of is known without the tensors' bytes. */
  isSettled(config: ModelConfig): boolean {
    const tensors = this.destinations.map(({ tensor }) => tensor);
    const byRow = tensors.every((tensor) => !isTernaryTensor(tensor) || groupOf(tensor) === 'row');
    return byRow && !ropeFactorTensors(config, this.tensors);
  }

  allocate(config: ModelConfig): Finish<ModelWeights> {
    const isTiedHead = isTied(this.tensors, config);
    // Planes are for heads: a row of an embedding is read whole.
    const ofEmbedding = !isTiedHead && this.vocabulary === 'planes' ? 'int8' : this.vocabulary;
    const embedding = this.#vocabulary('token_embd.weight', 'embedding', ofEmbedding);
    const head = isTiedHead ? undefined : this.#vocabulary('output.weight', 'head', this.vocabulary);
    // The head multiplies what the norm gives, so the norm can have the scale of the logits.
    const outputNorm = this.#norm({ name: 'output_norm.weight', length: config.width }, config.scales.logits);
    const layers = Array.from({ length: config.layers }, (_, i) => this.#layer(layerTensors(config, i)));
    const ropeFactors = this.#ropeFactors(config);
    const parameterCount = this.#parameterCount();
    return (rowsSuffice) => {
      const table = embedding(rowsSuffice);
      return {
        embedding: table,
        head: head?.(rowsSuffice) ?? table,
        outputNorm,
        layers: layers.map((finish) => finish(rowsSuffice)),
        ropeFactors,
        parameterCount,
      };
    };
  }

  #layer(tensors: LayerTensors): Finish<LayerWeights> {
    const { inputNorms: own, headNorms, attnSubNorm, ffnSubNorm } = tensors;
    const norms = {
      attnNorm: this.#norm(tensors.attnNorm),
      inputNorms: own && {
        q: this.#norm(own.q),
        k: this.#norm(own.k),
        v: this.#norm(own.v),
        gate: this.#norm(own.gate),
        up: this.#norm(own.up),
      },
      headNorms: headNorms && { q: this.#norm(headNorms.q), k: this.#norm(headNorms.k) },
      attnSubNorm: attnSubNorm && this.#norm(attnSubNorm),
      ffnNorm: this.#norm(tensors.ffnNorm),
      ffnSubNorm: ffnSubNorm && this.#norm(ffnSubNorm),
    };
    const qkv = this.#ternary(tensors.qkv);
    const attnOutput = this.#ternary(tensors.attnOutput);
    const gateUp = this.#ternary(tensors.gateUp);
    const ffnDown = this.#ternary(tensors.ffnDown);
    return (rowsSuffice) => ({
      ...norms,
      qkv: qkv(rowsSuffice),
      attnOutput: attnOutput(rowsSuffice),
      gateUp: gateUp(rowsSuffice),
      ffnDown: ffnDown(rowsSuffice),
    });
  }

  #parameterCount(): number {
    // Scales that are tensors of their own are no parameters, as those inside other encodings are none.
    const parameters = this.destinations.filter(({ tensor }) => this.tensors.has(tensor.name));
    return parameters.reduce(
      (sum, { tensor }) => sum + tensor.shape.reduce((product, n) => product * n, 1),
      0,
    );
  }

  #ropeFactors(config: ModelConfig): RopeFactors | undefined {
    const factors = ropeFactorTensors(config, this.tensors);
    if (!factors) return undefined;
    const short = this.#factorList(factors.short);
    return { short, long: factors.long === factors.short ? short : this.#factorList(factors.long) };
  }

  #factorList({ name, length }: NormTensor): Float32Array {
    const tensor = plainTensor(this.tensors, name);
    const factors = new Float32Array(length);
    this.destinations.push({
      tensor,
      write: async (_gpu, source, signal) => {
        for await (const { firstElement, values } of floatPieces(source, tensor, 'f32', { signal })) {
          factors.set(values, firstElement);
        }
        if (factors.every((factor) => factor > 0 && Number.isFinite(factor))) return;
        throw new TernionError('corrupt-file', `${name} has values that no frequency can be divided by.`);
      },
    });
    return factors;
  }

  /** The weight of a norm, times `factor`. */
  #norm({ name, length }: NormTensor, factor = 1): GPUBuffer {
    const buffer = this.buffers.createBuffer(name, length * 4, { part: 'layers' });
    const tensor = plainTensor(this.tensors, name);
    this.destinations.push({
      tensor,
      write: async (gpu, source, signal) => {
        for await (const { firstElement, values } of floatPieces(source, tensor, 'f32', { signal })) {
          assertFinite(values, name);
          const scaled = factor === 1 ? values : values.map((value) => value * factor);
          gpu.write(buffer, firstElement * 4, scaled);
        }
      },
    });
    return buffer;
  }

  #ternary({ parts, cols, factor }: MatrixTensors): Finish<TernaryMatrix> {
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const stacked = parts.reduce((sum, part) => sum + paddedRows(part.rows), 0);
    const codes = this.buffers.createBuffer(parts[0]!.name, canonicalWords(stacked, cols) * 4, {
      part: 'layers',
    });
    const tensors = parts.map(({ name }) => this.tensors.get(name)!);
    const group = finestGroup(tensors.map(groupOf));
    const collector = new ScaleCollector(
      this.buffers,
      parts[0]!.name,
      stacked,
      cols,
      group,
      'layers',
      factor,
    );
    let firstRow = 0;
    for (const [i, part] of parts.entries()) {
      this.#ternaryPart(tensors[i]!, cols, firstRow, codes, collector);
      firstRow += paddedRows(part.rows);
    }
    return (rowsSuffice) => ({ rows, cols, codes, ...collector.finish(rowsSuffice) });
  }

  #ternaryPart(
    tensor: ModelTensor,
    cols: number,
    firstRow: number,
    codes: GPUBuffer,
    scales: ScaleCollector,
  ): void {
    const rowBytes = chunkCount(cols) * 16;
    this.destinations.push({
      tensor,
      write: async (gpu, source, signal) => {
        for await (const piece of codePieces(source, tensor, signal)) {
          assertFinite(piece.scales, tensor.name);
          const row = firstRow + piece.firstRow;
          gpu.write(codes, row * rowBytes, piece.words);
          scales.write(row, piece.scales, groupOf(tensor));
        }
      },
    });
    if (tensor.encoding === 'PACKED') this.#separateScale(tensor, firstRow, scales);
  }

  /** The scale of a packed matrix may lie anywhere, even in another file: it has its own place in the order of reading. */
  #separateScale({ shape: [rows], scale }: PackedMatrix, firstRow: number, scales: ScaleCollector): void {
    this.destinations.push({
      tensor: scale.tensor,
      write: async (_gpu, source, signal) => {
        scales.write(firstRow, uniformScales(rows, await readScale(source, scale, signal)), 'row');
      },
    });
  }

  #vocabulary(name: string, part: MemoryPart, precision: VocabularyPrecision): Finish<VocabularyMatrix> {
    const tensor = plainTensor(this.tensors, name);
    const matrix = allocateVocabulary(this.buffers, tensor, part, precision);
    this.destinations.push({ tensor, write: (...args) => matrix.write(...args) });
    return (rowsSuffice) => matrix.finish(rowsSuffice);
  }
}

/** The columns that share a scale in the file. */
function groupOf({ encoding }: ModelTensor): ScaleGroup {
  return encoding === 'PACKED' ? 'row' : scaleGroup(encoding as TernaryEncoding);
}

/** The group that the scales of all parts can be written in. */
function finestGroup(groups: readonly ScaleGroup[]): ScaleGroup {
  const counted = groups.filter((group) => group !== 'row');
  return counted.length > 0 ? Math.min(...counted) : 'row';
}
