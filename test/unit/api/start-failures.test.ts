// What is said of a worker that did not begin: what was missing, and what a page can do about it.
import { afterEach, expect, it, vi } from 'vitest';
import { WorkerLink } from '../../../src/api/worker-link';
import { ENGINE_WORKER, notStarted } from '../../../src/api/start-failures';
import { WorkerScript } from '../../../src/api/worker-script';
import { expectFailure } from '../../support/expect-failure';

afterEach(() => vi.unstubAllGlobals());

const start = (createWorker: () => Worker): Promise<WorkerLink> =>
  WorkerLink.start('test', { createWorker, greetingMs: 5 });

/** A worker that is told things and does `what`. */
function workerThat(what: (events: EventTarget) => void): Worker {
  const events = new EventTarget();
  const postMessage = (): void => queueMicrotask(() => what(events));
  return Object.assign(events, { postMessage, terminate() {} }) as unknown as Worker;
}

const REMEDY = /worker-src must allow blob:, or createWorker must start the script ternion\/worker/;

it.each([
  ['a function that fails', () => raise('No more workers'), /did not start: No more workers\. /],
  ['a worker that is silent', () => workerThat(() => {}), /did not start: It did not answer in 5 ms\. /],
  [
    'a script that cannot be run',
    () => workerThat((events) => events.dispatchEvent(new Event('error'))),
    /did not start: Its script failed\. /,
  ],
])('%s is named, with what to do', async (_, createWorker, words) => {
  await expectFailure(start(createWorker), 'worker-unavailable', words);
  await expectFailure(start(createWorker), 'worker-unavailable', REMEDY);
});

it('a script that a bundle has lost, and a place without workers, are named', async () => {
  const missing = new WorkerScript(() => Promise.reject(new TypeError('404')), ENGINE_WORKER);
  await expect(missing.start('test')).rejects.toThrow(/There are no workers here/);
  vi.stubGlobal('Worker', class {});
  await expect(missing.start('test')).rejects.toThrow(/Its script.* could not be loaded \(404\)/);
});

it('a part of the script that a bundle has lost is named, and asked for again the next time', async () => {
  const [missing, there] = [Promise.reject(new TypeError('404')), Promise.resolve('code')];
  missing.catch(() => {});
  const loads = [missing, there];
  const script = new WorkerScript(
    async () => ({ default: () => '', loadPart: () => loads.shift() ?? there, loadParts: async () => [] }),
    ENGINE_WORKER,
  );
  await expectFailure(script.part('part.js'), 'worker-unavailable', /part of the worker's script.*\(404\)/);
  expect(await script.part('part.js')).toBe('code');
});

it('a directive that forbids the worker is named in place of a guess', () => {
  const violation = { effectiveDirective: 'worker-src', blockedURI: 'blob', sample: '' };
  const { message } = notStarted(ENGINE_WORKER, new Error('failed'), violation);
  expect(message).toMatch(
    /Content-Security-Policy forbids it\. worker-src must allow blob:, or createWorker/,
  );
  expect(message).not.toMatch(/failed/);
});

function raise(message: string): never {
  throw new Error(message);
}
