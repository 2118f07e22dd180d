// Turns ids into text one by one, giving out only text that can no longer change.
import { createTextDecoder, type Tokenizer } from './tokenizer';

/**
 * The text of a growing sequence of ids. A character that spans several tokens comes with the token that completes it.
 * What `push` and `flush` return, joined, is what `Tokenizer.decode` gives for all ids at once.
 */
export class StreamingDetokenizer {
  readonly #decoder = createTextDecoder();

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly options: { renderSpecial?: boolean } = {},
  ) {}

  /** The text that is final now that `id` has come. */
  push(id: number): string {
    return this.#decoder.decode(this.tokenizer.bytes(id, this.options), { stream: true });
  }

  /** What is left when no more ids come: a replacement character for a character that was not completed, or nothing. */
  flush(): string {
    return this.#decoder.decode();
  }
}
