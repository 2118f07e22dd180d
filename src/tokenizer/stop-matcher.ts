// Looks for stop strings in text that comes in pieces, holding back what may be the beginning of one.

/** What a piece of text came to. */
export interface StopMatch {
  /** Text that is decided: no stop string begins in it. */
  text: string;
  /** The stop string that was found. `text` ends where it begins, and nothing more will come. */
  stop?: string;
}

/**
 * Finds the first of several stop strings. First is the one that is complete first, so that the outcome does not depend
 * on how the text was cut into pieces; of those complete at the same character, the longest.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';
  #stopped = false;

  /** No stop string is empty. */
  constructor(stops: string | readonly string[] = []) {
    this.#stops = typeof stops === 'string' ? [stops] : stops;
  }

  /** Takes the next piece. After a match it takes no more and returns nothing. */
  push(text: string): StopMatch {
    if (this.#stopped) return { text: '' };
    const all = this.#held + text;
    const match = this.#find(all);
    if (match) {
      this.#stopped = true;
      this.#held = '';
      return { text: all.slice(0, match.start), stop: match.stop };
    }
    const open = this.#openTail(all);
    this.#held = all.slice(open);
    return { text: all.slice(0, open) };
  }

  /** The text that is still held back, now that no more comes. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #find(text: string): { start: number; stop: string } | undefined {
    let best: { start: number; stop: string; end: number } | undefined;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      const end = start + stop.length;
      if (start < 0 || (best && (end > best.end || (end === best.end && start >= best.start)))) continue;
      best = { start, stop, end };
    }
    return best;
  }

  /** Where the longest tail begins that a stop string begins with. */
  #openTail(text: string): number {
    const longest = Math.max(0, ...this.#stops.map((stop) => stop.length - 1));
    for (let at = Math.max(0, text.length - longest); at < text.length; at++) {
      const tail = text.slice(at);
      if (this.#stops.some((stop) => stop.startsWith(tail))) return at;
    }
    return text.length;
  }
}
