// An answer as it grows: sampled tokens in, text that is final out, until an end token or a stop string.

import type { SampledToken } from '../inference/samplers';
import {
  createTextDecoder,
  ReasoningSplitter,
  StopMatcher,
  StreamingDetokenizer,
  type ChatFormat,
  type ReasoningFormat,
  type Tokenizer,
} from '../tokenizer';
import type { ResolvedOptions } from './sampling';
import type { GenerateChunk, SampledLogprob, TokenLogprob } from './types';

/** What one token adds to an answer. */
export type AnswerPiece = Pick<GenerateChunk, 'text' | 'reasoning' | 'tokenIds' | 'logprobs'>;

/** The text and tokens of an answer as they come. */
export class Answer {
  readonly tokenIds: number[] = [];
  /** The end token or the stop string that has come. */
  stopReason: string | number | undefined;
  readonly #detokenizer: StreamingDetokenizer;
  readonly #stops: StopMatcher;
  readonly #reasoning: ReasoningSplitter | undefined;
  #cut = false;

  /** @param reasoning how it shows its reasoning, if it is to be taken apart. */
  constructor(
    private readonly chat: ChatFormat,
    options: Pick<ResolvedOptions, 'stop'>,
    reasoning?: ReasoningFormat,
  ) {
    this.#detokenizer = new StreamingDetokenizer(chat.tokenizer);
    this.#stops = new StopMatcher(options.stop);
    this.#reasoning = reasoning && new ReasoningSplitter(reasoning);
  }

  /** Adds a sampled token. */
  push(sampled: SampledToken): AnswerPiece {
    const { token } = sampled;
    this.tokenIds.push(token);
    const counted = { tokenIds: [token], ...withLogprobs(this.chat.tokenizer, sampled) };
    if (this.chat.endIds.has(token)) {
      this.stopReason = token;
      return { text: '', ...counted };
    }
    return { ...this.#take(this.#textOf(token)), ...counted };
  }

  /** What was held back and is final now that nothing more comes. */
  flush(): Pick<AnswerPiece, 'text' | 'reasoning'> {
    if (this.#cut) return { text: '' };
    const { text, reasoning = '' } = this.#take(this.#detokenizer.flush());
    const held = this.#reasoning?.flush() ?? { text: '', reasoning: '' };
    const rest = this.#cut ? '' : this.#stops.push(held.text).text + this.#stops.flush();
    return piece(text + rest, reasoning + held.reasoning);
  }

  /** A mark of the reasoning may be a control token, which has no text otherwise. */
  #textOf(token: number): string {
    const mark = this.#reasoning?.expected;
    const { tokenizer } = this.chat;
    if (mark !== undefined && tokenizer.isSpecial(token) && tokenizer.tokenText(token) === mark) return mark;
    return this.#detokenizer.push(token);
  }

  /** Takes text that is final as to its characters. Stop strings are looked for in what is no reasoning. */
  #take(all: string): Pick<AnswerPiece, 'text' | 'reasoning'> {
    const { text, reasoning } = this.#reasoning?.push(all) ?? { text: all, reasoning: '' };
    const { text: final, stop } = this.#stops.push(text);
    this.#cut ||= stop !== undefined;
    this.stopReason ??= stop;
    return piece(final, reasoning);
  }
}

function piece(text: string, reasoning: string): Pick<AnswerPiece, 'text' | 'reasoning'> {
  return reasoning === '' ? { text } : { text, reasoning };
}

function withLogprobs(
  tokenizer: Tokenizer,
  { token, logprobs }: SampledToken,
): { logprobs?: SampledLogprob[] } {
  if (!logprobs) return {};
  const described = (tokenId: number, logprob: number): TokenLogprob => {
    const text = createTextDecoder().decode(tokenizer.tokenBytes(tokenId));
    return { tokenId, text, logprob };
  };
  const alternatives = logprobs.likeliest.map((each) => described(each.token, each.logprob));
  return { logprobs: [{ ...described(token, logprobs.own), alternatives }] };
}
