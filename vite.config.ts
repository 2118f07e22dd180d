import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { fileUrl } from './tools/vite/file-url.ts';
import { scriptUrl } from './tools/vite/script-url.ts';
import { xgrammar } from './tools/vite/xgrammar.ts';
import { shaders } from './tools/vite/shaders.ts';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// Two builds in one file: the library (`--mode lib`) and the demo (default).
export default defineConfig(({ mode }) => {
  if (mode === 'lib') {
    return {
      plugins: [scriptUrl(), fileUrl(), shaders(), xgrammar()],
      publicDir: false,
      build: {
        target: 'es2022',
        outDir: 'dist',
        lib: {
          entry: {
            index: file('src/index.ts'),
            inline: file('src/inline.ts'),
            worker: file('src/worker/main.ts'),
            grammar: file('src/grammar/host/main.ts'),
            'ai-sdk': file('src/surfaces/ai-sdk/index.ts'),
            'prompt-api': file('src/surfaces/prompt-api/index.ts'),
            openai: file('src/surfaces/openai/index.ts'),
            node: file('src/surfaces/node/index.ts'),
            cli: file('src/surfaces/node/cli.ts'),
            connect: file('src/surfaces/connect/index.ts'),
            'service-worker': file('src/surfaces/service-worker/index.ts'),
            react: file('src/surfaces/react/index.ts'),
          },
          formats: ['es' as const],
        },
        // What only the entries for Node and React import: it is there, or comes with a package of the user's own choice.
        rolldownOptions: { external: [/^node:/, 'webgpu', 'react'] },
      },
    };
  }
  return {
    plugins: [scriptUrl(), fileUrl(), shaders(), xgrammar()],
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
