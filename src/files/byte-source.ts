// Random access to a model file, wherever it lies. Parsers and loaders read through this and know nothing of URLs.

import { TernionError, throwIfAborted } from '../errors';

/** How to read from a {@link ByteSource}. */
export interface ReadOptions {
  signal?: AbortSignal | undefined;
  /**
   * The reader takes something from further on in the file, and then goes on reading where it was. (A format may keep
   * behind a tensor what is needed to read it.) Without this, a source takes a read to say where the reader is now: one
   * that holds only part of the file then lets go of what lies before.
   */
  ahead?: boolean | undefined;
}

/** A file of known length that can be read piece by piece. */
export interface ByteSource {
  /** Length in bytes. */
  readonly size: number;
  /** All of it, where it is in memory. Not to be written to. */
  readonly whole?: Uint8Array;
  /**
   * Reads `length` bytes from `offset`. Rejects with `corrupt-file` if they reach past the end.
   * The result is the caller's own for as long as it likes, but must not be written to.
   */
  read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * Says that the bytes from `from` up to `to` will be read now, more or less in order. A source that lies far away then
   * fetches ahead; before this call it fetches only what is read. Sources that are at hand do without it.
   */
  prefetch?(from: number, to: number): void;
}

/** Throws `corrupt-file` unless `length` bytes from `offset` lie inside a file of `size` bytes. */
export function checkRange(size: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new TernionError(
    'corrupt-file',
    `Bytes ${offset} to ${offset + length} were asked for, but the file has only ${size}: it is truncated or damaged.`,
  );
}

/** A file that is in memory already. Reads are views of `bytes`, not copies. */
export function bytesSource(bytes: Uint8Array | ArrayBuffer): ByteSource {
  const all = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return {
    size: all.length,
    whole: all,
    async read(offset, length, { signal } = {}) {
      throwIfAborted(signal);
      checkRange(all.length, offset, length);
      return all.subarray(offset, offset + length);
    },
  };
}

/** A File refers to the disk: moved or changed since it was picked, it cannot be read any more. */
const CHANGED = 'The file could not be read; it may have changed. Choose it again.';

/**
 * A `Blob` or `File`, for example one that the visitor picked. Only the bytes asked for come into memory. `gone` is what to say
 * where they cannot be read any more.
 */
export function blobSource(blob: Blob, gone = CHANGED): ByteSource {
  return {
    size: blob.size,
    async read(offset, length, { signal } = {}) {
      throwIfAborted(signal);
      checkRange(blob.size, offset, length);
      const bytes = await readBlob(blob.slice(offset, offset + length), gone);
      throwIfAborted(signal);
      checkRange(offset + bytes.length, offset, length);
      return bytes;
    },
  };
}

async function readBlob(blob: Blob, gone: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw new TernionError('corrupt-file', gone, { cause });
  }
}
