// Log-probabilities as the APIs write them.

import type { SampledLogprob, TokenLogprob } from '../../engine/types';

/** Of chat completions and of responses: an entry a token, the ids of `return_token_ids` in the same order. */
export function tokenLogprobs(sampled: readonly SampledLogprob[]): object[] {
  return sampled.map((token) => ({ ...entryOf(token), top_logprobs: token.alternatives.map(entryOf) }));
}

function entryOf({ text, logprob, bytes }: TokenLogprob): object {
  // The API has null where nobody knows the bytes: a part of a character, by an engine that does not say them.
  const ofText = text.includes('\ufffd') ? null : [...new TextEncoder().encode(text)];
  return { token: text, logprob, bytes: bytes ?? ofText };
}

/** Of plain completions: lists side by side. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  text_offset: number[];
}

/** `offset` is where in the text the first token begins. */
export function completionLogprobs(sampled: readonly SampledLogprob[], offset: number): CompletionLogprobs {
  let at = offset;
  return {
    tokens: sampled.map(({ text }) => text),
    token_logprobs: sampled.map(({ logprob }) => logprob),
    top_logprobs: sampled.map(({ alternatives }) =>
      Object.fromEntries(alternatives.map(({ text, logprob }) => [text, logprob])),
    ),
    text_offset: sampled.map(({ text }) => (at += text.length) - text.length),
  };
}
