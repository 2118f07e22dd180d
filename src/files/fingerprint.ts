// Knows files again by what was read of them, wherever they come from: a model that is read twice has to be the same one.

import type { ByteSource } from './byte-source';
import type { ModelFiles } from './model-files';

/** Of each read this many bytes count, from its beginning. Weights are read in pieces, so some of every piece are among them. */
const COUNTED_BYTES = 4096;

/** FNV-1a, 32 bits (isthe.com/chongo/tech/comp/fnv). */
const PRIME = 0x01000193;

/**
 * A checksum over the reads of a model's files: their places, lengths, and the first bytes of each. The name of the main file
 * does not count, since the same model may lie elsewhere under another. It tells another version of a model, not one that was made to be mistaken for it: for that, there is SHA-256. The order of the reads does not
 * matter, as files may be read side by side.
 */
export class Fingerprint {
  #low = 0;
  #high = 0;
  readonly files: ModelFiles;

  /** `files` are to be read through {@link Fingerprint.files}. */
  constructor(files: ModelFiles) {
    const { main } = files;
    this.files = {
      main: { name: main.name, bytes: this.#watched('', main.bytes) },
      sibling: async (name, signal) => {
        const bytes = await files.sibling(name, signal);
        return bytes && this.#watched(name, bytes);
      },
    };
  }

  /** Of what was read so far. */
  get value(): string {
    return `${this.#high.toString(16)}-${this.#low.toString(16)}`;
  }

  #watched(name: string, source: ByteSource): ByteSource {
    const read: ByteSource['read'] = async (offset, length, options) => {
      const bytes = await source.read(offset, length, options);
      const place = new TextEncoder().encode(`${name} ${source.size} ${offset} ${length} `);
      const counted = bytes.subarray(0, COUNTED_BYTES);
      this.#low = (this.#low + hash(counted, hash(place, 0x811c9dc5))) >>> 0;
      this.#high = (this.#high + hash(counted, hash(place, 0x9e3779b9))) >>> 0;
      return bytes;
    };
    return { size: source.size, read, prefetch: (from, to) => source.prefetch?.(from, to) };
  }
}

function hash(bytes: Uint8Array, seed: number): number {
  let sum = seed;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, PRIME);
  return sum >>> 0;
}
