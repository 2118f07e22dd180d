// The metadata of the embedded model, read with the smallest GGUF reader that will do, so that these tests stand alone.
import { readFileSync } from 'node:fs';
import { Tokenizer, tokenizerSpecFromGguf, type TokenizerSpec } from '../../src/tokenizer';

class Reader {
  #at = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  skip(count: number): void {
    this.#at += count;
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  u64(): number {
    this.#at += 8;
    return Number(this.#view.getBigUint64(this.#at - 8, true));
  }

  string(): string {
    const length = this.u64();
    this.#at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.#at - length, this.#at));
  }

  value(type: number): unknown {
    switch (type) {
      case 4:
        return this.u32();
      case 5:
        return this.u32() | 0;
      case 6:
        this.#at += 4;
        return this.#view.getFloat32(this.#at - 4, true);
      case 7:
        return this.#view.getUint8(this.#at++) !== 0;
      case 8:
        return this.string();
      case 9: {
        const itemType = this.u32();
        return Array.from({ length: this.u64() }, () => this.value(itemType));
      }
      default:
        throw new Error(`The embedded model has no values of type ${type}.`);
    }
  }
}

/** The metadata of public/models/ternion-tiny-i2_s.gguf by key. */
export function tinyMetadata(): Map<string, unknown> {
  const url = new URL('../../public/models/ternion-tiny-i2_s.gguf', import.meta.url);
  const reader = new Reader(readFileSync(url));
  reader.skip(16);
  const count = reader.u64();
  return new Map(
    Array.from({ length: count }, (): [string, unknown] => {
      const key = reader.string();
      return [key, reader.value(reader.u32())];
    }),
  );
}

export function tinySpec(): TokenizerSpec {
  const metadata = tinyMetadata();
  return tokenizerSpecFromGguf((key) => metadata.get(key));
}

export function tinyTokenizer(): Tokenizer {
  return new Tokenizer(tinySpec());
}

/** A file of test/fixtures, parsed. */
export function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8'));
}
