// What an answer can be held to, as plain data: it can be sent to another thread, and compared by its text.

/** A grammar for the text of an answer. */
export interface Grammar {
  /** Rules in xgrammar's EBNF; the answer is what `root` derives. */
  ebnf: string;
  /** Lengths of strings that the rules leave open, because states for each length would take seconds to compile. */
  lengths?: StringLengths;
}

/**
 * Bounds of the strings in a JSON text, by where they stand in it. An escape counts as what it stands for. `min` counts code
 * points, as JSON Schema does, and `max` units of UTF-16, as JavaScript does: so each holds by either count.
 */
export interface StringLengths {
  /** Where the JSON begins: behind the last occurrence of this text, or at the beginning of the answer for ''. */
  behind: string;
  /** Each for the strings at one path; a path is made of keys, and `*` stands for every index or key that is not named. */
  bounds: readonly { path: readonly string[]; min: number; max: number }[];
}
