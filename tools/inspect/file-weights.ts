// A model's weights as its file has them, read when they are needed: one matrix of a large model fills memory by itself.

import { TernionError } from '../../src/errors';
import { floatPieces } from '../../src/formats/floats';
import { halvesToFloats } from '../../src/formats/half';
import type { VocabularyMatrix } from '../../src/kernels/matrices';
import type { ModelFile, PlainTensor } from '../../src/model/model-file';

/** A matrix [rows, cols] times some rows. */
export interface Products {
  rows: number;
  /** [inputs][rows]. */
  products: Float64Array[];
  /** √Σw² of every row of the matrix. */
  norms: Float64Array;
}

/** Some whole rows of a matrix; used again for the next ones. */
export interface RowBlock {
  firstRow: number;
  values: Float32Array;
}

/** What an embedding or head is read as, to be compared with how it is kept: int8 is made of f16, other forms lose nothing. */
export function keptAs(format: VocabularyMatrix['format']): 'f32' | 'f16' {
  return format === 'f16' || format === 'int8' || format === 'planes' ? 'f16' : 'f32';
}

/** Reads the tensors of a GGUF file as numbers. */
export class FileWeights {
  constructor(private readonly model: Pick<ModelFile, 'tensors' | 'sources'>) {}

  has(name: string): boolean {
    return this.model.tensors.has(name);
  }

  /** A tensor of one dimension. */
  async vector(name: string): Promise<Float32Array> {
    const tensor = this.#tensor(name);
    const values = new Float32Array(tensor.shape[0]!);
    for await (const piece of floatPieces(this.model.sources[tensor.file]!, tensor, 'f32')) {
      values.set(piece.values, piece.firstElement);
    }
    return values;
  }

  /** The rows `ids` of a table, as numbers of the file or rounded to f16, [ids][cols]. */
  async tableRows(name: string, ids: readonly number[], as: 'f32' | 'f16'): Promise<Float32Array[]> {
    const { shape } = this.#tensor(name);
    const cols = shape[1]!;
    const found = new Map<number, Float32Array>();
    for await (const { firstRow, values } of this.rowBlocks(name, as)) {
      for (const id of ids) {
        const at = (id - firstRow) * cols;
        if (at >= 0 && at < values.length) found.set(id, values.slice(at, at + cols));
      }
    }
    return ids.map((id) => found.get(id)!);
  }

  /** The matrix `name` times each of `inputs`. */
  async multiply(name: string, inputs: readonly Float64Array[]): Promise<Products> {
    const [rows, cols] = this.#tensor(name).shape as [number, number];
    const products = inputs.map(() => new Float64Array(rows));
    const norms = new Float64Array(rows);
    for await (const { firstRow, values } of this.rowBlocks(name, 'f32')) {
      for (let at = 0, row = firstRow; at < values.length; at += cols, row++) {
        const weights = new Float64Array(values.subarray(at, at + cols));
        norms[row] = Math.sqrt(dot64(weights, weights));
        for (const [i, input] of inputs.entries()) products[i]![row] = dot64(input, weights);
      }
    }
    return { rows, products, norms };
  }

  /** The whole matrix, in order. */
  async *rowBlocks(name: string, as: 'f32' | 'f16'): AsyncGenerator<RowBlock, void, undefined> {
    const tensor = this.#tensor(name);
    const source = this.model.sources[tensor.file]!;
    const cols = tensor.shape[1]!;
    // A multiple of 256 elements, as pieces are, that is whole rows.
    const options = { pieceElements: cols * 256 };
    if (as === 'f32') {
      for await (const { firstElement, values } of floatPieces(source, tensor, 'f32', options)) {
        yield { firstRow: firstElement / cols, values };
      }
      return;
    }
    const floats = new Float32Array(options.pieceElements);
    for await (const { firstElement, values } of floatPieces(source, tensor, 'f16', options)) {
      const own = floats.subarray(0, values.length);
      halvesToFloats(values, own);
      yield { firstRow: firstElement / cols, values: own };
    }
  }

  #tensor(name: string): PlainTensor {
    const tensor = this.model.tensors.get(name);
    if (tensor && tensor.encoding !== 'PACKED') return tensor;
    throw new TernionError(
      'unsupported-feature',
      `The tensor ${name} is packed; only GGUF files are inspected.`,
    );
  }
}

/** As `dot`, several times as fast: of one type of numbers alone, a multiple of 4 of them, and four sums at once. */
function dot64(a: Float64Array, b: Float64Array): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let i = 0; i < b.length; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  return s0 + s1 + s2 + s3;
}
