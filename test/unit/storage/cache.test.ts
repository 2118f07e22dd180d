// The cache: what is kept, what is trusted after a crash, and how tabs share it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cache } from '../../../src/storage/cache/cache';
import { deleteIn, listIn, type CachedModel } from '../../../src/storage/cache/models';
import type { SourceOptions } from '../../../src/storage/sources/model-source';
import { openSource } from '../../../src/storage/sources/open-source';
import type { DownloadProgress } from '../../../src/storage/sources/progress';
import { FaultServer } from '../../support/fault-server';
import { environment, IMPATIENT, MemoryFolder, MemoryLocks } from '../../support/memory-storage';
import { samples } from '../../support/effort';
import { xorshift } from '../../support/random';
import { sleep, until } from '../../support/wait';
import { expectFailure } from '../../support/expect-failure';
import { checkCache, loadAll, MIB, randomBytes, sha256 } from '../../support/storage-loads';

// 10 pieces of 1 MiB, the last a short one.
const BYTES = randomBytes(9 * MIB + 1234, 1);
const HASH = sha256(BYTES);
const PATH = '/models/tiny.gguf';

let server: FaultServer;
let folder: MemoryFolder;
let locks: MemoryLocks;
beforeEach(async () => {
  server = await FaultServer.start({
    [PATH]: { bytes: BYTES, etag: '"one"', lastModified: 'Sat, 01 Aug 2026 00:00:00 GMT' },
  });
  folder = new MemoryFolder();
  locks = new MemoryLocks();
});
afterEach(() => server.close());

type Options = SourceOptions & { signal?: AbortSignal; onProgress?: (progress: DownloadProgress) => void };
const url = (): string => server.origin + PATH;
const cache = (): Cache => ({ folder, locks });
const load = async (options: Options = {}): Promise<string> =>
  loadAll(await openSource(url(), options, environment({ folder, locks })), options.signal);
/** Requests for data since the last call. */
const dataRequests = (): number => {
  const count = server.exchanges.filter(({ method }) => method === 'GET').length;
  server.exchanges.length = 0;
  return count;
};

describe('a model that is cached whole', () => {
  beforeEach(async () => {
    expect(await load()).toBe(HASH);
    expect(dataRequests()).toBeGreaterThan(1);
  });

  it('is read without a request for data, and says that it is cached', async () => {
    const model = await openSource(url(), {}, environment({ folder, locks }));
    expect(model.info).toEqual({ cached: true });
    expect(await loadAll(model)).toBe(HASH);
    expect(dataRequests()).toBe(0);
  });

  it('is read by two tabs at once', async () => {
    expect(await Promise.all([load(), load()])).toEqual([HASH, HASH]);
  });

  it.each([{ etag: '"two"' }, { lastModified: 'Sun, 02 Aug 2026 00:00:00 GMT' }, { shorter: 10 }])(
    'is downloaded anew when the server has another one: %o',
    async ({ etag, lastModified, shorter = 0 }) => {
      const bytes = randomBytes(BYTES.length - shorter, 2);
      server.files.set(PATH, { bytes, ...(etag && { etag }), ...(lastModified && { lastModified }) });
      expect(await load()).toBe(sha256(bytes));
      expect(await checkCache(folder, url(), bytes)).toBe(10);
      expect(await listIn(cache())).toHaveLength(1);
    },
  );

  it.each([405, 501])('is downloaded anew from a server that answers HEAD with %i, too', async (status) => {
    const bytes = randomBytes(BYTES.length, 2);
    server.files.set(PATH, { bytes, etag: '"two"' });
    server.fault = ({ method }) => (method === 'HEAD' ? { status } : undefined);
    expect(await load()).toBe(sha256(bytes));
  });

  it('is the same under a weak tag: servers that compress weaken them', async () => {
    server.files.set(PATH, { bytes: BYTES, etag: 'W/"one"' });
    expect(await load()).toBe(HASH);
    expect(dataRequests()).toBe(0);
  });

  it.each([
    ['cannot be reached', async () => server.close()],
    ['is in trouble', () => void (server.fault = () => ({ status: 503 }))],
    ['is silent', () => void (server.fault = () => ({ stallAfter: 0 }))],
  ])('is read when the server %s', async (_how, breakServer) => {
    const address = url();
    await breakServer();
    const model = await openSource(address, {}, environment({ folder, locks }, IMPATIENT));
    expect(await loadAll(model)).toBe(HASH);
  });

  it('is not read when the server refuses it, and not lost either', async () => {
    server.fault = () => ({ status: 403 });
    await expectFailure(load(), 'download-failed');
    server.fault = () => undefined;
    expect(await load()).toBe(HASH);
    expect(dataRequests()).toBeLessThanOrEqual(1);
  });

  it('is hashed once, and its hash remembered', async () => {
    expect(await load({ sha256: HASH })).toBe(HASH);
    // The hash is checked against the remembered one now: damage behind the back of the pieces' own sums would pass.
    const journal = [...folder.files].find(([name]) => name.endsWith('.journal'))![1];
    expect(new TextDecoder().decode(journal.bytes)).toContain(`{"sha256":"${HASH}"}`);
    expect(await load({ sha256: HASH })).toBe(HASH);
  });

  it('is deleted if its hash is not the expected one', async () => {
    await expectFailure(load({ sha256: '0'.repeat(64) }), 'corrupt-file');
    expect(folder.files.size).toBe(0);
  });

  it('is deleted if it was damaged on disk, so that the next load succeeds', async () => {
    const data = [...folder.files].find(([name]) => name.endsWith('.data'))![1];
    data.bytes[4 * MIB + 5]! ^= 1;
    await expectFailure(load(), 'corrupt-file');
    expect(folder.files.size).toBe(0);
    expect(await load()).toBe(HASH);
  });

  it('is left alone by a load that wants no cache', async () => {
    const model = await openSource(url(), { cache: false }, environment({ folder, locks }));
    expect(model.info).toEqual({ cached: false, reason: 'it was not wanted' });
    expect(await loadAll(model)).toBe(HASH);
    expect(dataRequests()).toBeGreaterThan(1);
  });

  it('is listed, and deleted by its id or its address', async () => {
    const [model] = await listIn(cache());
    expect(model).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      url: url(),
      bytes: BYTES.length,
      size: BYTES.length,
      complete: true,
      files: 1,
    });
    expect(await deleteIn(cache(), `${server.origin}/other.gguf`)).toBe(false);
    expect(await deleteIn(cache(), model!.id)).toBe(true);
    expect(folder.files.size).toBe(0);
    await load();
    expect(await deleteIn(cache(), `${url()}#fragment`)).toBe(true);
    expect(await listIn(cache())).toEqual([]);
  });
});

