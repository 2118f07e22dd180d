// A model on a server: its main file, and the files beside it, which are opened when they are asked for.

import type { ByteSource } from '../../files/byte-source';
import type { ModelFiles, NamedFile } from '../../files/model-files';
import type { Cache, NoCache } from '../cache/cache';
import type { SharedFiles } from '../cache/shared-files';
import { nameIn } from '../http/address';
import { isMissing } from '../http/failures';
import type { Network } from '../http/network';
import { hashOf, type OpenedSource, type OpenOptions } from './model-source';
import { openUrl } from './open-url';
import type { OpenedFile, SourceInfo } from './opened-file';
import type { ProgressMeter } from './progress';

/** What all files of a model on a server are opened with. */
interface ModelRequest {
  /** URL of the main file. */
  url: string;
  options: OpenOptions;
  network: Network;
  cache: Cache | NoCache;
  /** The storage that sites share, if the files may be there. */
  shared: SharedFiles | undefined;
  progress: ProgressMeter;
}

/** Opens a model by the URL of its main file. Rejects with `download-failed`, `invalid-argument` or `aborted`. */
export async function openModelUrl(request: ModelRequest): Promise<OpenedSource> {
  const { url, options } = request;
  const name = nameIn(url);
  const main = await openFile(request, url, hashOf(options, name, true), options.signal);
  return new ModelUrl(request, name, main);
}

function openFile(
  { url: model, options, network, cache, shared, progress }: ModelRequest,
  url: string,
  sha256: string | undefined,
  signal: AbortSignal | undefined,
): Promise<OpenedFile> {
  const { headers, credentials, waits = true } = options;
  const target = { url, headers, credentials };
  return openUrl({ network, target, model, sha256, shared, waits, progress, signal }, cache);
}

class ModelUrl implements OpenedSource, ModelFiles {
  readonly files = this;
  readonly main: NamedFile;
  readonly #opened: OpenedFile[];
  /** Every file that was asked for, by name; undefined where the server has none. */
  readonly #byName: Map<string, Promise<OpenedFile | undefined>>;

  constructor(
    private readonly request: ModelRequest,
    name: string,
    main: OpenedFile,
  ) {
    this.main = { name, bytes: main.bytes };
    this.#opened = [main];
    this.#byName = new Map([[name, Promise.resolve(main)]]);
  }

  get info(): SourceInfo {
    const files = this.#opened.map(({ info }) => info);
    const uncached = files.find(({ cached }) => !cached);
    if (uncached) return uncached;
    return files.every(({ shared }) => shared) ? { cached: true, shared: true } : { cached: true };
  }

  get size(): number {
    return this.#opened.reduce((sum, { bytes }) => sum + bytes.size, 0);
  }

  get missingBytes(): number {
    return this.#opened.reduce((sum, { missingBytes }) => sum + missingBytes, 0);
  }

  async sibling(name: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    let file = this.#byName.get(name);
    if (!file) {
      file = this.#openSibling(name, signal);
      this.#byName.set(name, file);
      // A failure may pass: the next call tries again.
      file.catch(() => this.#byName.delete(name));
    }
    return (await file)?.bytes;
  }

  async finish(signal?: AbortSignal): Promise<void> {
    for (const file of this.#opened) await file.finish(signal);
  }

  async close(error?: unknown): Promise<void> {
    await Promise.allSettled(this.#byName.values());
    await Promise.all(this.#opened.map((file) => file.close(error)));
  }

  async #openSibling(name: string, signal: AbortSignal | undefined): Promise<OpenedFile | undefined> {
    const { url, options } = this.request;
    const sibling = new URL(name.split('/').map(encodeURIComponent).join('/'), url).href;
    try {
      const file = await openFile(this.request, sibling, hashOf(options, name, false), signal);
      this.#opened.push(file);
      return file;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}
