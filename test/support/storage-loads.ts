// What the tests of storage share: files of random bytes, and readers that read as the weight loader does.
import { createHash } from 'node:crypto';
import { keyOf } from '../../src/storage/cache/cache';
import type { CacheFolder } from '../../src/storage/cache/cache-folder';
import { dataName, readEntry } from '../../src/storage/cache/entries';
import { xorshift } from './random';
import type { ByteSource } from '../../src/files/byte-source';
import type { OpenedSource } from '../../src/storage/sources/model-source';

export const MIB = 1 << 20;

/** `length` bytes, the same for the same seed. */
export function randomBytes(length: number, seed: number): Uint8Array {
  const random = xorshift(seed);
  const words = new Uint32Array(Math.ceil(length / 4));
  // `Uint32Array.from` with a function takes eight times as long, which is 0.4 s for 40 MiB.
  for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
  return new Uint8Array(words.buffer, 0, length);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Reads as the weight loader does: a header of `headerBytes` first, then the rest in order, in reads that respect no
 * piece's limits, each run of them begun by a look at its end. The SHA-256 of all.
 */
export async function readAll(source: ByteSource, headerBytes = 1000, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const read = (from: number, to: number, ahead = false): Promise<Uint8Array> =>
    source.read(from, to - from, { signal, ahead });
  hash.update(await read(0, Math.min(headerBytes, source.size)));
  source.prefetch?.(headerBytes, source.size);
  const TENSOR = 5 * MIB + 321;
  const READ = MIB + 77;
  for (let tensor = headerBytes; tensor < source.size; tensor += TENSOR) {
    const end = Math.min(tensor + TENSOR, source.size);
    // What is looked at here is read again in its turn, which is what counts.
    if (end - tensor > 32) await read(end - 32, end, true);
    for (let at = tensor; at < end; at += READ) hash.update(await read(at, Math.min(at + READ, end)));
  }
  return hash.digest('hex');
}

/** How many pieces the folder vouches for; fails if one of them does not have the bytes of the file at `url`. */
export async function checkCache(folder: CacheFolder, url: string, bytes: Uint8Array): Promise<number> {
  const key = await keyOf(url);
  const entry = await readEntry(folder, key);
  const data = await folder.openReadable(dataName(key));
  for (const index of entry?.sums.keys() ?? []) {
    const from = index * MIB;
    const expected = bytes.subarray(from, from + MIB);
    const kept = await data!.read(from, expected.length);
    if (sha256(kept) !== sha256(expected)) throw new Error(`Piece ${index} in the cache is wrong`);
  }
  data?.close();
  return entry?.sums.size ?? 0;
}

/** Reads all of a model's main file, finishes and closes it, as a load does. The SHA-256 of what was read. */
export async function loadAll(model: OpenedSource, signal?: AbortSignal): Promise<string> {
  try {
    const hash = await readAll(model.files.main.bytes, 1000, signal);
    await model.finish(signal);
    await model.close();
    return hash;
  } catch (error) {
    await model.close(error);
    throw error;
  }
}
