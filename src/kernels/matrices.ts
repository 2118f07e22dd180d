// Matrices as they lie on the GPU, in the layouts that the kernels read.

import type { ScaleGroup } from '../formats/canonical';
import type { BlockEncoding } from '../formats/encodings';

/** Rows of a ternary matrix in the canonical layout of src/formats/canonical.ts; a fused matrix stacks several. */
export interface TernaryMatrix {
  /** Rows and columns without padding. Rows of each stacked part are padded to 8 on their own. */
  rows: number;
  cols: number;
  /** 2-bit codes, u32 [blocks of 8 rows, chunks of 64 columns, 8 rows, 4 words]. */
  codes: GPUBuffer;
  /** f32 [blocks of 8 rows, groups, 8 rows]: what products are multiplied by. */
  scales: GPUBuffer;
  /** Columns that share a scale; a multiple of 64 where they are not all of a row. */
  scaleGroup: ScaleGroup;
}

/** A matrix of f16, row by row, cut into shards of whole rows that fit a binding. */
export interface HalfMatrix {
  format: 'f16';
  rows: number;
  cols: number;
  shards: { buffer: GPUBuffer; firstRow: number; rows: number }[];
}

/** A matrix of int8 with an f16 scale for every 32 columns, in blocks of 8 interleaved rows; see shaders/int8_rows.wgsl. */
export interface Int8Matrix {
  format: 'int8';
  rows: number;
  cols: number;
  shards: { codes: GPUBuffer; scales: GPUBuffer; firstRow: number; rows: number }[];
}

/** An int8 matrix as above in the two planes of src/formats/planes.ts. */
export interface PlaneMatrix {
  format: 'planes';
  rows: number;
  cols: number;
  shards: { codes: GPUBuffer; low: GPUBuffer; scales: GPUBuffer; firstRow: number; rows: number }[];
  /** What its products leave for one another. */
  scratch: PlaneScratch;
}

/** Between the dispatches of one step. */
export interface PlaneScratch {
  /** vec2f [2 + pieces·2]: what rms_norm_quantize says of the activations. */
  sums: GPUBuffer;
  /** f32 [rows]: what each logit is at most. */
  upper: GPUBuffer;
  /** The key of the best row's least logit, and f32: the window, how far below that logits still have to be exact. */
  bound: GPUBuffer;
}

/** A matrix in the blocks of its file, in the layout of src/formats/block-rows.ts. */
export interface BlockMatrix {
  format: BlockEncoding;
  rows: number;
  cols: number;
  shards: { codes: GPUBuffer; scales: GPUBuffer; firstRow: number; rows: number }[];
}

/** A ternary matrix cut into shards of whole row blocks that fit a binding. */
export interface TernaryTable {
  format: 'ternary';
  rows: number;
  cols: number;
  shards: { matrix: TernaryMatrix; firstRow: number; rows: number }[];
}

/** An embedding or LM head: a row for every token of the vocabulary. */
export type VocabularyMatrix = HalfMatrix | Int8Matrix | PlaneMatrix | BlockMatrix | TernaryTable;

/** How activations are packed: int8 four a word, or two, or f32 (see shaders/rms_norm_quantize.wgsl). */
export type ActivationPacking = 'bytes' | 'pairs' | 'floats';

/** Activations of up to `tokens` tokens, as rms_norm_quantize writes them and ternary_matmul reads them. */
export interface QuantizedRows {
  /** Columns, padded to a multiple of 64. */
  padded: number;
  /** int8 [tokens, padded], with room for two a word; or f32. */
  values: GPUBuffer;
  /** vec2f [tokens], or with `groups` [tokens, padded / 64]: (1/s, Σ q). */
  scales: GPUBuffer;
  /** Every group of 64 columns has its own entry in `scales`. Default false. */
  groups?: boolean;
}
