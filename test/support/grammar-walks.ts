// Answers that a grammar derives, drawn at random through the masks of the real xgrammar, and whether it derives a given text.

import { expect } from 'vitest';
import { TernionError } from '../../src/errors';
import type { Grammar } from '../../src/grammar/grammar';
import { ThreadedGrammars, type GrammarService, type GrammarState } from '../../src/grammar/service';
import { idsOf, inProcess, vocabularyOf } from './grammar-threads';

/** Each byte, and texts that cross the borders of rules: within a string, around punctuation, across characters. */
const BYTES = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const LONGER =
  '": |", "|{"|"}|"]|}]|: {|, |: |: [|\\"|\\\\|\\n|"\\|true|null|12|00|0.|-1|.5|name|ab|abc|é|日本|é"|本"|c", "|</|\n{"'.split(
    '|',
  );
const END = BYTES.length + LONGER.length;
const VOCABULARY = vocabularyOf([...BYTES, ...LONGER, new Uint8Array()], [END]);
const TOKENS = VOCABULARY.tokens();

/** What brings most texts to an end. */
const CLOSING_STRINGS = ['"', '"}', '"]'].map((text) => tokenOf(text));
const CLOSING = ['}', ']', ')', '}]'].map((text) => tokenOf(text));

/** No walk is as long, unless it never ends. */
const MAX_TOKENS = 5000;

function tokenOf(text: string): number {
  const bytes = new TextEncoder().encode(text);
  return TOKENS.findIndex(
    (token) => token.length === bytes.length && token.every((byte, i) => byte === bytes[i]),
  );
}

/** The service with xgrammar in this thread, and what tests ask of it. */
export class Walks {
  readonly #service: GrammarService = new ThreadedGrammars(inProcess);

  /** A text that the grammar derives, by the choices of `next`. What was forced on the way is expected to have come. */
  async text(grammar: Grammar, next: () => number): Promise<string> {
    return this.#following(grammar, async (state) => {
      const ids: number[] = [];
      const forcings: { at: number; text: string }[] = [];
      let length = 0;
      while (ids.length < MAX_TOKENS) {
        const { mask, forced } = await state.after(ids);
        if (forced !== '') forcings.push({ at: length, text: forced });
        const id = chosen(idsOf(mask), ids.length, next);
        if (id === END) return textOf(ids, forcings);
        ids.push(id);
        length += TOKENS[id]?.length ?? 0;
      }
      throw new Error(`The walk does not end: ${textOf(ids.slice(0, 100), [])}…`);
    });
  }

  /** Whether the grammar derives this text, spelled in bytes. */
  async derives(grammar: Grammar, text: string): Promise<boolean> {
    return this.#following(grammar, async (state) => {
      try {
        return idsOf((await state.after([...new TextEncoder().encode(text)])).mask).includes(END);
      } catch (error) {
        if (error instanceof TernionError && /does not allow token/.test(error.message)) return false;
        throw error;
      }
    });
  }

  async #following<T>(grammar: Grammar, work: (state: GrammarState) => Promise<T>): Promise<T> {
    const state = await this.#service.follow(VOCABULARY, grammar);
    try {
      return await work(state);
    } finally {
      state.release();
    }
  }
}

/** Any of the allowed ids, with a liking for the end that grows with the length. */
function chosen(allowed: readonly number[], length: number, next: () => number): number {
  const last = [[END], CLOSING_STRINGS, CLOSING].map((ids) => allowed.filter((id) => ids.includes(id)));
  const ends = last.find((ids) => ids.length > 0) ?? [];
  const share = length < 60 ? 0.2 : 0.6;
  const among = ends.length > 0 && next() < share ? ends : allowed;
  return among[Math.floor(next() * among.length)] ?? END;
}

/** Throws if the tokens are no UTF-8, or if what was forced did not follow. */
function textOf(ids: readonly number[], forcings: readonly { at: number; text: string }[]): string {
  const bytes = Uint8Array.from(ids.flatMap((id) => [...(TOKENS[id] ?? [])]));
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (const { at, text } of forcings) {
    const end = at + new TextEncoder().encode(text).length;
    expect(decoder.decode(bytes.subarray(at, end))).toBe(text);
  }
  return decoder.decode(bytes);
}
