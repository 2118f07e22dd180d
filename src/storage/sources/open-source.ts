// Turns whatever a caller calls a model into files that can be read.

import { TernionError, throwIfAborted } from '../../errors';
import { blobSource, bytesSource, type ByteSource } from '../../files/byte-source';
import type { Cache } from '../cache/cache';
import { nameIn, urlOf } from '../http/address';
import { browserStorage, type StorageEnvironment } from './environment';
import { checkSha256 } from './integrity';
import { filesAtHand, type ModelFiles, type NamedFile } from '../../files/model-files';
import { downloadFailed } from '../http/network';
import { ProgressMeter, type DownloadProgress } from './progress';
import { isMissing } from '../http/remote-file';
import { openBytes, openUrl, type OpenedFile, type SourceInfo } from './open-url';
import { isStreaming, spool } from './spool';

export type { DownloadProgress, SourceInfo };

/**
 * A model: a URL or `hf:owner/repo/file.gguf`; a `File` or `Blob`, or several that belong together (the parts of a split
 * model, safetensors with their side files); its bytes; or a `Response` or stream that delivers them. A URL that ends
 * with a slash is a folder of safetensors.
 */
export type ModelSource =
  string | URL | Blob | readonly Blob[] | ArrayBuffer | Uint8Array | Response | ReadableStream<Uint8Array>;

/** How to get at a source. */
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

/** Opens a model. Rejects with `download-failed`, `corrupt-file`, `invalid-argument` or `aborted`. */
export async function openSource(
  source: ModelSource,
  options: OpenOptions = {},
  environment: StorageEnvironment = browserStorage(),
): Promise<OpenedSource> {
  const { signal } = options;
  throwIfAborted(signal);
  for (const sha256 of hashesOf(options)) checkSha256(sha256);
  checkHeaders(options.headers);
  const progress = new ProgressMeter((state) => options.onProgress?.(state));
  if (typeof source === 'string' || source instanceof URL) {
    const url = urlOf(source);
    if (/^https?:/.test(url)) {
      const cache = options.cache === false ? 'it was not wanted' : await environment.openCache();
      return OpenedUrl.open(url, options, environment, cache, progress, signal);
    }
    source = await fetchLocal(environment, url, signal);
  }
  return openAtHand(await filesOf(source, progress, signal), options);
}

/** What a `blob:` or `data:` address stands for: it is in this browser already. */
async function fetchLocal(
  { network }: StorageEnvironment,
  url: string,
  signal: AbortSignal | undefined,
): Promise<Response> {
  try {
    return await network.fetch(url, { signal: signal ?? null });
  } catch (cause) {
    throwIfAborted(signal);
    throw downloadFailed(url, 'there is nothing at this address', cause);
  }
}

/** Throws `invalid-argument` for what cannot be sent as headers. */
function checkHeaders(headers: Record<string, string> | undefined): void {
  try {
    new Headers(headers);
  } catch (cause) {
    const { message } = cause as Error;
    throw new TernionError('invalid-argument', `The headers cannot be sent: ${message}`, { cause });
  }
}

function hashesOf({ sha256 }: SourceOptions): string[] {
  if (sha256 === undefined) return [];
  return typeof sha256 === 'string' ? [sha256] : Object.values(sha256);
}

/** The hash that a file must have. One hash without a name is that of the main file. */
function hashOf({ sha256 }: SourceOptions, name: string, isMain: boolean): string | undefined {
  if (typeof sha256 === 'string') return isMain ? sha256 : undefined;
  return sha256?.[name];
}

/** A model on a server. */
class OpenedUrl implements OpenedSource, ModelFiles {
  readonly files = this;
  readonly #open = new Map<string, Promise<OpenedFile | undefined>>();
  readonly #opened: OpenedFile[] = [];
  #main: NamedFile | undefined;

  private constructor(
    private readonly url: string,
    private readonly options: OpenOptions,
    private readonly environment: StorageEnvironment,
    private readonly cache: Cache | string,
    private readonly progress: ProgressMeter,
  ) {}

