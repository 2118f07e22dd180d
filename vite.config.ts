import { defineConfig } from 'vite';

// Three builds in one file: the library (`--mode lib`), the demo (default), and the tests (vitest reads `test`).
export default defineConfig(({ mode }) => {
  if (mode === 'lib') {
    return {
      publicDir: false,
      build: {
        target: 'es2022',
        outDir: 'dist',
        lib: {
          entry: { index: 'src/index.ts', inline: 'src/inline.ts' },
          formats: ['es' as const],
        },
      },
    };
  }
  return {
    root: 'demo',
    base: './',
    publicDir: '../public',
    build: {
      target: 'es2022',
      outDir: '../dist/demo',
      emptyOutDir: true,
      rollupOptions: { input: { index: 'demo/index.html' } },
    },
    worker: { format: 'es' as const },
  };
});
