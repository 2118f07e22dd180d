// The built package under strict Content-Security-Policies and Trusted Types: it runs, or says which directive forbids it.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SourceInfo } from '../../src/engine/types';
import { inBrowsers, type TestPage } from '../support/browsers';
import { builtFolder } from '../support/builds/built';
import { FaultServer, type ServedFile } from '../support/fault-server';
import { sha256 } from '../support/storage-loads';

const root = new URL('../../', import.meta.url);
const MODEL = '/model.gguf';
const PROMPT = 'Who are you?';
const HTML = '<!doctype html><title>Policies</title><script type="module" src="/page.js"></script>';

/** The page's script. It is a file of its own, because the policies forbid scripts amid HTML. */
const SCRIPT = `
const module = { type: 'module' };
const createWorkers = {
  fromString: () => new Worker('/dist/worker.js', module),
  fromNowhere: () => new Worker('/dist/no-such-worker.js', module),
  fromPolicy() {
    const policy = trustedTypes.createPolicy('app', { createScriptURL: (url) => url });
    return new Worker(policy.createScriptURL('/dist/worker.js'), module);
  },
};
const attempt = (run) => run().catch(({ name, code, message }) => ({ name, code, message }));
Object.assign(globalThis, {
  load: (source, { sha256, createWorker } = {}) =>
    attempt(async () => {
      const { loadModel } = await import('/dist/index.js');
      const options = { sha256, ...(createWorker && { createWorker: createWorkers[createWorker] }) };
      const engine = await loadModel(source, options);
      const ids = [];
      for await (const { tokenIds } of engine.createSession().send('${PROMPT}')) ids.push(...tokenIds);
      const { source: info } = engine.info;
      await engine.dispose();
      return { ids, info };
    }),
  plan: (source, { from = '/dist/', createWorker } = {}) =>
    attempt(async () => {
      const { planModel } = await import(from + 'index.js');
      const { verdict } = await planModel(source, createWorker && { createWorker: createWorkers[createWorker] });
      return { verdict };
    }),
  compilesWasm: () =>
    WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)).then(() => true, () => false),
  takesStrings() {
    try {
      createWorkers.fromString().terminate();
      return true;
    } catch {
      return false;
    }
  },
});
`;

const STRICT = "default-src 'self'; script-src 'self'; worker-src blob:; connect-src 'self'";
const TYPED = `${STRICT}; require-trusted-types-for 'script'`;
/** For pages that start the worker from its own file: `script-src` speaks for workers where there is no `worker-src`. */
const OWN_WORKER = TYPED.replace(' worker-src blob:;', '');

/** The file of a part of the worker's script. */
const PART = /script-part_([\w-]+)-[\w-]{8}\.js$/;

/** What came of a load or a plan. */
type Result = Partial<
  { ids: number[]; info: SourceInfo; verdict: string } & Record<'name' | 'code' | 'message', string>
>;

const refusal = (code: string, message: RegExp): Result => ({
  name: 'TernionError',
  code,
  message: expect.stringMatching(message) as string,
});

/** The package as `npm run build` makes it, by file name. */
async function builtPackage(): Promise<[name: string, file: ServedFile][]> {
  const folder = join(await builtFolder('package'), 'dist');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.js'));
  return Promise.all(
    names.map(async (name): Promise<[string, ServedFile]> => [
      name,
      script(await readFile(join(folder, name))),
    ]),
  );
}

function script(code: string | Uint8Array): ServedFile {
  return { bytes: Buffer.from(code), contentType: 'text/javascript' };
}

async function goldenIds(): Promise<number[]> {
  const text = await readFile(new URL('test/fixtures/prompts.json', root), 'utf8');
  const prompts = JSON.parse(text) as { messages: { content: string }[]; greedy: number[] }[];
  return prompts.find(({ messages }) => messages[0]?.content === PROMPT)!.greedy;
}

