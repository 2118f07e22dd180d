// The packed tarball in a clean folder, as a user has it after `npm install ternion`: on a static page, with Vite, with webpack, and
// under Node. Each asks the embedded model the same question.
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import webpack from 'webpack';
import { installPacked } from '../../tools/package/packed.mjs';
import { chromium, inBrowsers } from '../support/browsers';
import { builtFolder } from '../support/builds/built';
import { defaultDriver } from '../support/dawn';
import { driverManifest } from '../support/machine.mjs';
import { serveFolders, type Served } from '../support/static-server';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A page's module: `answer` gives the answer of the embedded model, in a worker that Ternion or the page itself starts. */
const page = (createWorker: string): string => `
import { loadModel } from 'ternion';
globalThis.answer = async (makesWorker) => {
  const createWorker = ${createWorker};
  const engine = await loadModel('/model.gguf', makesWorker ? { createWorker } : {});
  const { text } = await engine.createSession().complete([{ role: 'user', content: 'What is 3 + 4?' }]);
  await engine.dispose();
  return text;
};`;

const html = (script: string): string =>
  `<!doctype html><title>Ternion</title><link rel="icon" href="data:," />${script}`;

const IMPORT_MAP =
  '<script type="importmap">{ "imports": { "ternion": "/node_modules/ternion/dist/index.js" } }</script>';

const UNDER_NODE = `
import { loadModel } from 'ternion/node';
const engine = await loadModel('model.gguf');
const { text } = await engine.createSession().complete([{ role: 'user', content: 'What is 3 + 4?' }]);
await engine.dispose();
console.log(text);`;

/** Writes files, by path from `folder`. */
async function write(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

async function buildWithVite(folder: string): Promise<void> {
  await write(folder, {
    'vite/index.html': html('<script type="module" src="/main.js"></script>'),
    'vite/main.js':
      `import url from 'ternion/worker?url';` + page(`() => new Worker(url, { type: 'module' })`),
  });
  await build({
    configFile: false,
    root: join(folder, 'vite'),
    base: '/built-by-vite/',
    logLevel: 'warn',
    build: { outDir: join(folder, 'built-by-vite') },
  });
}

async function buildWithWebpack(folder: string): Promise<void> {
  await write(folder, {
    'webpack/main.js': page(
      `() => new Worker(new URL('ternion/worker', import.meta.url), { type: 'module' })`,
    ),
    'built-by-webpack/index.html': html('<script src="main.js"></script>'),
  });
  const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
    const output = { path: join(folder, 'built-by-webpack'), filename: 'main.js' };
    const entry = join(folder, 'webpack/main.js');
    webpack({ mode: 'production', context: folder, entry, output }, (error, result) =>
      error ? reject(error) : resolve(result),
    );
  });
  // Warnings of files that are larger than webpack finds proper are of no interest here.
  expect(stats?.toJson({ all: false, errors: true }).errors).toEqual([]);
}

/** What is packed, in a folder of its own. */
async function stagePackage(): Promise<string> {
  const stage = await mkdtemp(join(tmpdir(), 'ternion-stage-'));
  await cp(join(await builtFolder('package'), 'dist'), join(stage, 'dist'), { recursive: true });
  for (const name of [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'SECURITY.md',
    'THIRD_PARTY_NOTICES.md',
    'docs',
  ])
    await cp(join(root, name), join(stage, name), { recursive: true });
  return stage;
}

describe('the packed package', () => {
  let folder: string;
  let server: Served;
  beforeAll(async () => {
    const stage = await stagePackage();
    ({ folder } = installPacked(['webgpu'], stage));
    await rm(stage, { recursive: true });
    await cp(join(root, 'public/models/ternion-tiny-i2_s.gguf'), join(folder, 'model.gguf'));
    const ownWorker = `() => new Worker('/node_modules/ternion/dist/worker.js', { type: 'module' })`;
    await write(folder, {
      'static/index.html': html(`${IMPORT_MAP}<script type="module">${page(ownWorker)}</script>`),
      'answer.js': UNDER_NODE,
    });
    await buildWithVite(folder);
    await buildWithWebpack(folder);
    server = await serveFolders([folder]);
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  inBrowsers(
    (open) => {
      it.each([
        ['on a static page with an import map', 'static/'],
        ['built by Vite', 'built-by-vite/'],
        ['built by webpack', 'built-by-webpack/'],
      ])('answers %s, in its own worker and in one that the page makes', async (_, path) => {
        const opened = await open(server.url + path);
        expect(await opened.call('answer', false)).toBe('3 + 4 = 7');
        expect(await opened.call('answer', true)).toBe('3 + 4 = 7');
        expect(opened.errors).toEqual([]);
        await opened.close();
      });
    },
    [chromium],
  );

  it('answers under Node', async () => {
    const driver = defaultDriver();
    const manifest = driver === 'system' ? undefined : driverManifest(driver);
    const env = { ...process.env, ...(manifest && { VK_ICD_FILENAMES: manifest }) };
    const node = spawn(process.execPath, ['answer.js'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    expect(await text(node.stdout)).toBe('3 + 4 = 7\n');
  });

  it('holds no tests, no sources and no demo', async () => {
    const found = await readdir(join(folder, 'node_modules/ternion'));
    const texts = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'THIRD_PARTY_NOTICES.md'];
    expect(found.sort()).toEqual([...texts, 'dist', 'docs', 'package.json']);
  });
});
