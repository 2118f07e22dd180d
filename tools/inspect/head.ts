// What comes after the layers: the last norm and the logits, with activations as they are and as generations round them.

import type { Transformer } from '../../src/inference/transformer';
import type { VocabularyMatrix } from '../../src/kernels/matrices';
import type { Compared } from './compare';
import { keptAs, type FileWeights } from './file-weights';
import { dot, lengthOf, rmsNorm, roundVocabularyRow, type Row } from './formulas';
import { quantizedRows } from './quantized';
import { Readings } from './readings';
import { rowsOf } from './rows';
import { dotTolerance, normTolerance, roundedTolerance } from './tolerance';

/** The shader that computes logits, by the form of the head. */
const KERNELS: Readonly<Record<VocabularyMatrix['format'], string>> = {
  f16: 'lm_head_f16',
  int8: 'lm_head_int8',
  planes: 'lm_head_planes_exact',
  Q4_0: 'lm_head_blocks',
  Q4_K: 'lm_head_blocks',
  Q6_K: 'lm_head_blocks',
  ternary: 'ternary_matmul',
};

/** Runs both heads on the last of `tokens` rows; they are one where generations do not round activations. */
export async function* inspectHead(
  transformer: Transformer,
  weights: FileWeights,
  format: VocabularyMatrix['format'],
  tokens: number,
): AsyncGenerator<Compared, void, undefined> {
  const { gpu, work, config, activations, headInput } = transformer;
  const { width, vocabularySize, eps, tiedHead } = config;
  const run = async (encode: (encoder: GPUCommandEncoder) => void | Promise<void>): Promise<void> => {
    const encoder = gpu.device.createCommandEncoder();
    await encode(encoder);
    gpu.device.queue.submit([encoder.finish()]);
  };
  const one = new Readings(transformer, 1);
  const rows = rowsOf(await new Readings(transformer, tokens).floats(work.x, width), width);
  const normed = rmsNorm(rows.at(-1)!, await weights.vector('output_norm.weight'), eps);
  const matrix = tiedHead || !weights.has('output.weight') ? 'token_embd.weight' : 'output.weight';
  const logits = { layer: undefined, result: 'logits', shape: [vocabularySize], kernel: KERNELS[format] };

  await run((encoder) => transformer.encodeLogits(encoder));
  const last = await one.floats(work.last, width);
  yield {
    layer: undefined,
    stage: 'outputNorm',
    result: 'last row',
    kernel: 'rms_norm',
    shape: [width],
    actual: last,
    expected: normed,
    allowed: normTolerance(normed),
  };
  yield {
    ...logits,
    stage: 'exactHead',
    actual: await one.floats(work.logits, vocabularySize),
    ...(await expectedLogits(weights, matrix, format, last)),
  };
  if (!headInput) return;

  await run((encoder) => transformer.encodeNext(encoder, []));
  const input = await one.matrixInput(headInput.rows, headInput.packing);
  const kernel = 'rms_norm_quantize';
  const inGroups = format === 'ternary' && activations === 'int8-group';
  const scalePer = headInput.packing === 'floats' ? 'none' : inGroups ? 'group' : 'token';
  for (const reference of quantizedRows(input, headInput.rows.padded, { ys: [normed], scalePer }))
    yield { layer: undefined, stage: 'headNorm', kernel, ...reference };
  yield {
    ...logits,
    stage: 'roundedHead',
    actual: await one.floats(work.logits, vocabularySize),
    ...(await expectedLogits(weights, matrix, format, input.values.subarray(0, width))),
  };
}

/** `x` times the rows of a matrix, as they are kept. */
async function expectedLogits(
  weights: FileWeights,
  matrix: string,
  format: VocabularyMatrix['format'],
  x: Row,
): Promise<Pick<Compared, 'expected' | 'allowed'>> {
  const expected: number[] = [];
  const allowed: number[] = [];
  const length = lengthOf(x);
  for await (const { values } of weights.rowBlocks(matrix, keptAs(format))) {
    for (const row of rowsOf(values, x.length)) {
      const kept = format === 'int8' || format === 'planes' ? roundVocabularyRow(row) : undefined;
      const own = kept?.values ?? row;
      // A weight near a half may have been rounded to the other side.
      let otherSide = 0;
      kept?.steps.forEach((step, i) => {
        otherSide += roundedTolerance(kept.scaled[i]!, step) * Math.abs(x[i]!);
      });
      expected.push(dot(own, x));
      allowed.push(otherSide + dotTolerance(lengthOf(own), length));
    }
  }
  return { expected: Float64Array.from(expected), allowed: Float64Array.from(allowed) };
}
