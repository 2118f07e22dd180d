// The packages that Ternion is compared with, and how they are fetched: they are no dependencies of the project.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** A package, and the files of it that a page loads before a model. */
export interface Peer {
  name: string;
  version: string;
  /** Paths below `node_modules`. */
  files: readonly string[];
}

const WLLAMA = '@wllama/wllama';
const TRANSFORMERS = '@huggingface/transformers';

/** The newest versions when this was written. */
export const PEERS: readonly Peer[] = [
  { name: '@mlc-ai/web-llm', version: '0.2.86', files: ['@mlc-ai/web-llm/lib/index.js'] },
  {
    name: TRANSFORMERS,
    version: '4.3.2',
    files: [
      `${TRANSFORMERS}/dist/transformers.min.js`,
      'onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.mjs',
      'onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm',
    ],
  },
  {
    name: WLLAMA,
    version: '3.13.0',
    files: [`${WLLAMA}/esm/index.min.js`, `${WLLAMA}/esm/wasm/wllama.wasm`],
  },
];

/** Installs the packages into `folder`, unless they are there; their `node_modules`. */
export async function fetchPeers(folder: string): Promise<string> {
  const modules = join(folder, 'node_modules');
  if (PEERS.every(({ name, version }) => versionIn(modules, name) === version)) return modules;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const packages = PEERS.map(({ name, version }) => `${name}@${version}`);
  const { status } = spawnSync(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (status !== 0) throw new Error(`npm could not install ${packages.join(', ')}`);
  return modules;
}

function versionIn(modules: string, name: string): string | undefined {
  const path = join(modules, name, 'package.json');
  return existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
    : undefined;
}

/** Bytes of each file as it is, and compressed by gzip at level 9. */
export function sizesOf({ files }: Peer, modules: string): { file: string; bytes: number; gzip: number }[] {
  return files.map((file) => {
    const content = readFileSync(join(modules, file));
    return { file, bytes: content.length, gzip: gzipSync(content, { level: 9 }).length };
  });
}
