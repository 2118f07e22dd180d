// What lies in the engine's buffers, as numbers.

import { CHUNK, chunkCount } from '../../src/formats/canonical';
import { halfToFloat } from '../../src/formats/half';
import type { Transformer } from '../../src/inference/transformer';
import { unpackActivations } from '../../src/kernels/activation-packing';
import { cacheDim, type LayerCache } from '../../src/kernels/kv-layout';
import type { ActivationPacking, QuantizedRows } from '../../src/kernels/matrices';
import { concatenate, rowsOf } from './rows';

/** Rows of the input of a matrix. */
export interface MatrixInput {
  /** What they stand for, int8 times their step, [tokens, padded]. */
  values: Float64Array;
  /** Σ q of whatever has a scale, as the kernel says and as counted here; undefined where nothing was rounded. */
  sums: { read: Float64Array; counted: Float64Array } | undefined;
}

/** Keys and values as they lie in the cache, [tokens, kvHeads, cacheDim(headDim)]. */
export interface CachedRows {
  keys: Float64Array;
  values: Float64Array;
  /** What they were rounded to. */
  rounded: 'f16' | 'int8';
}

/** Reads the buffers of a prompt of `tokens` tokens. */
export class Readings {
  constructor(
    private readonly transformer: Transformer,
    private readonly tokens: number,
  ) {}

  /** The first rows of a buffer f32 [tokens, cols]. */
  async floats(buffer: GPUBuffer, cols: number): Promise<Float32Array> {
    return new Float32Array(await this.transformer.gpu.read(buffer, 0, this.tokens * cols * 4));
  }

  /** Rows as they lie before a matrix, which is a layer's unless `packing` says how they lie. */
  async matrixInput(
    { padded, values, scales, groups }: QuantizedRows,
    packing: ActivationPacking = this.transformer.variants.prefillMatmul.products,
  ): Promise<MatrixInput> {
    if (packing === 'floats')
      return { values: Float64Array.from(await this.floats(values, padded)), sums: undefined };
    const words = padded / (packing === 'bytes' ? 4 : 2);
    const packed = new Uint32Array((await this.floats(values, words)).buffer);
    const q = unpackActivations(packed, this.tokens * padded, packing);
    const width = groups ? CHUNK : padded;
    const scalesOfToken = groups ? chunkCount(padded) : 1;
    const pairs = await this.floats(scales, scalesOfToken * 2);
    const counted = new Float64Array(this.tokens * scalesOfToken);
    q.forEach((value, i) => (counted[Math.floor(i / width)]! += value));
    return {
      values: Float64Array.from(q, (value, i) => value * pairs[2 * Math.floor(i / width)]!),
      sums: { read: Float64Array.from(counted, (_, i) => pairs[2 * i + 1]!), counted },
    };
  }

  async cached(cache: LayerCache): Promise<CachedRows> {
    const { keys, values, format } = cache;
    const { gpu, config } = this.transformer;
    const count = this.tokens * config.kvHeads * cacheDim(config.headDim);
    if (cache.scales) return this.#codes(cache, cache.scales, count);
    const read = async (buffer: GPUBuffer): Promise<Float64Array> => {
      const bytes = await gpu.read(buffer, 0, count * (format === 'f32' ? 4 : 2));
      if (format === 'f32') return Float64Array.from(new Float32Array(bytes));
      return Float64Array.from(new Uint16Array(bytes), halfToFloat);
    };
    return { keys: await read(keys), values: await read(values), rounded: 'f16' };
  }

  /** Keys and values in int8, multiplied by their scales. */
  async #codes({ keys, values }: LayerCache, scales: GPUBuffer, count: number): Promise<CachedRows> {
    const { gpu, config } = this.transformer;
    const pairs = await this.floats(scales, config.kvHeads * 2);
    const room = cacheDim(config.headDim);
    const read = async (buffer: GPUBuffer, which: 0 | 1): Promise<Float64Array> => {
      const codes = new Int8Array(await gpu.read(buffer, 0, count));
      return Float64Array.from(codes, (code, i) => code * pairs[2 * Math.floor(i / room) + which]!);
    };
    return { keys: await read(keys, 0), values: await read(values, 1), rounded: 'int8' };
  }
}

/** Heads with the room that the cache has between them, which is 0. */
export function spread(heads: Float64Array, headDim: number): Float64Array {
  const out = new Float64Array((heads.length / headDim) * cacheDim(headDim));
  for (const [i, head] of rowsOf(heads, headDim).entries()) out.set(head, i * cacheDim(headDim));
  return out;
}

/** Heads without it. */
export function gather(cached: Float64Array, headDim: number): Float64Array {
  return concatenate(rowsOf(cached, cacheDim(headDim)).map((head) => head.subarray(0, headDim)));
}
