// Whether a file is the one that was meant: its SHA-256, computed piece by piece in the file's order.

import { TernionError, throwIfAborted, untilAborted } from '../../errors';
import type { ByteSource } from '../../files/byte-source';
import type { Hasher } from '../hashing/hasher';
import { canHashAtOnce, createSha256, sha256OfAll } from '../hashing/sha256';
import { PIECE_BYTES } from '../http/pieces';

/** A file of which the pieces before `next` have been hashed. */
export class PieceHash {
  /** The piece that has to come next. */
  next = 0;

  private constructor(
    private readonly hasher: Hasher,
    private readonly expected: string,
  ) {}

  /** `expected` is a SHA-256 in hexadecimal. */
  static async expecting(expected: string): Promise<PieceHash> {
    return new PieceHash(await createSha256(), expected);
  }

  /** Adds piece `next`. */
  add(bytes: Uint8Array): void {
    this.hasher.update(bytes);
    this.next++;
  }

  /** After the last piece: the hash. Throws `corrupt-file` if it is not the expected one. */
  check(): string {
    const actual = this.hasher.digest();
    checkEqual(actual, this.expected);
    return actual;
  }
}

function checkEqual(actual: string, expected: string): void {
  if (actual === expected.toLowerCase()) return;
  throw new TernionError(
    'corrupt-file',
    `The file is not the one that was asked for: its SHA-256 is ${actual}, not ${expected}.`,
  );
}

/** Reads a file that is at hand and checks its SHA-256. Rejects with `corrupt-file` if it differs. */
export async function verifySource(source: ByteSource, sha256: string, signal?: AbortSignal): Promise<void> {
  if (source.whole && canHashAtOnce(source.whole)) {
    return checkEqual(await untilAborted(sha256OfAll(source.whole), signal), sha256);
  }
  const hash = await PieceHash.expecting(sha256);
  for (let at = 0; at < source.size; at += PIECE_BYTES) {
    hash.add(await source.read(at, Math.min(PIECE_BYTES, source.size - at), { signal }));
    await breathe();
    throwIfAborted(signal);
  }
  hash.check();
}

/** Lets the thread do what else it has to: messages, and among them the one that says to stop. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
