// An answer for those who do not stream: the chunks of its stream, put together.

import { TernionError } from '../errors';
import type { Answer, GenerateChunk, SampledLogprob } from './types';

/** Reads `chunks` to the end. Rejects with what they fail with. */
export async function wholeAnswer(chunks: ReadableStream<GenerateChunk>): Promise<Answer> {
  const tokenIds: number[] = [];
  let logprobs: SampledLogprob[] | undefined;
  let text = '';
  let reasoning = '';
  const reader = chunks.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new TernionError('internal', 'An answer ended without its last chunk.');
    text += value.text;
    reasoning += value.reasoning ?? '';
    tokenIds.push(...value.tokenIds);
    if (value.logprobs) (logprobs ??= []).push(...value.logprobs);
    const { finishReason, usage } = value;
    if (!finishReason || !usage) continue;
    // The end of the stream is the end of the turn.
    await reader.read();
    return {
      text,
      ...(reasoning && { reasoning }),
      tokenIds,
      ...(logprobs && { logprobs }),
      finishReason,
      usage,
    };
  }
}

/** Adds what `piece` says to what came before it. */
export function append(
  whole: Pick<GenerateChunk, 'text' | 'reasoning' | 'tokenIds'>,
  { text, reasoning, tokenIds }: Pick<GenerateChunk, 'text' | 'reasoning' | 'tokenIds'>,
): void {
  whole.text += text;
  whole.tokenIds.push(...tokenIds);
  if (reasoning) whole.reasoning = (whole.reasoning ?? '') + reasoning;
}
