// Lets a model reason before it gives an answer of a shape: the shape is that of what stands behind the reasoning.

import { maskOfTokens } from '../inference/masks';
import type { Allowed, TokenGuide } from '../inference/token-guide';
import { createTextDecoder, type ReasoningFormat, type Tokenizer } from '../tokenizer';

/** What templates put between the reasoning and the answer. */
const GAP = '\n\n';

/** How far an answer has come. */
interface Place {
  /** Tokens that were looked at. */
  tokenIds: readonly number[];
  /** The last text of the reasoning, long enough to find the closing mark in. */
  tail: string;
  /** How many tokens stand before what the shape is of; undefined while the model reasons. */
  from: number | undefined;
}

/** Restricts what comes behind the reasoning by another guide. Reasoning may be left out, unless the prompt has opened it. */
export class ReasoningGuide implements TokenGuide {
  readonly #open: readonly number[];
  readonly #gap: readonly number[];
  #place: Place | undefined;

  /**
   * @param notEnds all tokens but those that end an answer, as a mask: an answer does not end amid its reasoning.
   * @param sampleAll nothing is forced: each token is sampled, if only among one.
   */
  constructor(
    private readonly behind: TokenGuide,
    private readonly format: ReasoningFormat,
    private readonly tokenizer: Tokenizer,
    private readonly notEnds: Uint32Array,
    private readonly sampleAll: boolean,
  ) {
    this.#open = tokenizer.encode(format.marks.open, { parseSpecial: true });
    const gap = tokenizer.encode(GAP);
    // SentencePiece puts a space in front.
    this.#gap = tokenizer.decode(gap) === GAP ? gap : [];
  }

  async after(tokenIds: readonly number[]): Promise<Allowed> {
    if (tokenIds.length === 0 && !this.format.opened) return this.#first();
    const from = this.#from(tokenIds);
    if (from === undefined) {
      const rest = this.format.opened ? [] : this.#open.slice(tokenIds.length);
      if (rest.length > 0) return this.#must(rest);
      return { kind: 'some', mask: this.notEnds };
    }
    const missing = from > 0 ? this.#gap.slice(tokenIds.length - from) : [];
    if (missing.length > 0) return this.#must(missing);
    return this.behind.after(tokenIds.slice(from > 0 ? from + this.#gap.length : 0));
  }

  /** These tokens come next, whatever the model thinks of them. */
  #must(tokenIds: readonly number[]): Allowed {
    if (!this.sampleAll) return { kind: 'forced', tokenIds };
    return { kind: 'some', mask: maskOfTokens(this.tokenizer.vocabularySize, tokenIds.slice(0, 1), []) };
  }

  /** The model may open its reasoning, or give the answer at once. */
  async #first(): Promise<Allowed> {
    const [open] = this.#open;
    const allowed = await this.behind.after([]);
    if (allowed.kind === 'any' || open === undefined) return allowed;
    const words = this.notEnds.length;
    const mask = new Uint32Array(words);
    if (allowed.kind === 'some') mask.set(allowed.mask.subarray(0, words));
    else for (const id of allowed.tokenIds.slice(0, 1)) mask[id >> 5]! |= 1 << (id & 31);
    mask[open >> 5]! |= 1 << (open & 31);
    return { kind: 'some', mask };
  }

  /** How many tokens the reasoning and its marks are; 0 for an answer without, undefined for reasoning that goes on. */
  #from(tokenIds: readonly number[]): number | undefined {
    const { opened, marks } = this.format;
    if (!opened && tokenIds[0] !== this.#open[0]) return 0;
    const known = this.#place;
    const goesOn = known !== undefined && known.tokenIds.every((id, i) => id === tokenIds[i]);
    const place: Place = goesOn ? { ...known } : { tokenIds: [], tail: '', from: undefined };
    for (let at = place.tokenIds.length; place.from === undefined && at < tokenIds.length; at++) {
      const isMark = !opened && at < this.#open.length;
      // The mark may be a control token. Characters that are cut in two do not matter: it has none.
      if (!isMark) place.tail += textOf(this.tokenizer, tokenIds[at] ?? 0);
      if (place.tail.includes(marks.close)) place.from = at + 1;
      place.tail = place.tail.slice(-marks.close.length);
    }
    this.#place = { ...place, tokenIds: [...tokenIds].slice(0, place.from ?? tokenIds.length) };
    return place.from;
  }
}

function textOf(tokenizer: Tokenizer, id: number): string {
  return tokenizer.isSpecial(id)
    ? tokenizer.tokenText(id)
    : createTextDecoder().decode(tokenizer.tokenBytes(id));
}