describe('an interrupted download', () => {
  /** Loads until `bytes` were received, and then aborts. */
  async function interrupted(bytes: number): Promise<void> {
    const controller = new AbortController();
    server.fault = () => (server.bytesSent > bytes ? { stallAfter: 0 } : { bytesPerSecond: 100 * MIB });
    const loading = load({ signal: controller.signal });
    const timer = setInterval(() => server.bytesSent > bytes && controller.abort(), 5);
    await expectFailure(loading, 'aborted');
    clearInterval(timer);
    server.fault = () => undefined;
  }

  it('keeps what came when it is aborted, and asks for the rest only', async () => {
    await interrupted(4 * MIB);
    const kept = await checkCache(folder, url(), BYTES);
    expect(kept).toBeGreaterThan(0);
    const [{ bytes }] = (await listIn(cache())) as [CachedModel];
    expect(await listIn(cache())).toMatchObject([{ complete: false, size: BYTES.length }]);
    server.exchanges.length = 0;
    expect(await load()).toBe(HASH);
    expect(server.timesAsked(PATH)).toEqual([0, 1]);
    const asked = server.exchanges.reduce((sum, { sent }) => sum + sent, 0);
    expect(asked).toBe(BYTES.length - bytes);
  });

  it('is deleted when nobody wants the rest, unless a load has finished it meanwhile', async () => {
    await interrupted(4 * MIB);
    const loading = await openSource(url(), {}, environment({ folder, locks }));
    const deleting = deleteIn(cache(), url(), { unfinishedOnly: true });
    expect(await loadAll(loading)).toBe(HASH);
    expect(await deleting).toBe(false);
    expect(await listIn(cache())).toMatchObject([{ complete: true }]);
    expect(await deleteIn(cache(), url())).toBe(true);
    server.exchanges.length = 0;
    await interrupted(4 * MIB);
    expect(await deleteIn(cache(), url(), { unfinishedOnly: true })).toBe(true);
    expect(folder.files.size).toBe(0);
  });

  it('is hashed from its first byte when it goes on', async () => {
    await interrupted(4 * MIB);
    expect(await load({ sha256: HASH })).toBe(HASH);
    await deleteIn(cache(), url());
    server.exchanges.length = 0;
    await interrupted(4 * MIB);
    await expectFailure(load({ sha256: sha256(BYTES.subarray(1)) }), 'corrupt-file');
  });

  it('starts anew if the file has changed since', async () => {
    await interrupted(4 * MIB);
    const bytes = randomBytes(BYTES.length, 5);
    server.files.set(PATH, { bytes, etag: '"five"' });
    expect(await load()).toBe(sha256(bytes));
    expect(await checkCache(folder, url(), bytes)).toBe(10);
  });

  it('never trusts a piece that was not wholly written, whenever the browser crashed', async () => {
    const random = xorshift(11);
    let resumed = 0;
    const rounds = samples(24);
    for (let round = 0; round < rounds; round++) {
      folder = new MemoryFolder();
      locks = new MemoryLocks();
      // 10 pieces, the journal's first line and one or two more, and their flushes: 15 writes or so.
      let countdown = Math.floor(random() * 18);
      let after: MemoryFolder | undefined;
      folder.onWrite = () => {
        if (countdown-- === 0) after = folder.crashed(random);
      };
      await load();
      folder = after ?? folder.crashed(random);
      locks = new MemoryLocks();
      if ((await checkCache(folder, url(), BYTES)) > 0) resumed++;
      expect(await load()).toBe(HASH);
      expect(await checkCache(folder, url(), BYTES)).toBe(10);
    }
    // The crash hits both what can go on and what has to begin anew.
    expect(resumed).toBeGreaterThan(1);
    expect(resumed).toBeLessThan(rounds);
  });
});

