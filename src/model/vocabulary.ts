// The embedding and the LM head on their way to the GPU: a row for every token, in the form that takes the least memory
// for what it is worth.

import { TernionError } from '../errors';
import type { ByteSource } from '../files/byte-source';
import { canonicalWords, chunkCount, groupCount, paddedRows } from '../formats/canonical';
import { areFiniteScales, blockPieces, type BlockTensor } from '../formats/block-rows';
import { ENCODINGS, isBlockEncoding, isTernary, type TernaryEncoding } from '../formats/encodings';
import { floatPieces, type FloatPiece } from '../formats/floats';
import { areFiniteHalves, floatsToHalves } from '../formats/half';
import { matrixShape, scaleGroup, ternaryPieces } from '../formats/ternary';
import { largestBinding, type BufferMaker, type MemoryPart } from '../gpu/buffers';
import type { UploadTarget } from '../gpu/context';
import { createBlockMatrix, writeBlocks } from '../kernels/block-matrix';
import { createInt8Matrix, createPlaneMatrix, Int8RowWriter } from '../kernels/int8-rows';
import type { HalfMatrix, VocabularyMatrix } from '../kernels/matrices';
import { cutRows, ofShard } from '../kernels/shards';
import { areFinite, assertFinite, notFinite } from './finite';
import type { PlainTensor } from './model-file';
import { ScaleCollector } from './ternary-scales';

/**
 * How embedding and LM head are kept unless they are ternary codes: in int8 or less, with int8 in two planes, in f16, or exactly, in
 * the blocks of the file or in f16.
 */
export type VocabularyPrecision = 'int8' | 'planes' | 'f16' | 'exact';

/** Whether generations round the activations that such a head multiplies. */
export function roundsActivations(precision: VocabularyPrecision): precision is 'int8' | 'planes' {
  return precision === 'int8' || precision === 'planes';
}

/** A matrix whose buffers are there. */
export interface AllocatedVocabulary {
  /** Fills them from the file that the tensor is in. */
  write(gpu: UploadTarget, source: ByteSource, signal: AbortSignal | undefined): Promise<void>;
  /** The matrix, once it is filled; `rowsSuffice` as in {@link ScaleCollector.finish}. */
  finish(rowsSuffice?: boolean): VocabularyMatrix;
}

/**
 * How a tensor is kept: ternary codes as such, which is exact and the smallest. Unless f16 was asked for, also the blocks of four
 * and six bits that kernels read, which are exact and smaller than int8. Blocks that run over the ends of rows, which no known file
 * has, are numbers like any others.
 */
export function vocabularyFormat(
  { encoding, shape }: Pick<PlainTensor, 'encoding' | 'shape'>,
  precision: VocabularyPrecision,
): VocabularyMatrix['format'] {
  const wholeRows = matrixShape(shape).cols % ENCODINGS[encoding].blockElements === 0;
  if (wholeRows && isTernary(encoding)) return 'ternary';
  if (wholeRows && precision !== 'f16' && isBlockEncoding(encoding)) return encoding;
  return roundsActivations(precision) ? precision : 'f16';
}

/** Allocates an embedding or head. */
export function allocateVocabulary(
  buffers: BufferMaker,
  tensor: PlainTensor,
  part: MemoryPart,
  precision: VocabularyPrecision,
): AllocatedVocabulary {
  const format = vocabularyFormat(tensor, precision);
  switch (format) {
    case 'f16':
      return allocateHalf(buffers, tensor, part);
    case 'int8':
    case 'planes':
      return allocateInt8(buffers, tensor, part, format);
    case 'ternary':
      return allocateTernary(buffers, tensor, part);
    default:
      return allocateBlocks(buffers, { ...tensor, encoding: format }, part);
  }
}

function allocateHalf(buffers: BufferMaker, tensor: PlainTensor, part: MemoryPart): AllocatedVocabulary {
  const { rows, cols } = matrixShape(tensor.shape);
  const shards = cutRows(rows, cols * 2, largestBinding(buffers.limits)).map((shard, i) => ({
    ...shard,
    buffer: buffers.createBuffer(`${tensor.name} ${i}`, shard.rows * cols * 2, { part }),
  }));
  const matrix: HalfMatrix = { format: 'f16', rows, cols, shards };
  return {
    write: async (gpu, source, signal) => {
      for await (const { firstElement, values } of halfPieces(source, tensor, signal)) {
        for (const { buffer, ...shard } of shards) {
          const { part: own, offset } = ofShard(shard, firstElement, values, cols);
          gpu.write(buffer, offset * 2, own);
        }
      }
    },
    finish: () => matrix,
  };
}

