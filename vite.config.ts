import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { ENTRIES, EXTERNAL } from './tools/package/entries.mjs';
import { docs } from './tools/vite/docs.ts';
import { fileUrl } from './tools/vite/file-url.ts';
import { offline } from './tools/vite/offline.ts';
import { scriptUrl } from './tools/vite/script-url.ts';
import { xgrammar } from './tools/vite/xgrammar.ts';
import { shaders } from './tools/vite/shaders.ts';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What others import; scripts of workers are not, so that each is one file. */
const modules = ENTRIES.filter(({ script }) => script === undefined);
const workers = Object.fromEntries(
  ENTRIES.filter(({ script }) => script !== undefined).map(({ name, source }) => [
    `${name}.js`,
    file(source),
  ]),
);

// Two builds in one file: the library (`--mode lib`) and the demo (default).
export default defineConfig(({ mode }) => {
  if (mode === 'lib') {
    return {
      plugins: [scriptUrl(workers), fileUrl(), shaders(), xgrammar()],
      publicDir: false,
      build: {
        target: 'es2022',
        outDir: 'dist',
        lib: {
          entry: Object.fromEntries(modules.map(({ name, source }) => [name, file(source)])),
          formats: ['es' as const],
        },
        // Vite leaves white space in libraries, for annotations that tell bundlers what has no effect: package.json says that.
        rolldownOptions: { external: EXTERNAL, output: { minify: true } },
      },
    };
  }
  return {
    plugins: [
      scriptUrl(),
      fileUrl(),
      shaders(),
      xgrammar(),
      offline(file('demo/service-worker.ts')),
      docs(file('dist/site')),
    ],
    root: 'demo',
    base: './',
    publicDir: file('public'),
    build: {
      target: 'es2022',
      outDir: file('dist/demo'),
      emptyOutDir: true,
      rollupOptions: { input: { index: file('demo/index.html'), bench: file('demo/bench.html') } },
    },
  };
});
