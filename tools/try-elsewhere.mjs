// `node tools/try-elsewhere.mjs next|bun|deno`: installs the packed package (npm run build first) beside a framework or runtime
// that is not among the tests, and asks the embedded model something there. It needs npm's registry, and Chromium for pages.

import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import process, { argv, env, execPath, exit } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright';
import { availableDrivers, CHROMIUM_ARGS, driverManifest, findChromium } from '../test/support/machine.mjs';
import { installPacked, ROOT } from './package/packed.mjs';

const QUESTION = [{ role: 'user', content: 'What is 3 + 4?' }];
const ANSWER = '3 + 4 = 7';

/** A page's code: the answer of the embedded model. */
const ASK = `
import { loadModel } from 'ternion';
export async function answer() {
  const engine = await loadModel('/model.gguf');
  const { text } = await engine.createSession().complete(${JSON.stringify(QUESTION)});
  await engine.dispose();
  return text;
}
`;

/** A program: the same without a page. */
const PROGRAM = `
import { loadModel } from 'ternion/node';
const engine = await loadModel('model.gguf');
const { text } = await engine.createSession().complete(${JSON.stringify(QUESTION)});
await engine.dispose();
console.log(text);
process.exit(0);
`;

/** What a server or a bundler does: it imports every entry, and nothing happens. */
const IMPORT_ALL = `
import { readFileSync } from 'node:fs';
const { exports } = JSON.parse(readFileSync('node_modules/ternion/package.json', 'utf8'));
const names = Object.keys(exports).filter((path) => !path.endsWith('.json')).map((path) => 'ternion' + path.slice(1));
for (const name of names) await import(name);
console.log(names.length + ' entries imported');
process.exit(0);
`;

const NEXT_PAGE = `'use client';
import { useEffect, useState } from 'react';
import { answer } from '../answer.js';
export default function Page() {
  const [text, setText] = useState('');
  useEffect(() => {
    answer().then(setText, (error) => setText(String(error)));
  }, []);
  return <p id="answer">{text}</p>;
}
`;
const NEXT_LAYOUT = `export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html>; }\n`;

/** Runs a command to its end, and gives what it wrote. */
function run(folder, command, ...words) {
  const manifest = availableDrivers()[0] === 'system' ? undefined : driverManifest(availableDrivers()[0]);
  return execFileSync(command, words, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...env, NEXT_TELEMETRY_DISABLED: '1', ...(manifest && { VK_ICD_FILENAMES: manifest }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function write(folder, files) {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** What `expression` is in the page at `url`, once it is not empty. */
async function inChromium(url, expression) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: CHROMIUM_ARGS });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(error.message));
  await page.goto(url);
  const value = await page.waitForFunction(expression, undefined, { timeout: 300_000 });
  const text = await value.jsonValue();
  await browser.close();
  return text;
}

/** Waits until something answers there. */
async function listening(url) {
  while (!(await globalThis.fetch(url).catch(() => undefined))) await setTimeout(100);
}

function serve(folder) {
  const server = createServer((request, response) => {
    const path = request.url === '/' ? '/index.html' : request.url;
    const type =
      { '.html': 'text/html', '.js': 'text/javascript' }[extname(path)] ?? 'application/octet-stream';
    readFile(join(folder, path)).then(
      (bytes) => response.writeHead(200, { 'content-type': type }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const PLACES = {
  /** Rendered on the server first, then in the page. */
  next: {
    packages: ['next@16.4.6', 'react@19.3.1', 'react-dom@19.3.1'],
    async attempt(folder, program) {
      write(folder, { 'answer.js': ASK, 'app/page.jsx': NEXT_PAGE, 'app/layout.jsx': NEXT_LAYOUT });
      cpSync(join(folder, 'model.gguf'), join(folder, 'public/model.gguf'), { recursive: true });
      run(folder, execPath, program('next/dist/bin/next'), 'build');
      const port = '38517';
      const words = [program('next/dist/bin/next'), 'start', '--port', port, '--hostname', '127.0.0.1'];
      const server = spawn(execPath, words, { cwd: folder, stdio: 'ignore' });
      try {
        await listening(`http://127.0.0.1:${port}/`);
        const found = await inChromium(
          `http://127.0.0.1:${port}/`,
          `document.querySelector('#answer')?.textContent`,
        );
        return { 'a client component in Chromium': found };
      } finally {
        server.kill();
      }
    },
  },
  bun: {
    packages: ['bun@1.4.4', 'webgpu@0.6.2'],
    async attempt(folder, program) {
      const bun = program('.bin/bun');
      write(folder, {
        'page.js': `${ASK.replace('export ', '')}answer().then((text) => { globalThis.answered = text; });`,
        'out/index.html': '<!doctype html><title>Bun</title><script type="module" src="page.js"></script>',
      });
      run(folder, bun, 'build', 'page.js', '--target', 'browser', '--outdir', 'out', '--splitting');
      cpSync(join(folder, 'model.gguf'), join(folder, 'out/model.gguf'));
      const server = await serve(join(folder, 'out'));
      const bundled = await inChromium(`http://127.0.0.1:${server.address().port}/`, 'globalThis.answered');
      server.close();
      return {
        'bundled by `bun build`, in Chromium': bundled,
        'every entry, imported by Bun': attempted(() => run(folder, bun, 'import-all.js')),
        'a program (`ternion/node` with the package webgpu)': attempted(() => run(folder, bun, 'answer.js')),
      };
    },
  },
  deno: {
    packages: ['deno@2.9.6', 'webgpu@0.6.2'],
    async attempt(folder, program) {
      const deno = program('.bin/deno');
      const words = ['run', '--allow-all', '--node-modules-dir=manual'];
      return {
        'every entry, imported by Deno': attempted(() => run(folder, deno, ...words, 'import-all.js')),
        "a program (`ternion/node` on Deno's own WebGPU)": attempted(() =>
          run(folder, deno, ...words, 'answer.js'),
        ),
      };
    },
  },
};

/** What came of it, or the first line of what was wrong. */
function attempted(work) {
  try {
    return work();
  } catch (error) {
    return `failed: ${String(error.message).split('\n')[0]}`;
  }
}

const place = PLACES[argv[2]];
if (!place) {
  console.error(`Usage: node tools/try-elsewhere.mjs ${Object.keys(PLACES).join('|')}`);
  exit(2);
}
const { folder, tarball } = installPacked();
try {
  rmSync(join(folder, 'node_modules'), { recursive: true });
  run(folder, 'npm', 'install', '--no-audit', '--no-fund', tarball, ...place.packages);
  write(folder, { 'answer.js': PROGRAM, 'import-all.js': IMPORT_ALL });
  cpSync(join(ROOT, 'public/models/ternion-tiny-i2_s.gguf'), join(folder, 'model.gguf'));
  const results = await place.attempt(folder, (path) => join(folder, 'node_modules', path));
  for (const [what, result] of Object.entries(results)) console.log(`${what}: ${result.trim()}`);
  const isRight = (result) => result.includes(ANSWER) || result.includes('entries imported');
  if (!Object.values(results).every(isRight)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
