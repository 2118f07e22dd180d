// Holds the tokens of an answer to a grammar: what may come next is asked of the grammar's state, what must come is given at once.

import type { GrammarState, GrammarVocabulary } from '../grammar/service';
import type { Allowed, TokenGuide } from '../inference/token-guide';
import { CALL_MARKS, type ChatFormat, type Tokenizer } from '../tokenizer';

/** How an answer is held to a grammar. */
export interface GuideOptions {
  /** Nothing is forced: each token is sampled, if only among one. For log-probabilities, which every token has. */
  sampleAll: boolean;
  /** Tokens that may come at all: bit `id % 32` of word `id >> 5`. Undefined for all. */
  mask?: Uint32Array | undefined;
}

/**
 * The tokens of a tokenizer as grammars see them: control tokens have no bytes, as no text is one, but for the marks around calls
 * of tools, which are text to a grammar.
 */
export function grammarTokens(tokenizer: Tokenizer): readonly Uint8Array[] {
  return Array.from({ length: tokenizer.vocabularySize }, (_, id) =>
    isText(tokenizer, id) ? tokenizer.tokenBytes(id) : new Uint8Array(),
  );
}

function isText(tokenizer: Tokenizer, id: number): boolean {
  const marks: readonly string[] = Object.values(CALL_MARKS);
  return !tokenizer.isSpecial(id) || marks.includes(tokenizer.tokenText(id));
}

/** The tokens of a chat, and those that end its answers. */
export function grammarVocabulary(tokens: readonly Uint8Array[], chat: ChatFormat): GrammarVocabulary {
  return { tokens: () => tokens, endIds: [...chat.endIds] };
}

/**
 * Asks the state of a grammar. Where it leaves no choice the text that must come is cut into tokens as the tokenizer does it,
 * which is what models were trained on; the last token is left to the model, because it may be a longer one with the text
 * behind it. An answer that can only end does so with the token that ends a turn of the chat.
 */
export class GrammarGuide implements TokenGuide {
  constructor(
    private readonly state: GrammarState,
    private readonly chat: ChatFormat,
    private readonly options: GuideOptions,
  ) {}

  async after(tokenIds: readonly number[]): Promise<Allowed> {
    const { mask, forced, ended, endsWithForced } = await this.state.after(tokenIds);
    if (!this.options.sampleAll) {
      const ids = ended ? this.#end() : this.#cut(forced, endsWithForced);
      if (ids.length > 0) return { kind: 'forced', tokenIds: ids };
    }
    return { kind: 'some', mask };
  }

  release(): void {
    this.state.release();
  }

  #end(): number[] {
    const { turnEnd } = this.chat;
    return turnEnd !== undefined && this.#mayCome(turnEnd) ? [turnEnd] : [];
  }

  /** The tokens of `text`; none where the tokenizer does not give just that text back. */
  #cut(text: string, isWhole: boolean): number[] {
    if (text === '') return [];
    const { tokenizer } = this.chat;
    // Where a mark around calls is a control token, that token is what the model was trained on.
    const all = tokenizer.encode(text, { parseSpecial: true });
    const ids = isWhole ? all : all.slice(0, -1);
    const isSound = ids.every((id) => isText(tokenizer, id) && this.#mayCome(id));
    return isSound &&
      begins(
        new TextEncoder().encode(text),
        ids.map((id) => tokenizer.tokenBytes(id)),
      )
      ? ids
      : [];
  }

  #mayCome(id: number): boolean {
    const { mask } = this.options;
    return mask === undefined || (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
  }
}

/** Whether `bytes` begins with `parts` in a row. */
function begins(bytes: Uint8Array, parts: readonly Uint8Array[]): boolean {
  let at = 0;
  return parts.every((part) => part.every((byte) => byte === bytes[at++]));
}
