// Downloads from a server that misbehaves: the right bytes, or the right error; and no more requests than needed.
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { TernionErrorCode } from '../../../src/errors';
import type { NetworkPolicy } from '../../../src/storage/http/network';
import { deleteIn } from '../../../src/storage/cache/models';
import type { OpenedSource, SourceOptions } from '../../../src/storage/sources/model-source';
import { openSource } from '../../../src/storage/sources/open-source';
import { FaultServer, type Exchange, type Fault } from '../../support/fault-server';
import { environment, IMPATIENT, MemoryFolder, MemoryLocks } from '../../support/memory-storage';
import { samples } from '../../support/effort';
import { xorshift } from '../../support/random';
import { sleep, until } from '../../support/wait';
import { expectFailure } from '../../support/expect-failure';
import { checkCache, loadAll, MIB, randomBytes, readAll, sha256 } from '../../support/storage-loads';

// 14 pieces of 1 MiB, the last a short one.
const BYTES = randomBytes(13 * MIB + 4567, 1);
const HASH = sha256(BYTES);
const PATH = '/model.gguf';

let server: FaultServer;
beforeEach(async () => {
  server = await FaultServer.start({ [PATH]: { bytes: BYTES, etag: '"one"' } });
});
afterEach(() => server.close());

describe.each(['into the cache', 'without a cache'])('a download %s', (kind) => {
  let folder: MemoryFolder;
  beforeEach(() => {
    folder = new MemoryFolder();
  });
  // Whatever went wrong, what the cache vouches for is right. (An entry is for one version of the file, its ETag.)
  afterEach(async () => {
    await checkCache(folder, server.origin + PATH, BYTES);
    for (const { open } of folder.files.values()) expect(open).toBe(false);
  });

  const open = (
    options: SourceOptions & { signal?: AbortSignal } = {},
    policy: Partial<NetworkPolicy> = {},
  ): Promise<OpenedSource> =>
    openSource(
      server.origin + PATH,
      options,
      environment(kind === 'into the cache' ? { folder } : undefined, policy),
    );

  it('asks for each byte once, by several requests at a time', async () => {
    expect(await loadAll(await open())).toBe(HASH);
    expect(server.timesAsked(PATH)).toEqual([1, 1]);
    expect(server.mostActive).toBeGreaterThan(1);
    // As the policy has it.
    expect(server.mostActive).toBeLessThanOrEqual(4);
  });

  it('asks for nothing but the header until it is told to fetch ahead', async () => {
    const model = await open();
    const header = await model.files.main.bytes.read(0, 1.5 * MIB);
    expect(sha256(header)).toBe(sha256(BYTES.subarray(0, 1.5 * MIB)));
    await sleep(50);
    expect(server.bytesSent).toBe(2 * MIB);
    await model.close();
    expect(server.bytesSent).toBe(2 * MIB);
  });

  it('sends headers with every request', async () => {
    expect(await loadAll(await open({ headers: { authorization: 'Bearer me' } }))).toBe(HASH);
    expect(server.exchanges.filter(({ headers }) => headers.authorization !== 'Bearer me')).toEqual([]);
  });

  const random = xorshift(7);
  const survived: [string, (exchange: Exchange, number: number) => Fault | undefined][] = [
    [
      'cuts every other connection somewhere',
      (_, n) => (n % 2 ? undefined : { cutAfter: 1 + Math.floor(random() * MIB) }),
    ],
    ['cuts the connection after 300,000 bytes, always', () => ({ cutAfter: 300_000 })],
    ['falls silent now and then', (_, n) => (n % 3 === 1 ? { stallAfter: 100_000 } : undefined)],
    ['knows nothing of ranges', () => ({ ignoreRange: true })],
    [
      'knows nothing of ranges and cuts the connection at times',
      (_, n) => ({ ignoreRange: true, ...(n < 3 && { cutAfter: (n + 1) * 3 * MIB }) }),
    ],
    ['forgets about ranges half way', (_, n) => ({ ignoreRange: n > 2 })],
    ['does not say how long the file is', () => ({ ignoreRange: true, noLength: true })],
    ['is busy at first', (_, n) => (n < 2 ? { status: 503 } : undefined)],
    ['is busy at times', (_, n) => (n % 2 ? { status: [429, 500, 502][n % 3]! } : undefined)],
    ['knows no HEAD', ({ method }) => (method === 'HEAD' ? { status: 405 } : undefined)],
    [
      'hides Content-Range',
      ({ method }) => (method === 'GET' ? { headers: { 'content-range': 'hidden' } } : undefined),
    ],
  ];
  it.each(survived)('brings the right bytes from a server that %s', async (name, fault) => {
    server.fault = fault;
    // Whoever is impatient on a busy machine finds more silence than there is.
    const policy = name.includes('silent') ? { ...IMPATIENT, attempts: 40 } : {};
    expect(await loadAll(await open({ sha256: HASH }, policy))).toBe(HASH);
  });

  const refused: [string, TernionErrorCode, (exchange: Exchange, number: number) => Fault | undefined][] = [
    ['answers 403', 'download-failed', () => ({ status: 403 })],
    ['answers 404', 'download-failed', () => ({ status: 404 })],
    ['answers 404 after a while', 'download-failed', (_, n) => (n > 1 ? { status: 404 } : undefined)],
    ['answers 500, always', 'download-failed', () => ({ status: 500 })],
    [
      'says that the file is longer than it is',
      'download-failed',
      () => ({ claimedSize: BYTES.length + 1000 }),
    ],
    [
      'says so and sends no parts',
      'download-failed',
      () => ({ claimedSize: BYTES.length + 1000, ignoreRange: true }),
    ],
    [
      'sends other parts than were asked for',
      'download-failed',
      (_, n) => (n > 1 ? { shift: 512 } : undefined),
    ],
    ['always falls silent at the same byte', 'download-failed', () => ({ stallAfter: 0 })],
    [
      'answers with a web page',
      'download-failed',
      () => ({ headers: { 'content-type': 'text/html; charset=utf-8' } }),
    ],
    [
      'asks to come back in an hour',
      'download-failed',
      () => ({ status: 429, headers: { 'retry-after': '3600' } }),
    ],
  ];
  it.each(refused)('fails on a server that %s, with %s', async (_name, code, fault) => {
    server.fault = fault;
    await expectFailure(
      open({}, IMPATIENT).then((model) => loadAll(model)),
      code,
    );
  });

  it('does not repeat what was refused, and names the status', async () => {
    server.fault = () => ({ status: 403 });
    await expect(open()).rejects.toThrow(/403/);
    expect(server.exchanges).toHaveLength(1);
  });

  it('waits as long as the server asks', async () => {
    let asked = 0;
    let came = 0;
    server.fault = (_, n) => {
      if (n > 0) came ||= performance.now();
      else asked = performance.now();
      return n === 0 ? { status: 429, headers: { 'retry-after': '1' } } : undefined;
    };
    expect(await loadAll(await open())).toBe(HASH);
    // The server's own wish, 1000 ms, less the coarseness of timers; backoff alone would wait 10 ms at most.
    expect(came - asked).toBeGreaterThan(990);
  });

  it('fails if the file on the server changes meanwhile', async () => {
    const other = { bytes: randomBytes(BYTES.length, 2), etag: '"two"' };
    server.fault = (_, n) => {
      if (n === 2) server.files.set(PATH, other);
      return undefined;
    };
    await expectFailure(
      open().then((model) => loadAll(model)),
      'download-failed',
    );
  });

  it('follows a redirect to another origin', async () => {
    const other = await FaultServer.start({ '/elsewhere': { bytes: BYTES } });
    try {
      server.fault = () => ({ status: 302, headers: { location: `${other.origin}/elsewhere` } });
      expect(await loadAll(await open())).toBe(HASH);
    } finally {
      await other.close();
    }
  });

  it('rejects with corrupt-file if the hash is another', async () => {
    const model = await open({ sha256: sha256(BYTES.subarray(1)) });
    expect(await readAll(model.files.main.bytes)).toBe(HASH);
    await expectFailure(model.finish(), 'corrupt-file');
    await model.close();
  });

  it('checks a hash though nobody reads the file', async () => {
    const model = await open({ sha256: HASH.toUpperCase() });
    await model.finish();
    await model.close();
    expect(server.timesAsked(PATH)).toEqual([1, 1]);
  });

  it('stops at once when the signal fires, whatever it is doing', async () => {
    const stages: (Fault | undefined)[] = [
      { stallAfter: 0 },
      { stallAfter: 5000 },
      { status: 503, headers: { 'retry-after': '3600' } },
    ];
    const fetching = vi.spyOn(globalThis, 'fetch');
    onTestFinished(() => fetching.mockRestore());
    for (const stage of stages) {
      server.fault = () => stage;
      server.exchanges.length = 0;
      const controller = new AbortController();
      const loading = open({ signal: controller.signal }, { maxRetryAfterMs: Infinity }).then((model) =>
        loadAll(model, controller.signal),
      );
      void until(() => server.exchanges.length > 0)
        .then(() => sleep(30))
        .then(() => controller.abort(new Error('enough')));
      await expectFailure(loading, 'aborted');
      // Requests as they are made: one may be on its way to the server still.
      const requests = fetching.mock.calls.length;
      await sleep(50);
      expect(fetching).toHaveBeenCalledTimes(requests);
    }
    server.fault = () => undefined;
    await expectFailure(open({ signal: AbortSignal.abort() }), 'aborted');
  });
});

