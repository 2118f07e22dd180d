// A Vite plugin for the demo: adds a service worker to the build that knows the names of all its files.

import { createHash } from 'node:crypto';
import { build, type Plugin } from 'vite';
import type { Shell } from '../../demo/shell.ts';

/** Files of a build, by their names. */
type Files = Record<string, { type: 'chunk'; code: string } | { type: 'asset'; source: string | Uint8Array }>;

/** `entry` is the source of the service worker, which becomes `service-worker.js` at the root of the build. */
export function offline(entry: string): Plugin {
  return {
    name: 'ternion:offline',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      // After the pages were made.
      order: 'post',
      async handler(_options, bundle) {
        const source = await serviceWorker(entry, shellOf(bundle));
        this.emitFile({ type: 'asset', fileName: 'service-worker.js', source });
      },
    },
  };
}

/** What of a build is to be kept: pages, scripts and styles. Models are not: the engine keeps those. */
export function shellOf(files: Files): Shell {
  const names = Object.keys(files).sort();
  const assets = names.filter((name) => /^assets\/.*\.(js|css|wasm)$/.test(name));
  const pages = names
    .filter((name) => name.endsWith('.html'))
    .map((path) => ({ path, integrity: `sha256-${sha256(contents(files[path])).digest('base64')}` }));
  const version = sha256(JSON.stringify([assets, pages]))
    .digest('hex')
    .slice(0, 16);
  return { version, assets, pages };
}

function contents(file: Files[string] | undefined): string | Uint8Array {
  if (file?.type !== 'asset') throw new Error('A page is no asset of the build');
  return file.source;
}

function sha256(data: string | Uint8Array) {
  return createHash('sha256').update(data);
}

/** The script of a service worker that keeps the files of `shell`. */
export async function serviceWorker(entry: string, shell: Shell): Promise<string> {
  const result = await build({
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    define: { SHELL: JSON.stringify(shell) },
    build: {
      target: 'es2022',
      write: false,
      modulePreload: false,
      rolldownOptions: { input: entry, output: { format: 'iife' } },
    },
  });
  const [chunk] = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
  if (chunk?.type !== 'chunk') throw new Error(`${entry} did not become a script`);
  return chunk.code;
}
