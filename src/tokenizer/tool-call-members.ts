// Reads the members of a JSON object as its text comes, character by character, without waiting for its end.

/** What a value begins with says what it is. */
type ValueKind = 'string' | 'nested' | 'scalar';

/**
 * What a character did: `closed` says that it was the end of the object, `broken` that it cannot stand there, and `refused`
 * that it was the end of a value that the listener does not want.
 */
export type MemberStep = 'on' | 'closed' | 'broken' | 'refused';

/** Is told of the members, and may refuse what it is told of: then the object is over. */
export interface MemberListener {
  /** The next character of the value of `key`. */
  character(key: string, character: string, isFirst: boolean): boolean;
  /** The value of `key` is whole. */
  end(key: string): boolean;
}

type Place =
  'before' | 'first-key' | 'next-key' | 'key' | 'colon' | 'before-value' | 'value' | 'behind-value';

/**
 * Knows where in an object the text is. Of nested values only strings and brackets are told apart: whether they are JSON
 * is for whoever gets their text to find out.
 */
export class MemberScanner {
  #place: Place = 'before';
  #key = '';
  #keyText = '';
  #kind: ValueKind = 'scalar';
  /** Brackets that are open in the value. */
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(private readonly listener: MemberListener) {}

  /** Takes the next character. White space in front of the object belongs to it. */
  take(character: string): MemberStep {
    if (this.#place === 'key') return this.#inKey(character);
    if (this.#place === 'value') return this.#inValue(character);
    if (isSpace(character)) return 'on';
    switch (this.#place) {
      case 'before':
        return this.#go(character === '{', 'first-key');
      case 'first-key':
        return character === '}' ? 'closed' : this.#beginKey(character);
      case 'next-key':
        return this.#beginKey(character);
      case 'colon':
        return this.#go(character === ':', 'before-value');
      case 'before-value':
        return this.#beginValue(character);
      case 'behind-value':
        return character === '}' ? 'closed' : this.#go(character === ',', 'next-key');
    }
  }

  #go(isRight: boolean, place: Place): MemberStep {
    if (!isRight) return 'broken';
    this.#place = place;
    return 'on';
  }

  #beginKey(character: string): MemberStep {
    this.#keyText = character;
    return this.#go(character === '"', 'key');
  }

  #inKey(character: string): MemberStep {
    this.#keyText += character;
    if (!this.#endsString(character)) return 'on';
    const key = jsonOf(this.#keyText);
    if (typeof key === 'string') this.#key = key;
    return this.#go(typeof key === 'string', 'colon');
  }

  #beginValue(character: string): MemberStep {
    if (character === ',' || character === '}') return 'broken';
    this.#kind = character === '"' ? 'string' : /[[{]/.test(character) ? 'nested' : 'scalar';
    this.#depth = this.#kind === 'nested' ? 1 : 0;
    this.#inString = false;
    return this.#go(this.listener.character(this.#key, character, true), 'value');
  }

  #inValue(character: string): MemberStep {
    if (this.#kind === 'scalar' && (isSpace(character) || character === ',' || character === '}')) {
      const ended = this.#end();
      return ended === 'on' ? this.take(character) : ended;
    }
    if (!this.listener.character(this.#key, character, false)) return 'broken';
    return this.#endsValue(character) ? this.#end() : 'on';
  }

  #end(): MemberStep {
    return this.#go(this.listener.end(this.#key), 'behind-value') === 'on' ? 'on' : 'refused';
  }

  #endsValue(character: string): boolean {
    if (this.#kind === 'scalar') return false;
    if (this.#kind === 'string') return this.#endsString(character);
    if (this.#inString) this.#inString = !this.#endsString(character);
    else if (character === '"') this.#inString = true;
    else if (character === '{' || character === '[') this.#depth++;
    else if (character === '}' || character === ']') this.#depth--;
    return this.#depth === 0;
  }

  #endsString(character: string): boolean {
    if (this.#escaped) this.#escaped = false;
    else if (character === '\\') this.#escaped = true;
    else return character === '"';
    return false;
  }
}

/** The white space of JSON. */
export function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t';
}

/** The value of a JSON text; undefined if it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
