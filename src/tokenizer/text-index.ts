// Finds texts in a list without keeping them twice: a hash table of their positions.

/**
 * Where each text of a list is; of equal ones, the first or the last. Beside the texts, a `Map` of the 150,000 tokens of a
 * large vocabulary takes 7 MB, this 1 MB.
 */
export class TextIndex {
  readonly #slots: Int32Array;
  /** Of this index alone, so that nobody can know where a text will be. */
  readonly #key = crypto.getRandomValues(new Int32Array(2));

  /**
   * @param texts stay the caller's and must not change.
   * @param includes leaves out those for which it is false.
   */
  constructor(
    private readonly texts: readonly string[],
    includes: (position: number) => boolean = () => true,
    which: 'first' | 'last' = 'first',
  ) {
    // Between a half and a quarter full: probes stay short.
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(texts.length * 1.5 + 2)));
    for (let position = 0; position < texts.length; position++) {
      if (!includes(position)) continue;
      const slot = this.#slotOf(texts[position]!);
      if (this.#slots[slot] === 0 || which === 'last') this.#slots[slot] = position + 1;
    }
  }

  /** The position of `text`; undefined if it is not in the list. */
  get(text: string): number | undefined {
    const found = this.#slots[this.#slotOf(text)]!;
    return found === 0 ? undefined : found - 1;
  }

  /** Where `text` is, or else the free slot where it would be. */
  #slotOf(text: string): number {
    const mask = this.#slots.length - 1;
    let slot = keyedHash(text, this.#key) & mask;
    for (;;) {
      const found = this.#slots[slot]!;
      if (found === 0 || this.texts[found - 1] === text) return slot;
      slot = (slot + 1) & mask;
    }
  }
}

/**
 * HalfSipHash-1-3 (J.-P. Aumasson, github.com/veorq/SipHash) of the code units, two to a word, and of their number. With a
 * hash that has no key, a file could have a vocabulary of which all texts fall into one slot.
 */
function keyedHash(text: string, [key0 = 0, key1 = 0]: Int32Array): number {
  let a = key0;
  let b = key1;
  let c = key0 ^ 0x6c796765;
  let d = key1 ^ 0x74656462;
  const words = (text.length + 1) >> 1;
  for (let i = 0; i < words + 4; i++) {
    const word = i < words ? wordAt(text, 2 * i) : i === words ? text.length : 0;
    if (i === words + 1) c ^= 0xff;
    d ^= word;
    a = (a + b) | 0;
    b = rotate(b, 5) ^ a;
    a = rotate(a, 16);
    c = (c + d) | 0;
    d = rotate(d, 8) ^ c;
    a = (a + d) | 0;
    d = rotate(d, 7) ^ a;
    c = (c + b) | 0;
    b = rotate(b, 13) ^ c;
    c = rotate(c, 16);
    a ^= word;
  }
  return b ^ d;
}

function wordAt(text: string, i: number): number {
  return text.charCodeAt(i) | (i + 1 < text.length ? text.charCodeAt(i + 1) << 16 : 0);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
