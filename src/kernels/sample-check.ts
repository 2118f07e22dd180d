// Known answers for choices among the tokens of a mask.

import type { GpuContext } from '../gpu/context';
import { run, sequence, withBuffers } from './known-answers';
import {
  candidateRoom,
  maskWords,
  NO_TOKEN,
  packSamplerOptions,
  sample,
  sliceCount,
  surveyWords,
  type SampleMode,
  type SamplerParameters,
} from './sample';

/** Which tokens may come. */
type Rule = (token: number) => boolean;

/**
 * Whether the kernels of a masked choice are right on this device. They are checked at the vocabulary's own size, so that they
 * are the same pipelines that then run.
 */
export async function checkMasked(
  gpu: GpuContext,
  vocabulary: number,
  threads: number,
  mode: SampleMode,
): Promise<boolean> {
  const random = sequence(11);
  // Sixteenths from 0 to 8, falling on the whole, so that what comes first is better and is forbidden below.
  const logits = Float32Array.from(
    { length: vocabulary },
    (_, token) => (random() % 64) / 16 + (token % 7 === 0 ? 4 : 0),
  );
  // The largest that are common, on tokens that must not come.
  const bias = Float32Array.from({ length: vocabulary }, (_, token) => (token % 5 === 0 ? 1e30 : 0));
  const last = vocabulary - 1;
  const rules: Rule[] = [
    (token) => token % 7 !== 0 && token % 5 !== 0,
    (token) => token === last,
    () => false,
  ];
  return withBuffers(gpu, async (scratch) => {
    const buffers = {
      logits: scratch(logits),
      best: scratch(new Uint32Array(sliceCount(vocabulary) * 2)),
      options: scratch(packSamplerOptions(PLAIN)),
      history: scratch(new Uint32Array(vocabulary)),
      bias: scratch(bias),
      state: scratch(Uint32Array.of(0, 1, 0, 0)),
      ids: scratch(new Uint32Array(1)),
      survey: scratch(new Uint32Array(surveyWords(vocabulary))),
      candidates: scratch(new Uint32Array(2 * candidateRoom(vocabulary))),
      mask: scratch(new Uint32Array(maskWords(vocabulary))),
    };
    const dispatches = await sample(gpu, vocabulary, threads, mode, buffers);
    const biased = mode.penalties ? logits.map((logit, token) => logit + bias[token]!) : logits;
    for (const options of mode.random ? [BEST, PLAIN] : [PLAIN]) {
      gpu.write(buffers.options, 0, packSamplerOptions(options));
      for (const rule of rules) {
        gpu.write(buffers.logits, 0, logits);
        gpu.write(buffers.mask, 0, maskOf(vocabulary, rule));
        const { buffer } = await run(gpu, dispatches, buffers.ids);
        if (!isRight(new Uint32Array(buffer)[0]!, biased, rule, mode, options)) return false;
      }
    }
    return true;
  });
}

const PLAIN: SamplerParameters = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  seed: 1,
};

/** One token is drawn among the best. Without filters another kernel draws. */
const BEST: SamplerParameters = { ...PLAIN, topK: 1 };

function maskOf(vocabulary: number, rule: Rule): Uint32Array {
  const mask = new Uint32Array(maskWords(vocabulary));
  for (let token = 0; token < vocabulary; token++) if (rule(token)) mask[token >> 5]! |= 1 << (token & 31);
  return mask;
}

/** The first of the best that may come; where one is drawn, any of them, or without filters of all that may; none where there is none. */
function isRight(
  chosen: number,
  logits: Float32Array,
  rule: Rule,
  { random }: SampleMode,
  { topK }: SamplerParameters,
): boolean {
  const allowed = [...logits.keys()].filter(rule);
  if (allowed.length === 0) return chosen === NO_TOKEN;
  const top = allowed.reduce((most, token) => Math.max(most, logits[token]!), -Infinity);
  const best = allowed.filter((token) => logits[token] === top);
  if (!random) return chosen === best[0];
  return (topK === 0 ? allowed : best).includes(chosen);
}
