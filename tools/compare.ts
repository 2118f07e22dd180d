// Measures for docs/comparison.md. Packages are fetched into a scratch folder; the model is random, in a shape and an encoding that
// Ternion and llama.cpp both read.

import { existsSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type Browser } from 'playwright';
import { GeneratedModel } from '../bench/core/generated-model';
import { SHAPES } from '../bench/core/shapes';
import { textTable } from '../bench/core/tables';
import { CHROMIUM_ARGS, findChromium } from '../test/support/machine.mjs';
import { fetchPeers, PEERS, sizesOf } from './compare/peers';
import { run, type Lap, type Runner } from './compare/race';
import { serve } from './compare/server';

const USAGE = `Usage: node tools/compare.mjs [--folder DIR] [--sizes] [--model FILE.gguf] [--tokens N] [--runs N] [--only RUNNER,…]

Prints what a page loads of each package before a model; then, unless --sizes is given, times Ternion (the built package in dist) and
wllama in Chromium, with WebGPU on SwiftShader: ternion, wllama-cpu, wllama-gpu.
--folder is where the packages are, or are installed to. Without --model a random one is made: 125m, llama, TQ2_0.`;

const RUNNERS: readonly Runner[] = ['ternion', 'wllama-cpu', 'wllama-gpu'];
const DIST = resolve('dist');
const PIECE = 8 << 20;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      folder: { type: 'string', default: join(tmpdir(), 'ternion-peers') },
      sizes: { type: 'boolean' },
      model: { type: 'string' },
      tokens: { type: 'string', default: '32' },
      runs: { type: 'string', default: '3' },
      only: { type: 'string', default: RUNNERS.join() },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return console.log(USAGE);
  const modules = await fetchPeers(values.folder);
  printSizes(modules);
  if (values.sizes) return;
  if (!existsSync(join(DIST, 'index.js'))) throw new Error('Build the package first: npm run build');
  const model = values.model ? resolve(values.model) : await randomModel();
  const runners = RUNNERS.filter((runner) => values.only.split(',').includes(runner));
  console.log(
    `\n${basename(model)} on ${cpus()[0]?.model ?? 'a processor'}, ${availableParallelism()} cores`,
  );
  await race(modules, model, runners, Number(values.tokens), Number(values.runs));
}

function printSizes(modules: string): void {
  const kilobytes = (bytes: number): string => `${Math.round(bytes / 1000)} kB`;
  const rows = PEERS.flatMap((peer) =>
    sizesOf(peer, modules).map(({ file, bytes, gzip }) => [
      `${peer.name} ${peer.version}`,
      basename(file),
      kilobytes(bytes),
      kilobytes(gzip),
    ]),
  );
  console.log(textTable({ title: 'Before a model', columns: ['package', 'file', 'bytes', 'gzip'], rows }));
}

/** Writes the random model, if it is not there yet; its path. */
async function randomModel(): Promise<string> {
  const shape = { ...SHAPES['125m'], ternary: 'TQ2_0' as const };
  const model = new GeneratedModel('125m', shape, { architecture: 'llama' });
  const path = join(tmpdir(), 'ternion-bench', '125m-llama-tq2_0.gguf');
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w');
  for (let at = 0; at < model.size; at += PIECE)
    await file.writeFile(await model.read(at, Math.min(PIECE, model.size - at)));
  await file.close();
  return path;
}

/** Each runner in turn, as often as asked for, in a browser of its own. */
async function race(
  modules: string,
  model: string,
  runners: readonly Runner[],
  tokens: number,
  runs: number,
): Promise<void> {
  const wllama = join(modules, '@wllama/wllama/esm');
  const { url, server } = await serve({ ternion: DIST, wllama, model: dirname(model) });
  const rows: string[][] = [];
  for (let i = 0; i < runs; i++) {
    for (const runner of runners) {
      const browser = await launch();
      try {
        const page = await browser.newPage();
        await page.goto(`${url}/`);
        const lap = await run(page, { runner, model: `/model/${basename(model)}`, tokens });
        rows.push(rowOf(runner, lap));
      } catch (error) {
        rows.push([runner, 'failed', (error as Error).message.split('\n')[0] ?? '', '', '', '']);
      } finally {
        await browser.close();
      }
    }
  }
  server.close();
  const columns = ['runner', 'load s', 'first token s', 'ms a token', 'tokens', 'on'];
  console.log(textTable({ title: 'An answer', columns, rows }));
}

function rowOf(runner: Runner, { load, first, perToken, tokens, on }: Lap): string[] {
  const seconds = (ms: number): string => (ms / 1000).toFixed(2);
  return [runner, seconds(load), seconds(first), perToken.toFixed(1), String(tokens), on];
}

async function launch(): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('No Chromium was found; CHROMIUM_PATH says where it is');
  return chromium.launch({ executablePath, args: [...CHROMIUM_ARGS], timeout: 0 });
}

await main();
