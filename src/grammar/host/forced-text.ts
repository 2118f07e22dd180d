// Text that a grammar leaves no choice about, whole characters of it.

import type { GrammarMatcher } from './xgrammar';

/** What `useForcedText` needs of a matcher. */
export type ByteMatcher = Pick<GrammarMatcher, '_acceptString' | 'rollBack' | 'findJumpForwardString'>;

/**
 * The text that must come next, '' if there is none; `use` is run while the matcher stands behind that text, if there is some.
 *
 * xgrammar's own text consists of bytes: it may end amid a character, whose rest is then read from whatever lies behind it in
 * memory, and where the answer itself has ended amid one, it is no text at all. So it is taken only as far as the grammar accepts
 * it, and its last character only if nothing else could stand for any of its bytes.
 */
export async function useForcedText(matcher: ByteMatcher, use: () => Promise<void>): Promise<string> {
  const text = matcher.findJumpForwardString();
  const last = Array.from(text).at(-1);
  if (last === undefined) return '';
  const path = new Path(matcher);
  try {
    const head = text.slice(0, text.length - last.length);
    if (head !== '' && !path.accepts(head)) return '';
    const forced = path.isForced(new TextEncoder().encode(last)) ? text : head;
    if (forced !== '') await use();
    return forced;
  } finally {
    path.leave();
  }
}

/** Steps of a matcher that are taken back afterwards. */
class Path {
  #steps = 0;

  constructor(private readonly matcher: ByteMatcher) {}

  accepts(part: string | Uint8Array): boolean {
    // The declared type is narrower than the binding, which takes bytes as they are.
    if (!this.matcher._acceptString(part as string)) return false;
    this.#steps++;
    return true;
  }

  /** Goes over the bytes of a character, if they and no others may follow. The first of them is known to be the only one. */
  isForced(character: Uint8Array): boolean {
    const before = this.#steps;
    const isOnly = [...character].every(
      (byte, i) => (i === 0 || !this.#acceptsAnother(byte)) && this.accepts(Uint8Array.of(byte)),
    );
    if (!isOnly) this.#backTo(before);
    return isOnly;
  }

  leave(): void {
    this.#backTo(0);
  }

  /** Whether another byte than this one of those that continue a character may follow. */
  #acceptsAnother(byte: number): boolean {
    const before = this.#steps;
    for (let other = 0x80; other < 0xc0; other++) {
      if (other === byte || !this.accepts(Uint8Array.of(other))) continue;
      this.#backTo(before);
      return true;
    }
    return false;
  }

  #backTo(steps: number): void {
    if (this.#steps > steps) this.matcher.rollBack(this.#steps - steps);
    this.#steps = steps;
  }
}
