// The buffers between the kernels: allocated once at load, used by every step.

import type { BufferMaker } from '../gpu/buffers';
import { attentionRoom, type AttentionVariant } from '../kernels/attention';
import type { QuantizedRows, TernaryMatrix } from '../kernels/matrices';
import { candidateRoom, sliceCount, surveyWords, type SampleBuffers } from '../kernels/sample';
import type { Activations } from '../model/activations';
import type { MatmulPart } from '../kernels/ternary-matmul';
import type { ModelConfig } from '../model/config';
import type { InputNorms } from '../model/tensors';

/** Buffers that one forward pass after the other uses, for up to `tokens` tokens at once. */
export interface WorkBuffers extends SampleBuffers {
  /** Residual stream, f32 [tokens, width]. */
  x: GPUBuffer;
  /** Input of a matrix, normalised and quantised (or f32), of every width that occurs; with room for scales of groups. */
  quantized: Map<number, QuantizedRows>;
  /** f32 [tokens, width]: the residual stream normalised, where each matrix has a norm of its own behind that. */
  normed: GPUBuffer | undefined;
  /** f32 [tokens, (heads + 2·kvHeads)·headDim]. */
  qkv: GPUBuffer;
  /** f32 [tokens, heads·headDim]. */
  attended: GPUBuffer;
  /** f32 [tokens, ffnWidth]. */
  hidden: GPUBuffer;
  /** f32 [lastPadded]: the last token, normalised for the head, and zeros beyond the width. */
  last: GPUBuffer;
  /** The width, padded to a multiple of 64. */
  lastPadded: number;
  /** vec2f [lastPadded / 64]: scales of activations that are not rounded. Whoever allocates them fills them with (1, 0). */
  unitScales: GPUBuffer;
  partial: { sums: GPUBuffer; summary: GPUBuffer };
  /** vec2f [contextLength, rotary/2], see `ropeAngles`. Whoever allocates them fills them. */
  angles: GPUBuffer;
}

/** Allocates them for sequences of up to `contextLength` tokens, whichever of `attentionVariants` will run. */
export function createWorkBuffers(
  buffers: BufferMaker,
  config: ModelConfig,
  attentionVariants: readonly AttentionVariant[],
  tokens: number,
  contextLength: number,
  activations: Activations,
): WorkBuffers {
  const { width, ffnWidth, heads, kvHeads, headDim, vocabularySize, rotary } = config;
  const floats = (label: string, count: number): GPUBuffer => buffers.createBuffer(label, count * 4);
  const quantized = new Map<number, QuantizedRows>();
  for (const cols of [width, heads * headDim, ffnWidth]) {
    if (quantized.has(cols)) continue;
    const padded = Math.ceil(cols / 64) * 64;
    quantized.set(cols, {
      padded,
      values: buffers.createBuffer('quantized', tokens * padded * (activations === 'f32' ? 4 : 2)),
      scales: floats('quantized scales', (tokens * padded * 2) / 64),
    });
  }
  const lastPadded = Math.ceil(width / 64) * 64;
  const splits = Math.max(...attentionVariants.map((variant) => attentionRoom(variant, contextLength)));
  return {
    state: floats('state', 4),
    ids: floats('ids', tokens),
    x: floats('residual stream', tokens * width),
    quantized,
    normed: config.perMatrixNorms ? floats('normed', tokens * width) : undefined,
    qkv: floats('qkv', tokens * (heads + 2 * kvHeads) * headDim),
    attended: floats('attended', tokens * heads * headDim),
    hidden: floats('hidden', tokens * ffnWidth),
    last: floats('last', lastPadded),
    lastPadded,
    unitScales: floats('unit scales', lastPadded / 32),
    partial: {
      sums: floats('attention sums', splits * heads * headDim),
      summary: floats('attention summary', splits * heads * 2),
    },
    angles: floats('rope angles', contextLength * rotary),
    logits: floats('logits', vocabularySize),
    best: floats('best', sliceCount(vocabularySize) * 2),
    survey: floats('survey', surveyWords(vocabularySize)),
    candidates: floats('candidates', 2 * candidateRoom(vocabularySize)),
    options: floats('sampler options', 8),
    history: floats('history', vocabularySize),
    bias: floats('bias', vocabularySize),
  };
}

/** The parts of the stacked matrices as products of their own: q, k and v side by side in `qkv`, gate and up in `hidden`. */
export function productParts({ heads, kvHeads, headDim, ffnWidth }: ModelConfig): InputNorms<MatmulPart> {
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const beside = (firstRow: number, rows: number): MatmulPart => {
    return { firstRow, rows, column: firstRow, stride: q + 2 * kv };
  };
  const hidden = { rows: ffnWidth, column: 0, stride: ffnWidth };
  return {
    q: beside(0, q),
    k: beside(q, kv),
    v: beside(q + kv, kv),
    gate: { ...hidden, firstRow: 0 },
    up: { ...hidden, firstRow: ffnWidth },
  };
}

/** Where the input of `matrix` is made: with the scales of groups, if activations or weights have a scale for each. */
export function inputOf(work: WorkBuffers, matrix: TernaryMatrix, activations: Activations): QuantizedRows {
  const groups = activations === 'int8-group' || matrix.scaleGroup !== 'row';
  return { ...work.quantized.get(matrix.cols)!, groups };
}
