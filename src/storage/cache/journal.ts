// The manifest of a cached file: one JSON value a line, only ever appended to. A line that a crash cut short is no JSON
// any more, so it and what follows count as not written.

import { pieceCount, pieceLength } from '../http/pieces';
import type { StoredFile } from './cache-folder';

/** The first line: what the file is. */
export interface CacheHeader {
  version: 1;
  url: string;
  /** URL of the model that the file belongs to: its own, or that of the main file beside it. */
  model: string;
  size: number;
  /** Whether the server sends parts of the file. */
  ranges: boolean;
  etag?: string | undefined;
  lastModified?: string | undefined;
}

/**
 * The other lines. They name pieces that are safely on disk, each with the xxHash64 of its bytes, or give the SHA-256 of
 * the whole file once it was computed.
 */
type JournalLine = { pieces: [index: number, sum: string][] } | { sha256: string };

/** What a journal says. */
export interface CacheEntry extends CacheHeader {
  sums: Map<number, string>;
  /** The SHA-256 of the whole file, once it was computed. */
  sha256?: string | undefined;
  /** Bytes of the journal that are sound. */
  journalBytes: number;
}

/** Whether all of the file is there. */
export function isComplete({ size, sums }: CacheEntry): boolean {
  return sums.size === pieceCount(size);
}

/** Bytes of the pieces that are in the cache; none of a file without an entry. */
export function bytesOf(entry: Pick<CacheEntry, 'size' | 'sums'> | undefined): number {
  if (!entry) return 0;
  let bytes = 0;
  for (const index of entry.sums.keys()) bytes += pieceLength(entry.size, index);
  return bytes;
}

/** Reads a journal; undefined if not even its first line is sound. */
export async function readJournal(file: StoredFile): Promise<CacheEntry | undefined> {
  const text = new TextDecoder().decode(await file.read(0, file.size));
  let entry: CacheEntry | undefined;
  let end = 0;
  for (let next = text.indexOf('\n'); next >= 0; next = text.indexOf('\n', end)) {
    const line = parse(text.slice(end, next));
    if (!line) break;
    end = next + 1;
    if ('url' in line) entry = { ...line, sums: new Map(), journalBytes: 0 };
    else if (!entry) break;
    else if ('pieces' in line) for (const [index, sum] of line.pieces) entry.sums.set(index, sum);
    else entry.sha256 = line.sha256;
  }
  if (entry) entry.journalBytes = new TextEncoder().encode(text.slice(0, end)).length;
  return entry;
}

function parse(line: string): CacheHeader | JournalLine | undefined {
  try {
    const value = JSON.parse(line) as CacheHeader | JournalLine;
    if ('url' in value) return value.version === 1 ? value : undefined;
    return 'pieces' in value || 'sha256' in value ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Appends to a journal. Each line is on disk when `append` returns. */
export class JournalWriter {
  #end: number;

  /** Goes on where `entry` ends; without it the journal begins anew with `header`. */
  constructor(
    private readonly file: StoredFile,
    header: CacheHeader,
    entry: CacheEntry | undefined,
  ) {
    this.#end = entry?.journalBytes ?? 0;
    file.truncate(this.#end);
    if (!entry) this.append(header);
  }

  append(line: CacheHeader | JournalLine): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    this.file.write(this.#end, bytes);
    this.file.flush();
    this.#end += bytes.length;
  }

  close(): void {
    this.file.close();
  }
}
