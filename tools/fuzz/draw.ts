// Draws of chance for one case: the same for the same seed, category and index, whatever ran before.

import { random } from '../../test/support/random';

/** A source of random choices. */
export class Draw {
  constructor(private readonly next: () => number) {}

  /** The draws of one case. Every case has a seed of its own, so that it can be run alone. */
  static of(seed: number, category: string, index: number): Draw {
    return new Draw(random(hash(`${seed}/${category}/${index}`)));
  }

  /** A whole number from 0 up to `limit`, which is not reached. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A whole number from `low` to `high`, both possible. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(from: readonly Item[]): Item {
    if (from.length === 0) throw new RangeError('There is nothing to pick from.');
    return from[this.below(from.length)]!;
  }

  /** What `make` gives, from `low` to `high` times. */
  many<Item>(low: number, high: number, make: (index: number) => Item): Item[] {
    return Array.from({ length: this.between(low, high) }, (_, index) => make(index));
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.next();
  }
}

/** FNV-1a in 32 bits (Fowler, Noll, Vo), of the text's UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