it('whatever happens, what a load gives is right, and so is the next one', async () => {
  let failures = 0;
  const seeds = samples(6);
  for (let seed = 1; seed <= seeds; seed++) failures += await loadsAmidFaults(seed, 5);
  // Some of the loads must fail, and not all of them, for this to mean something.
  expect(failures).toBeGreaterThan(0);
  expect(failures).toBeLessThan(seeds * 5);
});

/** Loads so often into one cache, from a server that misbehaves at random, and once more when it does not. Failed loads. */
async function loadsAmidFaults(seed: number, loads: number): Promise<number> {
  const random = xorshift(seed);
  const folder = new MemoryFolder();
  const cache = { folder, locks: new MemoryLocks() };
  const url = server.origin + PATH;
  const load = async (policy: Partial<NetworkPolicy> = {}): Promise<string> =>
    loadAll(await openSource(url, { sha256: HASH }, environment(cache, policy)));
  const faults: (() => Fault | undefined)[] = [
    () => ({ cutAfter: Math.floor(random() * 3 * MIB) }),
    () => ({ stallAfter: Math.floor(random() * MIB) }),
    () => ({ ignoreRange: true }),
    () => ({ status: [403, 404, 429, 500, 503][Math.floor(random() * 5)]! }),
    () => ({ shift: Math.floor(random() * 1000) }),
    () => ({ claimedSize: BYTES.length + Math.floor(random() * 1000) }),
    ...Array.from({ length: 12 }, () => () => undefined),
  ];
  server.fault = () => faults[Math.floor(random() * faults.length)]!();
  let failures = 0;
  for (let i = 0; i < loads; i++) {
    try {
      expect(await load(IMPATIENT)).toBe(HASH);
      await deleteIn(cache, url);
    } catch (error) {
      expect(error).toMatchObject({ code: 'download-failed' });
      failures++;
    }
    await checkCache(folder, url, BYTES);
  }
  server.fault = () => undefined;
  expect(await load()).toBe(HASH);
  return failures;
}

describe('in memory', () => {
  it('no more is fetched than the window has room for, until it is read', async () => {
    const bytes = randomBytes(40 * MIB, 3);
    server.files.set('/large', { bytes });
    const model = await openSource(`${server.origin}/large`, {}, environment());
    const { bytes: source } = model.files.main;
    await source.read(0, 100);
    source.prefetch?.(100, bytes.length);
    await until(() => server.bytesSent > 12 * MIB);
    await sleep(500);
    // QUICK has the default window of 24 pieces.
    expect(server.bytesSent).toBeLessThanOrEqual(24 * MIB);
    expect(await readAll(source, 100)).toBe(sha256(bytes));
    expect(server.timesAsked('/large')).toEqual([1, 1]);
    await model.close();
  });

  it('a read far back is fetched again', async () => {
    const model = await openSource(server.origin + PATH, {}, environment(undefined, { windowPieces: 6 }));
    const source = model.files.main.bytes;
    expect(await readAll(source)).toBe(HASH);
    expect(sha256(await source.read(3 * MIB, 100))).toBe(sha256(BYTES.subarray(3 * MIB, 3 * MIB + 100)));
    await model.close();
  });
});
