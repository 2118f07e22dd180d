// An answer as it grows: sampled tokens in, text that is final out, until an end token or a stop string.

import { StopMatcher, StreamingDetokenizer, type ChatFormat } from '../tokenizer';
import type { ResolvedOptions } from './sampling';

/** What one token adds to an answer. */
export interface AnswerPiece {
  text: string;
  tokenIds: number[];
}

/** The text and tokens of an answer as they come. */
export class Answer {
  readonly tokenIds: number[] = [];
  text = '';
  /** An end token or a stop string has come. */
  stopped = false;
  readonly #detokenizer: StreamingDetokenizer;
  readonly #stops: StopMatcher;
  #cut = false;

  constructor(
    private readonly chat: ChatFormat,
    options: Pick<ResolvedOptions, 'stop'>,
  ) {
    this.#detokenizer = new StreamingDetokenizer(chat.tokenizer);
    this.#stops = new StopMatcher(options.stop);
  }

  /** Adds a sampled token. */
  push(token: number): AnswerPiece {
    this.tokenIds.push(token);
    if (this.chat.endIds.has(token)) {
      this.stopped = true;
      return { text: '', tokenIds: [token] };
    }
    const { text, stop } = this.#stops.push(this.#detokenizer.push(token));
    this.text += text;
    this.#cut = stop !== undefined;
    this.stopped = this.#cut;
    return { text, tokenIds: [token] };
  }

  /** What was held back and is final now that nothing more comes. */
  flush(): string {
    if (this.#cut) return '';
    const rest = this.#stops.push(this.#detokenizer.flush()).text + this.#stops.flush();
    this.text += rest;
    return rest;
  }
}
