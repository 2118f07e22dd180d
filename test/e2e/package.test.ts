// The built package, as users get it: in a page from another origin, without a bundler, and in Node without a worker.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Inline from '../../src/inline';
import { inBrowsers } from '../support/browsers';
import { collect } from '../support/collect';
import { requestDevice } from '../support/dawn';

const root = new URL('../../', import.meta.url);
const TYPES: Record<string, string> = { html: 'text/html', js: 'text/javascript' };
const PAGE = `<!doctype html><title>Embedding</title><link rel="icon" href="data:," />
<script type="module">
  globalThis.run = async (module, createWorker) => {
    const { loadModel } = await import(module);
    const worker = createWorker && new URL('/dist/worker.js', location.href);
    const engine = await loadModel('public/models/ternion-tiny-i2_s.gguf',
      createWorker ? { createWorker: () => new Worker(worker, { type: 'module' }) } : {});
    let text = '';
    for await (const chunk of engine.createSession().send('What is 3 + 4?')) text += chunk.text;
    await engine.dispose();
    return text;
  };
  globalThis.refused = (module) => run(module).then(() => undefined, ({ code, message }) => ({ code, message }));
</script>`;

/** Files of the repository as they are, readable from any origin; the page at the root. */
async function serveFiles(headers: Record<string, string> = {}): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1);
    const type = TYPES[path === '' ? 'html' : (path.split('.').at(-1) ?? '')] ?? 'application/octet-stream';
    const body = path === '' ? Promise.resolve(PAGE) : readFile(new URL(path, root));
    body.then(
      (bytes) => {
        response.writeHead(200, { 'content-type': type, 'access-control-allow-origin': '*', ...headers });
        response.end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

describe('the built package', () => {
  let page: Awaited<ReturnType<typeof serveFiles>>;
  let strict: Awaited<ReturnType<typeof serveFiles>>;
  beforeAll(async () => {
    await build({ configFile: 'vite.config.ts', mode: 'lib', logLevel: 'warn' });
    page = await serveFiles();
    strict = await serveFiles({ 'content-security-policy': "worker-src 'self'" });
  });
  afterAll(() => {
    page.server.close();
    strict.server.close();
  });

  inBrowsers((open) => {
    it('runs in a page that imports it from its own origin or from another', async () => {
      const opened = await open(page.url);
      for (const module of [`${page.url}dist/index.js`, `${strict.url}dist/index.js`]) {
        expect(await opened.call('run', module)).toBe('3 + 4 = 7');
      }
      expect(opened.errors).toEqual([]);
      await opened.close();
    });

    it('runs under a policy that forbids blob workers, given a worker', async () => {
      const opened = await open(strict.url);
      expect(await opened.call('run', `${strict.url}dist/index.js`, true)).toBe('3 + 4 = 7');
      expect(await opened.call('refused', `${strict.url}dist/index.js`)).toEqual({
        code: 'worker-lost',
        message: expect.stringMatching(/worker-src .*createWorker/) as string,
      });
      await opened.close();
    });
  });

  it.each([
    ['ai-sdk', ['createTernion']],
    ['prompt-api', ['createLanguageModel', 'installLanguageModel']],
  ])('has an entry %s that a server can import, without a DOM', async (entry, names) => {
    const module = (await import(new URL(`dist/${entry}.js`, root).href)) as object;
    expect(Object.keys(module)).toEqual(names);
  });

  it('runs in Node with a device of Dawn, and leaves that device to its owner', async () => {
    const { loadModel } = (await import(new URL('dist/inline.js', root).href)) as typeof Inline;
    const device = await requestDevice();
    const bytes = await readFile(new URL('public/models/ternion-tiny-i2_s.gguf', root));
    const engine = await loadModel(bytes, { device });
    const { text } = await collect(engine.createSession().send('Spell planet.'));
    expect(text).toBe('p-l-a-n-e-t');
    await engine.dispose();
    expect(() => device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE })).not.toThrow();
    device.destroy();
  });
});
