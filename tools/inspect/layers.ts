// Runs a model's layers stage by stage and puts each result beside the formula in float64. A formula gets the engine's own
// input of the stage, so errors do not add up, and nothing before the stage has to be computed in JavaScript.

import { encodePass, type Dispatch } from '../../src/gpu/context';
import { KvCache } from '../../src/inference/kv-cache';
import type { LayerStage, QuantizeStep } from '../../src/inference/layer-stages';
import type { Transformer } from '../../src/inference/transformer';
import type { QuantizedRows } from '../../src/kernels/matrices';
import type { ModelConfig } from '../../src/model/config';
import { ropeFrequencies } from '../../src/model/rope-frequencies';
import { layerTensors, type LayerTensors, type MatrixTensors } from '../../src/model/tensors';
import { appended, attended } from './attention';
import type { Compared, Reference } from './compare';
import { FileWeights, keptAs } from './file-weights';
import { activate, lengthOf, rmsNorm, roundVocabularyRow, type Turning } from './formulas';
import { inspectHead } from './head';
import { quantizedRows } from './quantized';
import { Readings, type CachedRows } from './readings';
import { concatenate, rowsOf } from './rows';
import type { Subject } from './subject';
import { addTolerance, dotTolerance, gatedTolerance, roundedTolerance, widenedTolerance } from './tolerance';

/** What to look at. */
export interface InspectOptions {
  /** One layer, counted from 0. Default: all of them, and what is before and after. */
  layer?: number | undefined;
}

/**
 * Evaluates `ids`, at most `mostTokens` of them, and yields each result as soon as it is there, in the order in which they
 * are made.
 */
export async function* inspectLayers(
  { model, transformer, formats }: Subject,
  ids: readonly number[],
  { layer }: InspectOptions = {},
): AsyncGenerator<Compared, void, undefined> {
  const { gpu, config, variants } = transformer;
  const cache = await KvCache.create(gpu, config, ids.length, variants.cacheFormat);
  try {
    const inspection = new Inspection(transformer, new FileWeights(model), formats, cache, ids);
    yield* inspection.run(layer);
  } finally {
    cache.destroy();
  }
}

class Inspection {
  readonly #tokens: number;
  readonly #read: Readings;
  readonly #config: ModelConfig;
  /** The input of the next matrix, as the stage before left it. */
  #rows: QuantizedRows | undefined;

  constructor(
    private readonly transformer: Transformer,
    private readonly weights: FileWeights,
    private readonly formats: Subject['formats'],
    private readonly cache: KvCache,
    private readonly ids: readonly number[],
  ) {
    this.#tokens = ids.length;
    this.#read = new Readings(transformer, ids.length);
    this.#config = transformer.config;
  }

  async *run(only: number | undefined): AsyncGenerator<Compared, void, undefined> {
    const { transformer, weights, formats, cache, ids } = this;
    const { embed, layers } = await transformer.prefillStages(cache);
    transformer.writeIds(ids);
    transformer.writeState(0, ids.length, 0);
    this.#dispatch(embed);
    if (only === undefined) yield* this.#named(undefined, 'embed', embed, await this.#embedding());
    for (const [index, stages] of layers.slice(0, only === undefined ? undefined : only + 1).entries()) {
      const isWanted = only === undefined || index === only;
      for (const stage of stages) {
        if (isWanted) yield* this.#stage(index, stage);
        else this.#dispatch(stage.dispatches);
      }
    }
    if (only === undefined) yield* inspectHead(transformer, weights, formats.head, ids.length);
  }

