// What a caller can call a model, and what becomes of it: a model that is open for reading.

import type { ModelFiles } from '../../files/model-files';
import type { ModelName } from './known-models';
import type { SourceInfo } from './opened-file';
import type { DownloadProgress } from './progress';

/**
 * A model: the name of one that is known (see `models`); a URL or `hf:owner/repo/file.gguf`; a `File` or `Blob`, or several that belong together (the parts of a split
 * model, safetensors with their side files); its bytes; or a `Response` or stream that delivers them. A URL that ends
 * with a slash is a folder of safetensors.
 */
export type ModelSource =
  | ModelName
  | AnyText
  | URL
  | Blob
  | readonly Blob[]
  | ArrayBuffer
  | Uint8Array
  | Response
  | ReadableStream<Uint8Array>;

/** Any string: beside it editors offer the names. */
type AnyText = string & Record<never, never>;

/** How to open a source. */
export interface SourceOptions {
  /** Sent with every request for the model, for example `{ authorization: 'Bearer …' }`. */
  headers?: Record<string, string> | undefined;
  /** As in `fetch`. Default `same-origin`. */
  credentials?: RequestCredentials | undefined;
  /**
   * The SHA-256 that the model's main file must have, in hexadecimal; or those of several of its files, by name. They
   * are computed while the file comes; a load whose file has another one rejects with `corrupt-file`.
   */
  sha256?: string | Record<string, string> | undefined;
  /** Keep downloads for the next time (default), and use what is kept. False: neither. */
  cache?: boolean | undefined;
  /**
   * Where the browser has Cross-Origin Storage, look there for files whose `sha256` is given, and keep them there, for all sites
   * (default). False: keep everything in the cache of this origin. Files that are asked for with `headers` or with
   * `credentials: 'include'` may not be everybody's, and stay in that cache too.
   */
  crossOriginStorage?: boolean | undefined;
}

/** A model that is open for reading. */
export interface OpenedSource {
  readonly files: ModelFiles;
  /** Where the files that were opened so far came from. */
  readonly info: SourceInfo;
  /** Bytes of the files that were opened so far. */
  readonly size: number;
  /** Those of them that the next load would have to download. */
  readonly missingBytes: number;
  /** To be called when all that is needed was read, and before it is trusted: completes the cache, checks the hashes. */
  finish(signal?: AbortSignal): Promise<void>;
  /** Ends what is under way, and keeps what came. `error` is what the load failed with, if it did. */
  close(error?: unknown): Promise<void>;
}

/** How to open a source. */
export interface OpenOptions extends SourceOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Wait until no other tab downloads the model (default); else it is opened without the cache then. */
  waits?: boolean | undefined;
}

/** Whether files that are opened with these options may be where other sites find them. */
export function mayBeShared({ cache, crossOriginStorage, headers, credentials }: SourceOptions): boolean {
  const isEverybodys = credentials !== 'include' && Object.keys(headers ?? {}).length === 0;
  return cache !== false && crossOriginStorage !== false && isEverybodys;
}

/** The hash that a file must have. One hash without a name is that of the main file. */
export function hashOf({ sha256 }: SourceOptions, name: string, isMain: boolean): string | undefined {
  if (typeof sha256 === 'string') return isMain ? sha256 : undefined;
  return sha256?.[name];
}
