// What tests in browsers build: their pages, the demo, and the package, each into a folder of its own.
import { mkdir, symlink } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type PluginOption } from 'vite';
import { fileUrl } from '../../../tools/vite/file-url.ts';
import { scriptUrl } from '../../../tools/vite/script-url.ts';
import { shaders } from '../../../tools/vite/shaders.ts';
import { xgrammar } from '../../../tools/vite/xgrammar.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = 'test/e2e/pages';

/** Scripts that a page names by their addresses, which a bundler does not see: each is beside the pages, as `.js`. */
const BY_ADDRESS = ['favour-ids', 'service-worker.worker'];

export const BUILDERS = { pages: buildPages, demo: buildDemo, package: buildPackage };

const plugins = (): PluginOption[] => [scriptUrl(), fileUrl(), shaders(), xgrammar()];

/** All test pages at once, so that what they share is bundled once: `test/e2e/pages/x.html` is at that path. */
async function buildPages(outDir: string): Promise<void> {
  const pages = readdirSync(join(ROOT, PAGES)).filter((name) => name.endsWith('.html'));
  const inputs = [...pages, ...BY_ADDRESS.map((name) => `${name}.ts`)];
  await build({
    configFile: false,
    root: ROOT,
    publicDir: false,
    logLevel: 'warn',
    plugins: plugins(),
    // React mounts twice in StrictMode only where this is so.
    define: { 'process.env.NODE_ENV': '"development"' },
    worker: { format: 'es', plugins, rolldownOptions: { checks: { bundlerTimings: false } } },
    build: {
      target: 'es2022',
      outDir,
      emptyOutDir: false,
      // Errors quote code; and what is minified takes longer to build than it saves in loading.
      minify: false,
      modulePreload: false,
      reportCompressedSize: false,
      chunkSizeWarningLimit: Infinity,
      rolldownOptions: {
        input: inputs.map((name) => join(ROOT, PAGES, name)),
        // What an address names has its exports.
        preserveEntrySignatures: 'exports-only',
        output: {
          entryFileNames: ({ name }) =>
            BY_ADDRESS.includes(name) ? `${PAGES}/${name}.js` : 'assets/[name]-[hash].js',
        },
      },
    },
  });
}

async function buildDemo(outDir: string): Promise<void> {
  await build({
    configFile: join(ROOT, 'vite.config.ts'),
    logLevel: 'warn',
    build: { outDir, emptyOutDir: false },
  });
}

/** The package as `npm run build` makes it, in `dist`, beside it the packages that it may import under Node. */
async function buildPackage(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const outDir = join(folder, 'dist');
  await build({
    configFile: join(ROOT, 'vite.config.ts'),
    mode: 'lib',
    logLevel: 'warn',
    build: { outDir, emptyOutDir: false },
  });
}