  async *#stage(index: number, stage: LayerStage): AsyncGenerator<Compared, void, undefined> {
    const references = await this.#references(index, stage);
    yield* this.#named(index, stage.step, stage.dispatches, references);
  }

  /** Runs the stage and computes what it should have made. */
  async #references(index: number, stage: LayerStage): Promise<Reference[]> {
    const tensors = layerTensors(this.#config, index);
    const run = (): void => this.#dispatch(stage.dispatches);
    switch (stage.step) {
      case 'attnNorm':
      case 'attnSubNorm':
      case 'ffnNorm':
      case 'ffnSubNorm':
        run();
        this.#rows = stage.writes;
        return this.#quantized(stage.step, stage.writes, tensors);
      case 'qkv':
        run();
        return [await this.#stored(tensors.qkv, stage.writes)];
      case 'append':
        return this.#appended(index, tensors, run);
      case 'attention':
        run();
        return [await this.#attended(index, stage.writes)];
      case 'attnOutput':
      case 'ffnDown':
        return [await this.#added(tensors[stage.step], stage.writes, run)];
      case 'gateUp':
        run();
        return [await this.#gated(tensors.gateUp, stage.writes)];
    }
  }

  async #embedding(): Promise<Reference[]> {
    const { width } = this.#config;
    const { embedding: format } = this.formats;
    const rows = await this.weights.tableRows('token_embd.weight', this.ids, keptAs(format));
    const kept = rows.map((row) =>
      format === 'int8' || format === 'planes' ? roundVocabularyRow(row) : undefined,
    );
    const expected = concatenate(rows.map((row, i) => kept[i]?.values ?? row));
    const allowed = kept.map((row, i) =>
      row
        ? row.scaled.map((scaled, col) => roundedTolerance(scaled, row.steps[col]!))
        : Float64Array.from(rows[i]!, widenedTolerance),
    );
    return [
      {
        result: 'x',
        shape: [this.#tokens, width],
        actual: await this.#read.floats(this.transformer.work.x, width),
        expected,
        allowed: concatenate(allowed),
      },
    ];
  }

  async #quantized(step: QuantizeStep, out: QuantizedRows, tensors: LayerTensors): Promise<Reference[]> {
    const { work, activations } = this.transformer;
    const source = { attnNorm: work.x, attnSubNorm: work.attended, ffnNorm: work.x, ffnSubNorm: work.hidden };
    const matrix = {
      attnNorm: tensors.qkv,
      attnSubNorm: tensors.attnOutput,
      ffnNorm: tensors.gateUp,
      ffnSubNorm: tensors.ffnDown,
    };
    const { cols } = matrix[step];
    const x = await this.#read.floats(source[step], cols);
    const norm = tensors[step];
    const weight = norm && (await this.weights.vector(norm.name));
    const ys = rowsOf(x, cols).map((row) =>
      weight ? rmsNorm(row, weight, this.#config.eps) : Float64Array.from(row),
    );
    const scalePer = ({ 'int8-token': 'token', 'int8-group': 'group', f32: 'none' } as const)[activations];
    return quantizedRows(await this.#read.matrixInput(out), out.padded, { ys, scalePer });
  }

  async #stored(matrix: MatrixTensors, out: GPUBuffer): Promise<Reference> {
    const { expected, allowed, rows } = await this.#product(matrix);
    return {
      result: 'q, k, v',
      shape: [this.#tokens, rows],
      actual: await this.#read.floats(out, rows),
      expected,
      allowed,
    };
  }

  async #added(matrix: MatrixTensors, x: GPUBuffer, run: () => void): Promise<Reference> {
    const { expected: products, allowed, rows } = await this.#product(matrix);
    const before = await this.#read.floats(x, rows);
    run();
    const expected = products.map((value, i) => before[i]! + value);
    return {
      result: 'x',
      shape: [this.#tokens, rows],
      actual: await this.#read.floats(x, rows),
      expected,
      allowed: allowed.map((bound, i) => bound + addTolerance(before[i]!, expected[i]!)),
    };
  }

  async #gated(matrix: MatrixTensors, out: GPUBuffer): Promise<Reference> {
    const { expected: products, allowed: bounds, rows } = await this.#product(matrix);
    const { activation, ffnWidth } = this.#config;
    const expected = new Float64Array(this.#tokens * ffnWidth);
    const allowed = new Float64Array(expected.length);
    for (let i = 0; i < expected.length; i++) {
      const gateAt = Math.floor(i / ffnWidth) * rows + (i % ffnWidth);
      const upAt = gateAt + ffnWidth;
      const gate = products[gateAt]!;
      const up = products[upAt]!;
      const activated = activate(gate, activation);
      expected[i] = activated * up;
      allowed[i] = gatedTolerance([gate, bounds[gateAt]!], [up, bounds[upAt]!], activated);
    }
    return {
      result: 'hidden',
      shape: [this.#tokens, ffnWidth],
      actual: await this.#read.floats(out, ffnWidth),
      expected,
      allowed,
    };
  }

  async #appended(index: number, { headNorms }: LayerTensors, run: () => void): Promise<Reference[]> {
    const before = await this.#qkv();
    run();
    const rows = { before, after: await this.#qkv(), cached: await this.#cached(index) };
    const norms = headNorms && {
      q: await this.weights.vector(headNorms.q.name),
      k: await this.weights.vector(headNorms.k.name),
    };
    return appended(this.#config, { turning: await this.#turning(), norms }, rows);
  }

  async #attended(index: number, out: GPUBuffer): Promise<Reference> {
    const { heads, headDim } = this.#config;
    const actual = await this.#read.floats(out, heads * headDim);
    return attended(this.#config, await this.#qkv(), await this.#cached(index), actual);
  }

  /** The product of a matrix, its parts side by side, with the rows of the stage before: [tokens, rows]. */
  async #product(matrix: MatrixTensors): Promise<Pick<Reference, 'expected' | 'allowed'> & { rows: number }> {
    const input = this.#rows!;
    const { values } = await this.#read.matrixInput(input);
    const inputs = rowsOf(values, input.padded).map((row) => row.subarray(0, matrix.cols));
    const rows = matrix.parts.reduce((sum, part) => sum + part.rows, 0);
    const expected = new Float64Array(this.#tokens * rows);
    const allowed = new Float64Array(expected.length);
    let first = 0;
    for (const part of matrix.parts) {
      const { products, norms } = await this.weights.multiply(part.name, inputs);
      for (const [token, product] of products.entries()) {
        const length = lengthOf(inputs[token]!);
        expected.set(product, token * rows + first);
        allowed.set(
          norms.map((norm) => dotTolerance(norm, length)),
          token * rows + first,
        );
      }
      first += part.rows;
    }
    return { expected, allowed, rows };
  }

  async #qkv(): Promise<Float32Array[]> {
    const { heads, kvHeads, headDim } = this.#config;
    const width = (heads + 2 * kvHeads) * headDim;
    return rowsOf(await this.#read.floats(this.transformer.work.qkv, width), width);
  }

  #cached(index: number): Promise<CachedRows> {
    return this.#read.cached(this.cache.layers[index]!);
  }

  async #turning(): Promise<Turning> {
    const name = 'rope_freqs.weight';
    const factors = this.weights.has(name) ? await this.weights.vector(name) : undefined;
    return { pairs: this.#config.ropePairs, ...ropeFrequencies(this.#config, factors) };
  }

  *#named(
    layer: number | undefined,
    stage: string,
    dispatches: readonly Dispatch[],
    references: readonly Reference[],
  ): Generator<Compared, void, undefined> {
    const kernel = [...new Set(dispatches.map(({ pipeline }) => pipeline.label))].join(', ');
    for (const reference of references) yield { layer, stage, kernel, ...reference };
  }

  #dispatch(dispatches: readonly Dispatch[]): void {
    const { device } = this.transformer.gpu;
    const encoder = device.createCommandEncoder();
    encodePass(encoder, dispatches, this.#tokens, 0);
    device.queue.submit([encoder.finish()]);
  }
}