describe('the built package', () => {
  let server: FaultServer;
  let elsewhere: FaultServer;
  let golden: number[];
  let hash: string;
  beforeAll(async () => {
    const bytes = await readFile(new URL('public/models/ternion-tiny-i2_s.gguf', root));
    hash = sha256(bytes);
    golden = await goldenIds();
    const model = { bytes, etag: '"tiny"' };
    const built = await builtPackage();
    // Two copies: modules of different addresses are different modules.
    const files = ['/dist/', '/copy/'].flatMap((folder) =>
      built.map(([name, file]) => [folder + name, file]),
    );
    server = await FaultServer.start({
      '/': { bytes: Buffer.from(HTML), contentType: 'text/html' },
      '/page.js': script(SCRIPT),
      [MODEL]: model,
      ...(Object.fromEntries(files) as Record<string, ServedFile>),
    });
    elsewhere = await FaultServer.start({ [MODEL]: model });
  });
  afterAll(async () => {
    await server.close();
    await elsewhere.close();
  });

  inBrowsers((open) => {
    let page: TestPage;
    afterEach(() => page.close());

    const openUnder = async (policy: string): Promise<void> => {
      const headers = { 'content-security-policy': policy };
      server.fault = ({ path }) => (path === '/' ? { headers } : undefined);
      page = await open(`${server.origin}/`);
    };
    const load = (
      source: string,
      options: { sha256?: string; createWorker?: string } = {},
    ): Promise<Result> => page.call('load', source, options);
    const plan = (options: { from?: string; createWorker?: string } = {}): Promise<Result> =>
      page.call('plan', MODEL, options);

    it("checks, caches and runs a model where WebAssembly is forbidden (no 'wasm-unsafe-eval')", async () => {
      await openUnder(STRICT);
      expect(await page.call('compilesWasm')).toBe(false);
      expect(await load(MODEL, { sha256: '0'.repeat(64) })).toEqual(refusal('corrupt-file', /SHA-256/));
      const loaded = { ids: golden, info: { cached: true } };
      expect(await load(MODEL, { sha256: hash })).toEqual(loaded);
      const { bytesSent } = server;
      expect(await load(MODEL, { sha256: hash })).toEqual(loaded);
      expect(server.bytesSent).toBe(bytesSent);
    });

    it('loads the parts of its script that are needed, and all at once where it may not load them later', async () => {
      /** Which parts were asked for while something was done. */
      const partsOf = async (run: () => Promise<Result>, result: Result): Promise<string[]> => {
        const before = server.exchanges.length;
        expect(await run()).toMatchObject(result);
        return server.exchanges.slice(before).flatMap(({ path }) => PART.exec(path)?.[1] ?? []);
      };
      await openUnder(STRICT.replace("script-src 'self'", "script-src 'self' blob: 'wasm-unsafe-eval'"));
      const planned = await partsOf(plan, { verdict: 'fits' });
      expect(planned).toEqual(expect.arrayContaining(['plan-model', 'template-guard']));
      const loaded = await partsOf(() => load(MODEL), { ids: golden });
      // Kernels are checked on an adapter that has not been seen.
      expect(loaded).toEqual(expect.arrayContaining(['model-loader', 'checks']));
      for (const unused of ['safetensors-model', 'tool-calls', 'guides', 'plain-sha256'])
        expect([...planned, ...loaded]).not.toContain(unused);
      // Each module is loaded once.
      expect(new Set([...planned, ...loaded]).size).toBe(planned.length + loaded.length);
      await page.close();
      await openUnder(STRICT);
      const all = [...server.files.keys()].flatMap((path) => PART.exec(path)?.[1] ?? []);
      expect(new Set(await partsOf(plan, { verdict: 'fits' }))).toEqual(new Set(all));
      expect(await partsOf(() => load(MODEL), { ids: golden })).toEqual([]);
    });

    it('names connect-src where it forbids the model', async () => {
      await openUnder(STRICT);
      const words = new RegExp(`connect-src must allow ${elsewhere.origin}\\b`);
      expect(await load(elsewhere.origin + MODEL)).toEqual(refusal('download-failed', words));
      expect(elsewhere.exchanges).toEqual([]);
    });

    it('names worker-src where it forbids the worker', async () => {
      await openUnder(STRICT.replace('blob:', "'none'"));
      expect(await load(MODEL)).toEqual(
        refusal('worker-unavailable', /worker-src must allow blob:.*createWorker/),
      );
      const words = new RegExp(`worker-src must allow ${server.origin}/dist/worker\\.js`);
      expect(await plan({ createWorker: 'fromString' })).toEqual(refusal('worker-unavailable', words));
    });

    it('says what was missing where no policy is to blame', async () => {
      await openUnder(STRICT.replace('blob:', "'self'"));
      const words =
        /Its script failed\..*worker-src must allow blob:, or createWorker must start the script ternion\/worker/;
      expect(await plan({ createWorker: 'fromNowhere' })).toEqual(refusal('worker-unavailable', words));
    });

    it('runs with Trusted Types by the policy `ternion`, which it makes once', async () => {
      await openUnder(`${TYPED}; trusted-types ternion`);
      expect(await page.call('takesStrings')).toBe(false);
      expect(await load(MODEL)).toMatchObject({ ids: golden });
      expect(await plan()).toEqual({ verdict: 'fits' });
    });

    it("names trusted-types where it forbids the policy, or a second of its name without 'allow-duplicates'", async () => {
      const refused = refusal(
        'worker-unavailable',
        /policy 'ternion'.*trusted-types must name it.*'allow-duplicates'/,
      );
      await openUnder(`${TYPED}; trusted-types other`);
      expect(await load(MODEL)).toEqual(refused);
      await page.close();
      await openUnder(`${TYPED}; trusted-types ternion`);
      expect(await plan()).toEqual({ verdict: 'fits' });
      expect(await plan({ from: '/copy/' })).toEqual(refused);
      await page.close();
      await openUnder(`${TYPED}; trusted-types ternion 'allow-duplicates'`);
      expect(await plan()).toEqual({ verdict: 'fits' });
      expect(await plan({ from: '/copy/' })).toEqual({ verdict: 'fits' });
    });

    it('does without the policy where nothing requires Trusted Types', async () => {
      await openUnder(`${STRICT}; trusted-types other`);
      expect(await plan()).toEqual({ verdict: 'fits' });
    });

    it('leaves the policy to a page that makes the worker itself', async () => {
      await openUnder(`${OWN_WORKER}; trusted-types app`);
      expect(await load(MODEL, { createWorker: 'fromPolicy' })).toMatchObject({ ids: golden });
      expect(await plan({ createWorker: 'fromString' })).toEqual(
        refusal('worker-unavailable', /require-trusted-types-for.*TrustedScriptURL/),
      );
    });
  });
});
