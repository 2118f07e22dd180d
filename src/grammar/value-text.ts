// How values are written, in JSON and in Python: one text for each value, so that two keys differ exactly if their texts do.

/** Values in JSON (`true`, `"it's"`) or as Python's literals (`True`, `'it\'s'`). */
export type ValueStyle = 'json' | 'python';

/** What the two styles differ in. */
export interface Notation {
  quote: '"' | "'";
  /** The letter behind the backslash, for the characters that have one. All others from U+0020 on stand for themselves. */
  escapes: ReadonlyMap<number, string>;
  words: { true: string; false: string; null: string };
}

const CONTROLS: readonly (readonly [number, string])[] = [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x5c, '\\'],
];

const NOTATIONS: Readonly<Record<ValueStyle, Notation>> = {
  json: {
    quote: '"',
    escapes: new Map([...CONTROLS, [0x22, '"']]),
    words: { true: 'true', false: 'false', null: 'null' },
  },
  python: {
    quote: "'",
    escapes: new Map([...CONTROLS, [0x27, "'"]]),
    words: { true: 'True', false: 'False', null: 'None' },
  },
};

export function notationOf(style: ValueStyle): Notation {
  return NOTATIONS[style];
}

/** The text of a JSON value, on one line, with `", "` and `": "` as Python's json.dumps has them. */
export function valueText(value: unknown, style: ValueStyle): string {
  if (typeof value === 'string') return stringText(value, style);
  if (typeof value === 'number') return numberText(value);
  if (Array.isArray(value)) return `[${value.map((item) => valueText(item, style)).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${stringText(key, style)}: ${valueText(item, style)}`,
    );
    return `{${members.join(', ')}}`;
  }
  return NOTATIONS[style].words[value === null ? 'null' : value === true ? 'true' : 'false'];
}

/** Minus zero is zero to every reader but JavaScript. */
function numberText(value: number): string {
  return JSON.stringify(value === 0 ? 0 : value);
}

/** The text of a string, with its quotes. */
export function stringText(text: string, style: ValueStyle): string {
  const { quote, escapes } = NOTATIONS[style];
  const characters = Array.from(text, (character) => {
    const codePoint = character.codePointAt(0) ?? 0;
    const letter = escapes.get(codePoint);
    if (letter !== undefined) return `\\${letter}`;
    const bare = codePoint >= 0x20 && !(codePoint >= 0xd800 && codePoint <= 0xdfff);
    return bare ? character : `\\u${codePoint.toString(16).padStart(4, '0')}`;
  });
  return quote + characters.join('') + quote;
}
