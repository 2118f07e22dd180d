// The byte-level alphabet: how vocabularies of the GPT-2 kind write bytes as printable characters.

/**
 * The byte of each character of the alphabet. Printable Latin-1 characters stand for themselves; the others, in order,
 * are the characters from U+0100 on (a space is Ġ, a newline Ċ).
 */
export function byteOfCharacter(): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    bytes.set(String.fromCharCode(isPrintable(byte) ? byte : next++), byte);
  }
  return bytes;
}

/**
 * The bytes of a token written in the alphabet. A token with other characters was not written in it (a plain-text token
 * among byte-level ones), and stands for its own UTF-8.
 */
export function bytesOfToken(text: string, bytes: ReadonlyMap<string, number>): Uint8Array<ArrayBuffer> {
  const result: number[] = [];
  for (const character of text) {
    const byte = bytes.get(character);
    if (byte === undefined) return new TextEncoder().encode(text);
    result.push(byte);
  }
  return Uint8Array.from(result);
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}
