import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// Two builds in one file: the library (`--mode lib`) and the demo (default).
export default defineConfig(({ mode }) => {
  if (mode === 'lib') {
    return {
      publicDir: false,
      build: {
        target: 'es2022',
        outDir: 'dist',
        lib: {
          entry: {
            index: file('src/index.ts'),
            inline: file('src/inline.ts'),
            worker: file('src/worker/main.ts'),
          },
          formats: ['es' as const],
        },
      },
      worker: { format: 'es' as const },
    };
  }
  return {
    root: 'demo',
    base: './',
    publicDir: file('public'),
    build: {
      target: 'es2022',
      outDir: file('dist/demo'),
      emptyOutDir: true,
      rollupOptions: { input: { index: file('demo/index.html'), bench: file('demo/bench.html') } },
    },
    worker: { format: 'es' as const },
  };
});
