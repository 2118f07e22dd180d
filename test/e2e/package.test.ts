// The built package, as users get it: in a page from another origin, without a bundler, and in Node without a worker.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Inline from '../../src/inline';
import type * as OpenAiSurface from '../../src/surfaces/openai';
import { inBrowsers } from '../support/browsers';
import { builtFolder } from '../support/builds/built';
import { collect } from '../support/collect';
import { defaultDriver, requestDevice } from '../support/dawn';
import { driverManifest } from '../support/machine.mjs';

const repository = new URL('../../', import.meta.url);
/** The folder with the built package in `dist`. */
let root: URL;
const TYPES: Record<string, string> = { html: 'text/html', js: 'text/javascript' };
const PAGE = `<!doctype html><title>Embedding</title><link rel="icon" href="data:," />
<script type="module">
  globalThis.run = async (module, createWorker, source = 'public/models/ternion-tiny-i2_s.gguf') => {
    const { loadModel } = await import(module);
    const worker = createWorker && new URL('/dist/worker.js', location.href);
    const engine = await loadModel(source,
      createWorker ? { createWorker: () => new Worker(worker, { type: 'module' }) } : {});
    let text = '';
    for await (const chunk of engine.createSession().send('What is 3 + 4?')) text += chunk.text;
    await engine.dispose();
    return text;
  };
  globalThis.refused = (module) => run(module).then(() => undefined, ({ code, message }) => ({ code, message }));
</script>`;

/** The built package and the files in `public`, readable from any origin; the page at the root. */
async function serveFiles(
  headers: Record<string, string> = {},
): Promise<{ server: Server; url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1);
    asked.push(path);
    const type = TYPES[path === '' ? 'html' : (path.split('.').at(-1) ?? '')] ?? 'application/octet-stream';
    const body =
      path === ''
        ? Promise.resolve(PAGE)
        : readFile(new URL(path, path.startsWith('dist/') ? root : repository));
    body.then(
      (bytes) => {
        response.writeHead(200, { 'content-type': type, 'access-control-allow-origin': '*', ...headers });
        response.end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

/** The command of the built package, with the driver that the other tests use. */
function runCli(...words: string[]): ChildProcessByStdio<null, Readable, Readable> {
  const driver = defaultDriver();
  const manifest = driver === 'system' ? undefined : driverManifest(driver);
  const env = { ...process.env, ...(manifest && { VK_ICD_FILENAMES: manifest }) };
  const cwd = fileURLToPath(root);
  return spawn(process.execPath, ['dist/cli.js', ...words], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The texts of a built module and of all that it imports, by path. */
async function importedBy(path: string, known = new Map<string, string>()): Promise<Map<string, string>> {
  if (known.has(path)) return known;
  const code = await readFile(new URL(path, root), 'utf8');
  known.set(path, code);
  for (const [, name] of code.matchAll(/from\s*["']\.\/([^"']+)["']/g))
    await importedBy(`dist/${name}`, known);
  return known;
}

describe('the built package', () => {
  let page: Awaited<ReturnType<typeof serveFiles>>;
  let strict: Awaited<ReturnType<typeof serveFiles>>;
  beforeAll(async () => {
    root = pathToFileURL(join(await builtFolder('package'), '/'));
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
      expect(await opened.call('run', `${page.url}dist/index.js`)).toBe('3 + 4 = 7');
      // The embedded model, by its name: it is beside the module, wherever that is, and is loaded when it is asked for.
      const file = 'dist/ternion-tiny-i2_s.gguf';
      expect(page.asked).not.toContain(file);
      expect(await opened.call('run', `${strict.url}dist/index.js`, undefined, 'ternion-tiny')).toBe(
        '3 + 4 = 7',
      );
      expect(strict.asked).toContain(file);
      expect(opened.errors).toEqual([]);
      await opened.close();
    });

    it('runs under a policy that forbids blob workers, given a worker, and then loads no script of its own', async () => {
      const opened = await open(strict.url);
      strict.asked.length = 0;
      expect(await opened.call('run', `${strict.url}dist/index.js`, true)).toBe('3 + 4 = 7');
      // What Rolldown calls the chunk of src/worker/main.ts as a text.
      const isOwnScript = (path: string): boolean => /^dist\/main-[^/]*\.js$/.test(path);
      expect(strict.asked).toContain('dist/worker.js');
      expect(strict.asked.filter(isOwnScript)).toEqual([]);
      expect(await opened.call('refused', `${strict.url}dist/index.js`)).toEqual({
        code: 'worker-unavailable',
        message: expect.stringMatching(/worker-src .*createWorker/) as string,
      });
      expect(strict.asked.filter(isOwnScript)).toHaveLength(1);
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
    const { loadModel, models } = (await import(new URL('dist/inline.js', root).href)) as typeof Inline;
    const device = await requestDevice();
    const { sha256 } = models['ternion-tiny'];
    const engine = await loadModel('ternion-tiny', { device, ...(sha256 && { sha256 }) });
    const spelled = await collect(engine.createSession().send('Spell planet.'));
    expect(spelled.text).toBe('p-l-a-n-e-t');
    await engine.dispose();
    expect(() => device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE })).not.toThrow();
    device.destroy();
  });

  it('has a server and a plan for the command line, on a GPU that it finds itself', async () => {
    const tiny = 'ternion-tiny';
    const plan = runCli('plan', tiny);
    expect(await text(plan.stdout)).toMatch(/^It fits\.\nTernion Tiny/);
    const server = runCli('serve', tiny, '--port', '0');
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const baseURL = /http:\S+\/v1/.exec(line.toString())?.[0];
    const client = new OpenAI({ baseURL, apiKey: 'local' });
    const messages = [{ role: 'user' as const, content: 'What is 3 + 4?' }];
    let answer = '';
    const asked = { model: 'tiny', messages, temperature: 0, stream: true } as const;
    for await (const { choices } of await client.chat.completions.create(asked)) {
      answer += choices[0]?.delta.content ?? '';
    }
    expect(answer).toBe('3 + 4 = 7');
    server.kill('SIGTERM');
    const [code] = (await once(server, 'exit')) as [number | null];
    expect(code).toBe(0);
  });

  it('says on the command line what is wrong', async () => {
    const missing = runCli('plan', 'no-such-model.gguf');
    expect(await text(missing.stderr)).toBe("There is no file 'no-such-model.gguf'.\n");
    const unknown = runCli('sing');
    const [code] = (await once(unknown, 'exit')) as [number | null];
    expect(code).toBe(2);
  });

  it('can be imported where there is no browser and no GPU', async () => {
    const openai = (await import(new URL('dist/openai.js', root).href)) as typeof OpenAiSurface;
    expect(openai.createFetch).toBeTypeOf('function');
    const modules = await importedBy('dist/openai.js');
    for (const code of modules.values()) expect(code).not.toMatch(/createShaderModule|comlink|["']node:/);
    // 42 kB when this was written; the engine has ten times as much.
    const size = [...modules.values()].reduce((sum, { length }) => sum + length, 0);
    expect(size).toBeLessThan(60_000);
  });
});
