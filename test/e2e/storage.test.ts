// Storage in real browsers: the private file system, locks between tabs, and tabs that are closed amid a download.
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { SourceInfo } from '../../src/engine/types';
import type { CachedModel } from '../../src/storage/cache/models';
import type { StorageUsage } from '../../src/storage/cache/usage';
import { inBrowsers, type TestPage } from '../support/browsers';
import { FaultServer } from '../support/fault-server';
import { xorshift } from '../support/random';
import { servePages, type Served } from '../support/serve';
import type { StorageResult, StorageTask } from './pages/storage.worker';

// 24 pieces of 1 MiB, the last a short one.
const random = xorshift(1);
const BYTES = new Uint8Array(Uint32Array.from({ length: 6e6 }, () => random() * 2 ** 32).buffer);
const HASH = createHash('sha256').update(BYTES).digest('hex');
const PATH = '/model.gguf';

let pages: Served;
let server: FaultServer;
beforeAll(async () => {
  pages = await servePages();
});
afterAll(() => pages.close());
beforeEach(async () => {
  server = await FaultServer.start({ [PATH]: { bytes: BYTES, etag: '"one"' } });
});
afterEach(() => server.close());

inBrowsers((open, kind) => {
  let page: TestPage;
  beforeEach(async () => {
    page = await open(`${pages.url}test/e2e/pages/storage.html`);
    for (const { id } of await page.call<CachedModel[]>('listModels')) await page.call('deleteModel', id);
  });
  afterEach(() => page.close());

  const openTab = (): Promise<TestPage> => page.openTab(`${pages.url}test/e2e/pages/storage.html`);
  const read = (task: Partial<StorageTask> = {}, tab = page): Promise<StorageResult> =>
    tab.call<StorageResult>('read', { url: server.origin + PATH, ...task });
  const cached = async (): Promise<CachedModel | undefined> =>
    (await page.call<CachedModel[]>('listModels'))[0];

  it('keeps a model from another origin, reads it again without asking for it, and deletes it', async () => {
    expect(await read({ sha256: HASH })).toEqual({ hash: HASH, info: { cached: true } });
    expect(server.timesAsked(PATH)).toEqual([1, 1]);
    const { bytesSent } = server;
    const again = await Promise.all([read(), read({ sha256: HASH })]);
    expect(again).toEqual([0, 1].map(() => ({ hash: HASH, info: { cached: true } })));
    expect(server.bytesSent).toBe(bytesSent);

    expect(await cached()).toMatchObject({ url: server.origin + PATH, bytes: BYTES.length, complete: true });
    const usage = await page.call<StorageUsage>('storageUsage');
    expect(usage.models).toBe(BYTES.length);
    expect(usage.used).toBeGreaterThanOrEqual(BYTES.length);
    expect(usage.quota).toBeGreaterThan(usage.used);
    // Firefox asks its user, who is not there.
    if (kind.name === 'Chromium') expect(typeof (await page.call('persist'))).toBe('boolean');

    expect(await page.call('deleteModel', server.origin + PATH)).toBe(true);
    expect(await cached()).toBeUndefined();
    expect((await page.call<StorageUsage>('storageUsage')).models).toBe(0);
    expect(page.errors).toEqual([]);
  });

  it('goes on where it was when the tab was closed amid a download', async () => {
    // Twelve seconds for the whole, and a second or two until the first checkpoint.
    server.fault = () => ({ bytesPerSecond: 5e5 });
    const tab = await openTab();
    await tab.call('begin', { url: server.origin + PATH });
    // Checkpoints are made every second (src/storage/cache/cached-file.ts).
    while (!((await cached())?.bytes ?? 0)) await new Promise((resolve) => setTimeout(resolve, 100));
    await tab.close();
    server.fault = () => undefined;
    const kept = (await cached())!;
    expect(kept.complete).toBe(false);
    server.exchanges.length = 0;
    expect(await read()).toEqual({ hash: HASH, info: { cached: true } });
    expect(server.timesAsked(PATH)).toEqual([0, 1]);
    const { bytesSent } = server;
    expect(bytesSent).toBeLessThan(BYTES.length);
    // What was made safe between the look and the tab's end is not asked for either.
    expect(bytesSent).toBeLessThanOrEqual(BYTES.length - kept.bytes);
  });

  it('downloads each byte once for two tabs that load at the same time', async () => {
    server.fault = () => ({ bytesPerSecond: 8e6 });
    const tab = await openTab();
    const results = await Promise.all([read(), read({}, tab)]);
    await tab.close();
    expect(results).toEqual([0, 1].map(() => ({ hash: HASH, info: { cached: true } })));
    expect(server.timesAsked(PATH)).toEqual([1, 1]);
  });

  it('does without the file system where there is none, or no room, and says so', async () => {
    const refused = await read({ without: 'opfs', sha256: HASH });
    expect(refused).toMatchObject({ hash: HASH, info: { cached: false } });
    const tooLarge = await read({ without: 'quota' });
    const reason = 'the file takes 24 MB of storage and the browser has 1 MB free';
    expect(tooLarge).toEqual({ hash: HASH, info: { cached: false, reason } });
    const full = await read({ without: { writes: 9 }, sha256: HASH });
    expect(full).toEqual({
      hash: HASH,
      info: { cached: false, reason: 'the storage of this site is full' },
    });
    expect(await cached()).toBeUndefined();
  });

  it('rejects what is not the file that was meant, and does not keep it', async () => {
    expect(await read({ sha256: '0'.repeat(64) })).toMatchObject({ code: 'corrupt-file' });
    expect(await cached()).toBeUndefined();
  });

  it('serves the engine: a model that was loaded once is in the cache', async () => {
    const model = `${pages.url}models/ternion-tiny-i2_s.gguf`;
    expect(await page.call<SourceInfo>('load', model)).toEqual({ cached: true });
    expect(await page.call<SourceInfo>('load', model)).toEqual({ cached: true });
    expect(await cached()).toMatchObject({ url: model, complete: true });
    expect(await page.call('load', model, 'response')).toMatchObject({ cached: false });
    expect(await page.call('load', model, 'address', '0'.repeat(64))).toEqual({ code: 'corrupt-file' });
    expect(await cached()).toBeUndefined();
  });
});
