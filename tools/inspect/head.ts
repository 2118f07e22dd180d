// What comes after the layers: the last norm and the logits, with the head as the file has it and with the one that
// generations use.

import type { Transformer } from '../../src/inference/transformer';
import type { Compared } from './compare';
import type { FileWeights } from './file-weights';
import { dot, lengthOf, rmsNorm, roundToInt8, type Row } from './formulas';
import { quantizedRows } from './quantized';
import { Readings } from './readings';
import { rowsOf } from './rows';
import { dotTolerance, normTolerance, roundedTolerance } from './tolerance';

/** Runs both heads on the last of `tokens` rows; they are one where generations use the exact one. */
export async function* inspectHead(
  transformer: Transformer,
  weights: FileWeights,
  tokens: number,
): AsyncGenerator<Compared, void, undefined> {
  const { gpu, work, config } = transformer;
  const { width, vocabularySize, eps, tiedHead } = config;
  const run = (encode: (encoder: GPUCommandEncoder) => void): void => {
    const encoder = gpu.device.createCommandEncoder();
    encode(encoder);
    gpu.device.queue.submit([encoder.finish()]);
  };
  const one = new Readings(transformer, 1);
  const rows = rowsOf(await new Readings(transformer, tokens).floats(work.x, width), width);
  const normed = rmsNorm(rows.at(-1)!, await weights.vector('output_norm.weight'), eps);
  const matrix = tiedHead || !weights.has('output.weight') ? 'token_embd.weight' : 'output.weight';
  const logits = { layer: undefined, result: 'logits', shape: [vocabularySize] };

  run((encoder) => transformer.encodeLogits(encoder));
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
  const { products, norms } = await weights.multiply(matrix, [Float64Array.from(last)], 'f16');
  yield {
    ...logits,
    stage: 'exactHead',
    kernel: 'lm_head_f16',
    actual: await one.floats(work.logits, vocabularySize),
    expected: products[0]!,
    allowed: norms.map((norm) => dotTolerance(norm, lengthOf(last))),
  };
  if (transformer.exactHeadOnly) return;

  run((encoder) => transformer.encodeNext(encoder, []));
  const out = work.quantized.get(width)!;
  const input = await one.matrixInput(out, 'bytes');
  const kernel = 'rms_norm_quantize';
  for (const reference of quantizedRows(input, out.padded, { ys: [normed], scalePer: 'token' }))
    yield { layer: undefined, stage: 'headNorm', kernel, ...reference };
  yield {
    ...logits,
    stage: 'int8Head',
    kernel: 'lm_head_int8',
    actual: await one.floats(work.logits, vocabularySize),
    ...(await int8Logits(weights, matrix, input.values.subarray(0, width))),
  };
}

/** `x` times the rows of a matrix, each rounded to int8 as the GPU does it when it loads. */
async function int8Logits(
  weights: FileWeights,
  matrix: string,
  x: Row,
): Promise<Pick<Compared, 'expected' | 'allowed'>> {
  const expected: number[] = [];
  const allowed: number[] = [];
  const length = lengthOf(x);
  for await (const { values } of weights.rowBlocks(matrix, 'f16')) {
    for (const row of rowsOf(values, x.length)) {
      const rounded = roundToInt8(row, 'token');
      // A weight near a half may have been rounded to the other side.
      let otherSide = 0;
      for (const [i, step] of rounded.steps.entries()) {
        otherSide += roundedTolerance(rounded.scaled[i]!, step) * Math.abs(x[i]!);
      }
      expected.push(dot(rounded.values, x));
      allowed.push(otherSide + dotTolerance(lengthOf(rounded.values), length));
    }
  }
  return { expected: Float64Array.from(expected), allowed: Float64Array.from(allowed) };
}
