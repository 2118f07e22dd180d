// Parses JSON of files that anyone may have made, within bounds that follow from its length.

import { TernionError } from '../errors';

/** Real files nest a dozen deep. Whoever walks the values may do so by recursion. */
const MAX_DEPTH = 64;
/**
 * Lists and objects that a text may have. An empty one is two characters that become 60 bytes. The most are in vocabularies
 * with merges as pairs, of some twenty characters each.
 */
const MAX_CONTAINERS = 200_000;
const CHARACTERS_PER_CONTAINER = 12;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: readonly number[] = [0x5b, 0x7b];
const CLOSING: readonly number[] = [0x5d, 0x7d];

/**
 * The value that `text` describes. `what` is the text's name in messages, as the beginning of a sentence.
 *
 * @throws TernionError `corrupt-file` if it is no JSON, or nests deeper or has more lists and objects than a file of its
 *   length has any use for.
 */
export function parseJson(text: string, what: string): unknown {
  checkContainers(text, what);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TernionError('corrupt-file', `${what} is no valid JSON.`, { cause });
  }
}

function checkContainers(text: string, what: string): void {
  const most = MAX_CONTAINERS + text.length / CHARACTERS_PER_CONTAINER;
  let containers = 0;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) inString = !inString;
    else if (inString) i += unit === BACKSLASH ? 1 : 0;
    else if (CLOSING.includes(unit)) depth--;
    else if (OPENING.includes(unit)) {
      containers++;
      if (++depth > MAX_DEPTH) throw tooMuch(what, `nests values more than ${MAX_DEPTH} deep`);
      if (containers > most) throw tooMuch(what, `has more than ${Math.floor(most)} lists and objects`);
    }
  }
}

function tooMuch(what: string, why: string): TernionError {
  return new TernionError('corrupt-file', `${what} ${why}, which no model's file does.`);
}
