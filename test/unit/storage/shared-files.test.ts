// Models that sites share: found by their hash, and put there when they were downloaded and checked.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listIn } from '../../../src/storage/cache/models';
import { crossOriginStorage, type SharedFiles } from '../../../src/storage/cache/shared-files';
import type { OpenOptions } from '../../../src/storage/sources/model-source';
import { openSource } from '../../../src/storage/sources/open-source';
import { SharedRegistry } from '../../support/cross-origin-storage';
import { expectFailure } from '../../support/expect-failure';
import { FaultServer } from '../../support/fault-server';
import { environment, MemoryFolder, MemoryLocks } from '../../support/memory-storage';
import { loadAll, MIB, randomBytes, sha256 } from '../../support/storage-loads';

// Three pieces, the last a short one.
const BYTES = randomBytes(2 * MIB + 99, 1);
const HASH = sha256(BYTES);
const PATH = '/model.gguf';
const HERE = 'https://here.example';
const ELSEWHERE = 'https://elsewhere.example';

/** What the code finds in a browser of which `navigator.crossOriginStorage` is `storage`. */
function inBrowserWith(storage: unknown): SharedFiles | undefined {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', {
    value: { crossOriginStorage: storage },
    configurable: true,
  });
  try {
    return crossOriginStorage();
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else Reflect.deleteProperty(globalThis, 'navigator');
  }
}

/** An origin of a browser: its own cache, and what it has in common with others. */
class Site {
  readonly cache = { folder: new MemoryFolder(), locks: new MemoryLocks() };

  constructor(private readonly shared: SharedFiles | undefined) {}

  open(options: OpenOptions = {}): ReturnType<typeof openSource> {
    const storage = environment(this.cache, {}, this.shared);
    return openSource(server.origin + PATH, { sha256: HASH, ...options }, storage);
  }

  async load(options?: OpenOptions): Promise<string> {
    return loadAll(await this.open(options), options?.signal);
  }

  /** Bytes of models in its own cache. */
  async kept(): Promise<number> {
    return (await listIn({ ...this.cache })).reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

let server: FaultServer;
let registry: SharedRegistry;
beforeEach(async () => {
  server = await FaultServer.start({ [PATH]: { bytes: BYTES, etag: '"one"' } });
  registry = new SharedRegistry();
});
afterEach(() => server.close());

const site = (origin = HERE): Site => new Site(inBrowserWith(registry.of(origin)));

describe('a model whose hash is given', () => {
  it('is shared once it was downloaded, and then takes no room in the own cache', async () => {
    const here = site();
    expect(await here.load()).toBe(HASH);
    expect(registry.entries.get(HASH)).toMatchObject({ forAll: true, writers: 0 });
    expect(await here.kept()).toBe(0);
  });

  it('is read without any request by the site that stored it, and by others if it is known to be public', async () => {
    await site().load();
    const { length } = server.exchanges;
    const again = await site().open({ sha256: HASH.toUpperCase() });
    expect(again.info).toEqual({ cached: true, shared: true });
    expect(again.missingBytes).toBe(0);
    expect(await loadAll(again)).toBe(HASH);
    registry.publicHashes.add(HASH);
    expect(await site(ELSEWHERE).load()).toBe(HASH);
    expect(server.exchanges).toHaveLength(length);
  });

  it('is downloaded by a site that is not shown it, and then shown to it', async () => {
    await site().load();
    const { bytesSent } = server;
    expect(await site(ELSEWHERE).load()).toBe(HASH);
    expect(server.bytesSent).toBe(bytesSent + BYTES.length);
    expect(registry.entries.get(HASH)?.storers).toEqual(new Set([HERE, ELSEWHERE]));
  });

  it('is downloaded once by two tabs, of which the second finds it where the first has put it', async () => {
    const here = site();
    expect(await Promise.all([here.load(), here.load()])).toEqual([HASH, HASH]);
    expect(server.timesAsked(PATH)).toEqual([1, 1]);
  });

  it('is found where it is in place of what an interrupted download has left', async () => {
    const here = site();
    const begun = await here.open({ crossOriginStorage: false });
    await begun.files.main.bytes.read(0, 10);
    await begun.close();
    expect(await here.kept()).toBeGreaterThan(0);
    await site().load();
    expect(await here.load()).toBe(HASH);
    expect(await here.kept()).toBe(0);
  });

  it('is found by the name that the proposal had for its method before', async () => {
    const here = new Site(inBrowserWith(registry.of(HERE, 'requestFileHandle')));
    await here.load();
    expect((await here.open()).info).toEqual({ cached: true, shared: true });
  });
});

describe('the own cache has a model', () => {
  const refusals: [string, () => void][] = [
    ['the page forbids sharing', () => (registry.forbidden = true)],
    ['the browser has no room for it', () => (registry.quota = MIB)],
    [
      'the browser fails amid writing',
      () =>
        (registry.onWrite = () => {
          throw new DOMException('disk', 'InvalidStateError');
        }),
    ],
  ];
  it.each(refusals)('where %s', async (_why, refuse) => {
    refuse();
    const here = site();
    expect(await here.load()).toBe(HASH);
    expect(await here.kept()).toBe(BYTES.length);
    // Nothing half written stays that would be refused to others.
    expect(registry.entries.size).toBe(0);
  });

  const own: [string, OpenOptions][] = [
    ['sharing is not wanted', { crossOriginStorage: false }],
    ['it has no hash', { sha256: undefined }],
    ['it was asked for with headers', { headers: { authorization: 'Bearer key' } }],
    ['it was asked for with credentials', { credentials: 'include' }],
  ];
  it.each(own)('where %s', async (_why, options) => {
    const here = site();
    expect(await here.load(options)).toBe(HASH);
    expect(await here.kept()).toBe(BYTES.length);
    expect(registry.entries.size).toBe(0);
  });

  it('where another site is writing it at this moment', async () => {
    const other = registry.of(ELSEWHERE) as {
      getFileHandle(hash: object, options: object): Promise<unknown>;
    };
    await other.getFileHandle({ algorithm: 'SHA-256', value: HASH }, { create: true });
    registry.quota = 0;
    const here = site();
    expect(await here.load()).toBe(HASH);
    expect(await here.kept()).toBe(BYTES.length);
  });

  it.each([
    ['no Cross-Origin Storage', undefined],
    ['one of another shape', {}],
  ])('where the browser has %s', async (_what, storage) => {
    const here = new Site(inBrowserWith(storage));
    expect(await here.load()).toBe(HASH);
    expect(await here.kept()).toBe(BYTES.length);
  });
});

it('is neither kept nor shared where nothing is to be kept', async () => {
  const here = site();
  await here.load({ cache: false });
  expect(await here.kept()).toBe(0);
  expect(registry.entries.size).toBe(0);
});

it('is not shared if it has another hash than was asked for', async () => {
  const wrong = '0'.repeat(64);
  await expectFailure(site().load({ sha256: wrong }), 'corrupt-file');
  expect(registry.entries.size).toBe(0);
});

it('is let go of when the signal fires while it is copied', async () => {
  const control = new AbortController();
  registry.onWrite = () => control.abort();
  const here = site();
  await expectFailure(here.load({ signal: control.signal }), 'aborted');
  expect(registry.entries.size).toBe(0);
  expect(await here.kept()).toBe(BYTES.length);
});