  static async open(
    url: string,
    options: OpenOptions,
    environment: StorageEnvironment,
    cache: Cache | string,
    progress: ProgressMeter,
    signal: AbortSignal | undefined,
  ): Promise<OpenedUrl> {
    const model = new OpenedUrl(url, options, environment, cache, progress);
    const name = nameIn(url);
    const file = model.#openFile(url, hashOf(options, name, true), signal);
    model.#open.set(name, file);
    model.#main = { name, bytes: (await file).bytes };
    return model;
  }

  get main(): NamedFile {
    return this.#main!;
  }

  get info(): SourceInfo {
    return this.#opened.map(({ info }) => info).find(({ cached }) => !cached) ?? { cached: true };
  }

  get size(): number {
    return this.#opened.reduce((sum, { bytes }) => sum + bytes.size, 0);
  }

  get missingBytes(): number {
    return this.#opened.reduce((sum, { missingBytes }) => sum + missingBytes, 0);
  }

  async sibling(name: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    let file = this.#open.get(name);
    if (!file) {
      file = this.#openSibling(name, signal);
      this.#open.set(name, file);
      // A failure may pass: the next call tries again.
      file.catch(() => this.#open.delete(name));
    }
    return (await file)?.bytes;
  }

  async finish(signal?: AbortSignal): Promise<void> {
    for (const file of this.#opened) await file.finish(signal);
  }

  async close(error?: unknown): Promise<void> {
    await Promise.allSettled(this.#open.values());
    await Promise.all(this.#opened.map((file) => file.close(error)));
  }

  async #openSibling(name: string, signal: AbortSignal | undefined): Promise<OpenedFile | undefined> {
    const url = new URL(name.split('/').map(encodeURIComponent).join('/'), this.url).href;
    try {
      return await this.#openFile(url, hashOf(this.options, name, false), signal);
    } catch (error) {
      if (error instanceof TernionError && isMissing(error)) return undefined;
      throw error;
    }
  }

  async #openFile(
    url: string,
    sha256: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<OpenedFile> {
    const { headers, credentials, waits } = this.options;
    const { cache, progress } = this;
    const remote = { url, model: this.url, headers, credentials, sha256, cache, waits, progress };
    const file = await openUrl(this.environment.network, remote, signal);
    this.#opened.push(file);
    return file;
  }
}

/** Files that need no network. */
function openAtHand(files: readonly [NamedFile, ...NamedFile[]], options: SourceOptions): OpenedSource {
  const opened = files.map(({ name, bytes }, index) =>
    openBytes(bytes, hashOf(options, name, index === 0), 'it does not come from a server'),
  );
  return {
    files: filesAtHand(files),
    info: opened[0]!.info,
    size: files.reduce((sum, { bytes }) => sum + bytes.size, 0),
    missingBytes: 0,
    finish: async (signal) => {
      for (const file of opened) await file.finish(signal);
    },
    close: async () => {},
  };
}

/** The files of a source that is no URL, the main one first. */
async function filesOf(
  source: Exclude<ModelSource, string | URL>,
  progress: ProgressMeter,
  signal: AbortSignal | undefined,
): Promise<[NamedFile, ...NamedFile[]]> {
  if (source instanceof ArrayBuffer || source instanceof Uint8Array) {
    return [{ name: 'model', bytes: bytesSource(source) }];
  }
  if (isStreaming(source)) return [namedBlob(await spool(source, progress, signal), 0)];
  if (source instanceof Blob) return [namedBlob(source, 0)];
  if (Array.isArray(source) && source.length > 0 && source.every((each) => each instanceof Blob)) {
    return mainFirst(source.map(namedBlob));
  }
  throw new TernionError(
    'invalid-argument',
    'A model source is a URL, a File or Blob or several, bytes, a Response or a stream.',
  );
}

function namedBlob(blob: Blob, index: number): NamedFile {
  const { name = index === 0 ? 'model' : `file-${index}` } = blob as { name?: string };
  return { name, bytes: blobSource(blob) };
}

/** Of files that were dropped together, the one that says what the others are: `config.json`, or the first GGUF part. */
function mainFirst(files: readonly NamedFile[]): [NamedFile, ...NamedFile[]] {
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const main =
    sorted.find(({ name }) => name === 'config.json') ??
    sorted.find(({ name }) => name.endsWith('.gguf')) ??
    files[0]!;
  return [main, ...files.filter((file) => file !== main)];
}
