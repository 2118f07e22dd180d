// The entries of the package: the one list that its modules, its types and the checks of package.json are made from.

/** Every module that others can import, `ternion` first, and the program of the command line. */
export const ENTRIES = [
  { name: 'index', source: 'src/index.ts' },
  { name: 'inline', source: 'src/inline.ts' },
  {
    name: 'worker',
    source: 'src/worker/main.ts',
    script:
      'The script of the worker that has the engine, in one file. It exports nothing: a page that cannot start workers from blobs ' +
      'serves it and starts it by `createWorker` of `loadModel`.',
  },
  {
    name: 'grammar',
    source: 'src/grammar/host/main.ts',
    script:
      'The script of the worker that compiles grammars, in one file. It exports nothing: a page that cannot start workers from blobs ' +
      'serves it and starts it by `createGrammarWorker` of `loadModel`.',
  },
  { name: 'ai-sdk', source: 'src/surfaces/ai-sdk/index.ts' },
  { name: 'prompt-api', source: 'src/surfaces/prompt-api/index.ts' },
  { name: 'openai', source: 'src/surfaces/openai/index.ts' },
  { name: 'node', source: 'src/surfaces/node/index.ts' },
  { name: 'connect', source: 'src/surfaces/connect/index.ts' },
  { name: 'service-worker', source: 'src/surfaces/service-worker/index.ts' },
  { name: 'react', source: 'src/surfaces/react/index.ts' },
  { name: 'cli', source: 'src/surfaces/node/cli.ts', isProgram: true },
];

/** Packages that modules and types import from where they are installed; all others become part of them. */
export const EXTERNAL = [/^node:/, 'webgpu', '@ai-sdk/provider', /^react($|\/)/];
