// Known answers for log-probabilities.

import type { GpuContext } from '../gpu/context';
import { isClose, run, sequence, withBuffers } from './known-answers';
import { logprobs, MOST_LOGPROBS, readRecord, recordWords } from './logprobs';
import { sliceCount } from './sample';

/** Two slices and a part of one. */
const VOCABULARY = 2500;
const CHOSEN = 1777;

/** Whether the kernels are right on this device. */
export async function checkLogprobs(gpu: GpuContext, threads: number): Promise<boolean> {
  const random = sequence(7);
  // Eighths from -8 to 8, so that many are the same: of equals the lower token comes first.
  const logits = Float32Array.from({ length: VOCABULARY }, () => (random() % 129) / 8 - 8);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const logprobOf = (token: number): number => logits[token]! - Math.log(total);
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, MOST_LOGPROBS);
  return withBuffers(gpu, async (scratch) => {
    const buffers = {
      logits: scratch(logits),
      ids: scratch(Uint32Array.of(CHOSEN)),
      plain: scratch(new Float32Array(VOCABULARY)),
      candidates: scratch(new Uint32Array(sliceCount(VOCABULARY) * MOST_LOGPROBS * 2)),
      masses: scratch(new Float32Array(sliceCount(VOCABULARY) * 2)),
      record: scratch(new Uint32Array(recordWords(MOST_LOGPROBS))),
    };
    const { before, behind } = await logprobs(gpu, VOCABULARY, threads, MOST_LOGPROBS, buffers);
    const { buffer } = await run(gpu, [before, behind], buffers.record);
    const { chosen, likeliest } = readRecord(new Uint32Array(buffer, 0, recordWords(MOST_LOGPROBS)));
    const rated = [chosen, ...likeliest];
    const expected = [CHOSEN, ...order];
    return (
      rated.length === expected.length &&
      rated.every(({ token }, i) => token === expected[i]) &&
      isClose(
        Float32Array.from(rated, ({ logprob }) => logprob),
        Float64Array.from(expected, logprobOf),
      )
    );
  });
}
