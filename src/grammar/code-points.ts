// Sets of Unicode code points, and how a grammar over bytes derives one character of such a set.

/** Code points from `first` to `last`, both included. */
export type CodePointRange = readonly [first: number, last: number];

const LAST = 0x10ffff;

/** An immutable set of code points, kept as ranges in order with gaps between them. */
export class CodePoints {
  private constructor(readonly ranges: readonly CodePointRange[]) {}

  static of(...ranges: readonly CodePointRange[]): CodePoints {
    const sorted = ranges.filter(([first, last]) => first <= last).sort((a, b) => a[0] - b[0]);
    const merged: [number, number][] = [];
    for (const [first, last] of sorted) {
      const before = merged.at(-1);
      if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
      else merged.push([first, last]);
    }
    return new CodePoints(merged);
  }

  /** The characters of a text. */
  static in(text: string): CodePoints {
    return CodePoints.of(...Array.from(text, (character) => single(character.codePointAt(0) ?? 0)));
  }

  union(other: CodePoints): CodePoints {
    return CodePoints.of(...this.ranges, ...other.ranges);
  }

  /** All code points that are not in this set. */
  complement(): CodePoints {
    const gaps: CodePointRange[] = [];
    let next = 0;
    for (const [first, last] of this.ranges) {
      gaps.push([next, first - 1]);
      next = last + 1;
    }
    return CodePoints.of(...gaps, [next, LAST]);
  }

  minus(other: CodePoints): CodePoints {
    return this.complement().union(other).complement();
  }

  and(other: CodePoints): CodePoints {
    return this.minus(other.complement());
  }

  has(codePoint: number): boolean {
    return this.ranges.some(([first, last]) => first <= codePoint && codePoint <= last);
  }

  get isEmpty(): boolean {
    return this.ranges.length === 0;
  }
}

/** Every code point. */
export const EVERYTHING = CodePoints.of([0, LAST]);

/** Halves of UTF-16 pairs, which are no characters: no UTF-8 text has them. */
export const SURROGATES = CodePoints.of([0xd800, 0xdfff]);

/**
 * The EBNF of one character of the set, as alternatives with `|` between them; surrogates are left out. Undefined if nothing
 * is left.
 *
 * xgrammar's classes are sets of bytes, whatever its syntax suggests: `[é-ê]` accepts no é, and `[^"]` accepts bytes that are
 * no UTF-8 (measured with 0.1.27). So what is not ASCII is written out as the bytes of UTF-8, a class for each.
 */
export function characterAlternatives(set: CodePoints): readonly string[] {
  const ranges = set.minus(SURROGATES).ranges;
  const ascii = ranges
    .filter(([first]) => first < 0x80)
    .map(([first, last]) => [first, Math.min(last, 0x7f)] as const);
  const longer = ranges.flatMap(([first, last]) => utf8Ranges(Math.max(first, 0x80), last));
  return [...(ascii.length > 0 ? [classOf(ascii)] : []), ...byteTree(longer)];
}

/** Sequences of bytes as alternatives that differ in their first byte, each with what follows it. */
function byteTree(sequences: readonly (readonly CodePointRange[])[]): string[] {
  const groups = new Map<string, { first: CodePointRange; rests: (readonly CodePointRange[])[] }>();
  for (const [first, ...rest] of sequences) {
    if (!first) continue;
    // First bytes are the same or have none in common, since the sequences are of code points in order.
    const group = groups.get(first.join()) ?? { first, rests: [] };
    group.rests.push(rest);
    groups.set(first.join(), group);
  }
  const lasts = Array.from(groups.values()).filter(({ rests }) => rests.every((rest) => rest.length === 0));
  const inner = Array.from(groups.values()).filter(({ rests }) => rests.some((rest) => rest.length > 0));
  const ways = inner.map(({ first, rests }) => {
    const following = byteTree(rests);
    return `${classOf([first])} ${following.length > 1 ? `(${following.join(' | ')})` : following.join('')}`;
  });
  return [...(lasts.length > 0 ? [classOf(lasts.map(({ first }) => first))] : []), ...ways];
}

function classOf(ranges: readonly CodePointRange[]): string {
  return `[${ranges.map(byteRange).join('')}]`;
}

/** A range within a class. One byte alone is written twice: a class of a single byte is taken for a character otherwise. */
function byteRange([first, last]: CodePointRange): string {
  if (first !== last) return `${byte(first)}-${byte(last)}`;
  return first < 0x80 ? byte(first) : byte(first) + byte(first);
}

function byte(value: number): string {
  const character = String.fromCharCode(value);
  // `\\x5f` would go on with the next character where that is a digit of a hexadecimal number.
  return /[A-Za-z0-9]/.test(character) ? character : `\\u${value.toString(16).padStart(4, '0')}`;
}

/** The sequences of byte ranges whose product is exactly the UTF-8 of these code points. */
function utf8Ranges(first: number, last: number): CodePointRange[][] {
  if (first > last) return [];
  for (const end of [0x7f, 0x7ff, 0xffff]) {
    if (first <= end && end < last) return [...utf8Ranges(first, end), ...utf8Ranges(end + 1, last)];
  }
  // Where bytes before the last differ, those after them must run through all of their values.
  for (let bits = 6; bits <= 18; bits += 6) {
    const low = (1 << bits) - 1;
    if ((first & ~low) === (last & ~low)) continue;
    if ((first & low) !== 0)
      return [...utf8Ranges(first, first | low), ...utf8Ranges((first | low) + 1, last)];
    if ((last & low) !== low)
      return [...utf8Ranges(first, (last & ~low) - 1), ...utf8Ranges(last & ~low, last)];
  }
  const [from, to] = [utf8(first), utf8(last)];
  return [Array.from(from, (value, i) => [value, to[i] ?? value] as const)];
}

function utf8(codePoint: number): Uint8Array {
  return new TextEncoder().encode(String.fromCodePoint(codePoint));
}

function single(codePoint: number): CodePointRange {
  return [codePoint, codePoint];
}
