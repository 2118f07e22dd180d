// What a Content-Security-Policy forbids: no second attempt, and an error that names the directive.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openSource } from '../../../src/storage/sources/open-source';
import { expectFailure } from '../../support/expect-failure';
import { FaultServer } from '../../support/fault-server';
import { environment, MemoryFolder, MemoryLocks } from '../../support/memory-storage';
import { loadAll, MIB, randomBytes, sha256 } from '../../support/storage-loads';

const URL_ASKED = 'https://models.example/tiny.gguf?signature=1';

/** The part of the event that is looked at. */
interface Told {
  effectiveDirective: string;
  blockedURI: string;
  disposition: 'enforce' | 'report';
}
const FORBIDDEN: Told = {
  effectiveDirective: 'connect-src',
  blockedURI: URL_ASKED,
  disposition: 'enforce',
};

let page: EventTarget;
let listeners: number;
beforeEach(() => {
  page = new EventTarget();
  listeners = 0;
  vi.stubGlobal('addEventListener', (type: string, listener: EventListener) => {
    listeners++;
    page.addEventListener(type, listener);
  });
  vi.stubGlobal('removeEventListener', (type: string, listener: EventListener) => {
    listeners--;
    page.removeEventListener(type, listener);
  });
});
afterEach(() => vi.unstubAllGlobals());

/** Fails as a request does that a policy forbids: of the reason the browser tells in a later task. */
function refuse(told: Told): never {
  const event = Object.assign(new Event('securitypolicyviolation'), told);
  setTimeout(() => page.dispatchEvent(event), 5);
  throw new TypeError('Failed to fetch');
}

/** How many requests are made until a load fails, where the browser refuses them all. */
async function requestsUntilFailed(told: Told, words: string | RegExp, url = URL_ASKED): Promise<number> {
  let requests = 0;
  const browser = environment();
  browser.network.fetch = async () => {
    requests++;
    return refuse(told);
  };
  await expectFailure(openSource(url, { cache: false }, browser), 'download-failed', words);
  expect(listeners).toBe(0);
  return requests;
}

it.each([
  ['the address', URL_ASKED],
  ['the origin, after a redirect', 'https://models.example'],
])('is not tried again, and says so, if the event names %s', async (_, blockedURI) => {
  const words = /connect-src must allow https:\/\/models\.example,/;
  expect(await requestsUntilFailed({ ...FORBIDDEN, blockedURI }, words)).toBe(1);
});

it('says so of an address in the browser itself', async () => {
  const told = { ...FORBIDDEN, blockedURI: 'blob' };
  const url = 'blob:https://page.example/3608edff-c4c8-465a-8a5a-11333f883599';
  expect(await requestsUntilFailed(told, 'connect-src must allow blob:.', url)).toBe(1);
});

it.each<[string, Partial<Told>]>([
  ['is only reported', { disposition: 'report' }],
  ['concerns another address', { blockedURI: 'https://models.example/other.gguf' }],
  ['concerns another directive', { effectiveDirective: 'img-src' }],
])('is not blamed on a violation that %s', async (_, other) => {
  const requests = await requestsUntilFailed({ ...FORBIDDEN, ...other }, 'the connection broke');
  expect(requests).toBeGreaterThan(1);
});

it('does not keep a model from being used that is in the cache', async () => {
  const bytes = randomBytes(2 * MIB + 5, 1);
  const server = await FaultServer.start({ '/tiny.gguf': { bytes, etag: '"one"' } });
  const blockedURI = `${server.origin}/tiny.gguf`;
  const browser = environment({ folder: new MemoryFolder(), locks: new MemoryLocks() });
  await loadAll(await openSource(blockedURI, {}, browser));
  browser.network.fetch = async () => refuse({ ...FORBIDDEN, blockedURI });
  expect(await loadAll(await openSource(blockedURI, {}, browser))).toBe(sha256(bytes));
  await server.close();
});