/** No f16 copy is kept: rows become int8 on the GPU as they come. */
function allocateInt8(
  buffers: BufferMaker,
  tensor: PlainTensor,
  part: MemoryPart,
  format: 'int8' | 'planes',
): AllocatedVocabulary {
  const { rows, cols } = matrixShape(tensor.shape);
  const create = format === 'int8' ? createInt8Matrix : createPlaneMatrix;
  const matrix = create(buffers, tensor.name, rows, cols, part);
  return {
    write: async (gpu, source, signal) => {
      const writer = await Int8RowWriter.create(gpu, matrix);
      try {
        for await (const { values } of halfPieces(source, tensor, signal)) writer.write(values);
      } finally {
        writer.free();
      }
    },
    finish: () => matrix,
  };
}

/** Blocks go to the GPU as they are, in another order. */
function allocateBlocks(buffers: BufferMaker, tensor: BlockTensor, part: MemoryPart): AllocatedVocabulary {
  const { name, encoding, shape } = tensor;
  const matrix = createBlockMatrix(buffers, name, { encoding, ...matrixShape(shape) }, part);
  return {
    write: async (gpu, source, signal) => {
      for await (const piece of blockPieces(source, tensor, { signal })) {
        if (!areFiniteScales(encoding, piece)) throw notFinite(name);
        writeBlocks(gpu, matrix, piece);
      }
    },
    finish: () => matrix,
  };
}

function allocateTernary(buffers: BufferMaker, tensor: PlainTensor, part: MemoryPart): AllocatedVocabulary {
  const { rows, cols } = matrixShape(tensor.shape);
  const group = scaleGroup(tensor.encoding as TernaryEncoding);
  const rowWords = chunkCount(cols) * 4;
  const rowScales = groupCount(cols, group);
  const shards = cutRows(rows, rowWords * 4, largestBinding(buffers.limits)).map((shard, i) => {
    const label = `${tensor.name} ${i}`;
    const codes = buffers.createBuffer(label, canonicalWords(shard.rows, cols) * 4, { part });
    const scales = new ScaleCollector(buffers, label, paddedRows(shard.rows), cols, group, part);
    return { ...shard, codes, scales };
  });
  return {
    write: async (gpu, source, signal) => {
      for await (const { firstRow, words, scales } of ternaryPieces(source, tensor, { signal })) {
        assertFinite(scales, tensor.name);
        for (const { codes, scales: collector, ...shard } of shards) {
          const own = ofShard(shard, firstRow * rowWords, words, rowWords);
          gpu.write(codes, own.offset * 4, own.part);
          const ownScales = ofShard(shard, firstRow * rowScales, scales, rowScales);
          if (ownScales.part.length > 0) collector.write(ownScales.offset / rowScales, ownScales.part, group);
        }
      }
    },
    finish: (rowsSuffice = shards.every(({ scales }) => scales.rowsSuffice)) => ({
      format: 'ternary',
      rows,
      cols,
      shards: shards.map(({ firstRow, rows: shardRows, codes, scales }) => ({
        firstRow,
        rows: shardRows,
        matrix: { rows: shardRows, cols, codes, ...scales.finish(rowsSuffice) },
      })),
    }),
  };
}

/** A tensor as f16, of finite numbers only. */
async function* halfPieces(
  source: ByteSource,
  tensor: PlainTensor,
  signal: AbortSignal | undefined,
): AsyncGenerator<FloatPiece<Uint16Array>, void, undefined> {
  const { name } = tensor;
  if (tensor.encoding === 'F16') {
    for await (const piece of floatPieces(source, tensor, 'f16', { signal })) {
      if (!areFiniteHalves(piece.values)) throw notFinite(name);
      yield piece;
    }
    return;
  }
  let halves = new Uint16Array(0);
  for await (const { firstElement, values: floats } of floatPieces(source, tensor, 'f32', { signal })) {
    if (halves.length < floats.length) halves = new Uint16Array(floats.length);
    const values = halves.subarray(0, floats.length);
    floatsToHalves(floats, values);
    if (!areFiniteHalves(values)) throw beyondHalves(floats, name);
    yield { firstElement, values };
  }
}

/** From 65520 on f16 has only infinity, which would spread to every logit. */
function beyondHalves(floats: Float32Array, name: string): TernionError {
  if (!areFinite(floats)) return notFinite(name);
  const message = `The tensor ${name} has values beyond 65504, the largest of f16, in which it would be kept.`;
  return new TernionError('unsupported-feature', message);
}
