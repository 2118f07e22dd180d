// Cross-Origin Storage as its proposal has it (https://wicg.github.io/cross-origin-storage/), in memory, as no browser has it yet.
// It runs in browsers too.
import { createSHA256 } from 'hash-wasm';

interface Entry {
  /** Undefined until a writer was right: the entry is "pending". */
  bytes: Uint8Array<ArrayBuffer> | undefined;
  writers: number;
  storers: Set<string>;
  forAll: boolean;
}

/** A handle, as far as sites use it. */
interface Handle {
  getFile(): Promise<File>;
  createWritable(): Promise<Writable>;
}

interface Writable {
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

interface Request {
  hash: { algorithm: string; value: string };
  options?: { create?: boolean; origins?: string | string[] };
}

/** What a browser has of files for all sites. */
export class SharedRegistry {
  readonly entries = new Map<string, Entry>();
  /** Hashes that are known to be everywhere: only these are shown to sites that did not store them. */
  readonly publicHashes = new Set<string>();
  /** Whether the page's Permissions-Policy forbids it. */
  forbidden = false;
  /** Bytes that a site may store. */
  quota = Infinity;
  /** Called before each write. */
  onWrite: () => void = () => {};

  /** What `navigator.crossOriginStorage` is for a site. `name` is that of its method: the proposal has renamed it. */
  of(origin: string, name: 'getFileHandle' | 'requestFileHandle' = 'getFileHandle'): object {
    return {
      [name]: async (hash: Request['hash'], options: Request['options'] = {}): Promise<Handle> => {
        if (this.forbidden) throw new DOMException('by policy', 'NotAllowedError');
        if (hash.algorithm !== 'SHA-256' || !/^[0-9a-f]{64}$/.test(hash.value))
          throw new TypeError('no hash');
        return options.create
          ? this.#create(origin, hash.value, options.origins)
          : this.#read(origin, hash.value);
      },
    };
  }

  #read(origin: string, hash: string): Handle {
    const entry = this.entries.get(hash);
    if (entry && !entry.bytes) throw new DOMException('it is being written', 'NotAllowedError');
    const shown = entry && (entry.storers.has(origin) || (entry.forAll && this.publicHashes.has(hash)));
    if (!shown) throw new DOMException('not here, or not for you', 'NotFoundError');
    return {
      getFile: async () => fileOf(entry),
      createWritable: async () => {
        throw new DOMException('this handle is for reading', 'NotAllowedError');
      },
    };
  }

  #create(origin: string, hash: string, origins: string | string[] | undefined): Handle {
    let entry = this.entries.get(hash);
    if (!entry)
      this.entries.set(hash, (entry = { bytes: undefined, writers: 0, storers: new Set(), forAll: false }));
    const opened = entry;
    opened.writers++;
    let wasWritten = false;
    const give = (): void => {
      if (--opened.writers === 0 && !opened.bytes) this.entries.delete(hash);
    };
    const store = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
      if ((await createSHA256()).init().update(bytes).digest() !== hash) {
        give();
        throw new DOMException('the bytes have another hash', 'DataError');
      }
      if (bytes.length > this.quota) {
        give();
        throw new DOMException('too much for one site', 'QuotaExceededError');
      }
      Object.assign(opened, { bytes, forAll: opened.forAll || origins === '*' });
      opened.storers.add(origin);
      opened.writers--;
      wasWritten = true;
    };
    return {
      getFile: async () => {
        if (!wasWritten) throw new DOMException('write it first', 'NotAllowedError');
        return fileOf(opened);
      },
      createWritable: async () => writable(this, store, give),
    };
  }
}

function fileOf({ bytes }: Entry): File {
  if (!bytes) throw new DOMException('not written', 'NotAllowedError');
  return new File([bytes], '');
}

function writable(
  registry: SharedRegistry,
  store: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>,
  give: () => void,
): Writable {
  const written: Uint8Array<ArrayBuffer>[] = [];
  let isOpen = true;
  const end = (): void => {
    if (!isOpen) throw new TypeError('the stream has ended');
    isOpen = false;
  };
  return {
    async write(bytes) {
      if (!isOpen) throw new TypeError('the stream has ended');
      registry.onWrite();
      written.push(bytes.slice());
    },
    async close() {
      end();
      await store(new Uint8Array(await new Blob(written).arrayBuffer()));
    },
    async abort() {
      end();
      give();
    },
  };
}