describe('without room', () => {
  it('a file that is larger than what is free is not cached, and says so', async () => {
    folder.quota = 5 * MIB;
    const model = await openSource(url(), {}, environment({ folder, locks }));
    expect(model.info.cached).toBe(false);
    expect(model.info.reason).toMatch(/takes 9 MB of storage and the browser has 5 MB free/);
    expect(await loadAll(model)).toBe(HASH);
    expect(folder.used).toBe(0);
  });

  it('a load goes on when the storage fills up on the way, and gives back what it took', async () => {
    // The last one has room for all pieces and the journal's first line, of some 220 bytes, but not for the one that vouches for them.
    const quotas = [0, 1, 3.5 * MIB, 9 * MIB, BYTES.length + 300];
    for (const [index, quota] of [...quotas, ...quotas].entries()) {
      // With a hash and without one: where there is none, nothing else is written at the end.
      const sha256 = index < quotas.length ? HASH : undefined;
      folder = new MemoryFolder();
      folder.quota = quota;
      // The browser believes that there is room.
      folder.freeBytes = async () => Infinity;
      server.exchanges.length = 0;
      const model = await openSource(url(), { sha256 }, environment({ folder, locks }));
      expect(await loadAll(model)).toBe(HASH);
      expect(model.info).toEqual({ cached: false, reason: 'the storage of this site is full' });
      expect(server.timesAsked(PATH)).toEqual([1, 1]);
      expect(folder.used).toBe(0);
    }
  });

  it('a cache that fails altogether is done without', async () => {
    folder.openReadable = () => Promise.reject(new Error('the disk is on fire'));
    const model = await openSource(url(), {}, environment({ folder, locks }));
    expect(model.info).toEqual({ cached: false, reason: 'the cache failed: the disk is on fire' });
    expect(await loadAll(model)).toBe(HASH);
  });
});

describe('two tabs', () => {
  it('download a model once between them, and both show progress', async () => {
    server.fault = () => ({ bytesPerSecond: 8 * MIB });
    const seen: DownloadProgress[][] = [[], []];
    const hashes = await Promise.all(
      seen.map((progress) => load({ onProgress: (each) => progress.push({ ...each }) })),
    );
    expect(hashes).toEqual([HASH, HASH]);
    expect(server.timesAsked(PATH)).toEqual([1, 1]);
    for (const progress of seen) {
      expect(progress.at(-1)).toMatchObject({ loaded: BYTES.length, total: BYTES.length });
      expect(progress.filter(({ loaded }) => loaded > 0 && loaded < BYTES.length).length).toBeGreaterThan(0);
    }
  });

  it('take over from each other: when one is aborted, the other goes on from there', async () => {
    server.fault = () => ({ bytesPerSecond: 20 * MIB });
    const controller = new AbortController();
    const first = load({ signal: controller.signal });
    const second = load();
    void until(() => server.bytesSent > MIB).then(() => controller.abort());
    await expectFailure(first, 'aborted');
    expect(await second).toBe(HASH);
  });

  it('do not wait when the signal fires', async () => {
    const first = await openSource(url(), {}, environment({ folder, locks }));
    const controller = new AbortController();
    const second = openSource(url(), { signal: controller.signal }, environment({ folder, locks }));
    void sleep(20).then(() => controller.abort());
    await expectFailure(second, 'aborted');
    expect(await loadAll(first)).toBe(HASH);
  });

  it('delete nothing from under each other', async () => {
    const loading = await openSource(url(), {}, environment({ folder, locks }));
    const deleting = deleteIn(cache(), url());
    expect(await loadAll(loading)).toBe(HASH);
    expect(await deleting).toBe(true);
    expect(folder.files.size).toBe(0);
  });
});

describe('what is no model', () => {
  it('does not stay in the cache when the loader refuses it', async () => {
    const { TernionError } = await import('../../../src/errors');
    for (const [code, stays] of [
      ['unsupported-format', false],
      ['corrupt-file', false],
      ['out-of-memory', true],
      ['aborted', true],
    ] as const) {
      const model = await openSource(url(), {}, environment({ folder, locks }));
      await model.files.main.bytes.read(0, 100);
      await model.close(new TernionError(code, 'as the loader found'));
      expect(folder.files.size > 0).toBe(stays);
    }
  });
});
