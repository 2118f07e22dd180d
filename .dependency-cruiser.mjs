// Which file may import which: rooms from the top down, and no circles. Imports of types count like all others.

/**
 * The rooms of a folder, from the page down to the bytes. A room imports only from itself and from lower ones. One that
 * is split into rooms of its own gets an entry here for their order.
 */
const ROOMS = {
  src: [
    'surfaces',
    'boundary',
    'api',
    'worker',
    'tabs',
    'engine',
    'plan',
    'inference',
    'model',
    'kernels',
    'gpu',
    'formats',
    'grammar',
    'tokenizer',
    'storage',
    'files',
  ],
  'src/surfaces': ['react', 'service-worker', 'node', 'prompt-api', 'ai-sdk', 'openai', 'connect'],
  'src/storage': ['sources', 'cache', 'http', 'hashing'],
};

/** The rules for the rooms of one folder. */
function orderOf([folder, rooms]) {
  const upward = rooms.slice(1).map((room, i) => ({
    name: `no-arrow-up-from-${room}`,
    comment: `A lower room never imports a higher one; in ${folder}/ the order is ${rooms.join(', ')}.`,
    severity: 'error',
    from: { path: `^${folder}/${room}/` },
    to: { path: `^${folder}/(${rooms.slice(0, i + 1).join('|')})/` },
  }));
  const unknown = {
    name: `room-without-a-place-in-${folder}`,
    comment: `Every folder in ${folder}/ has its place in the list of rooms (.dependency-cruiser.mjs).`,
    severity: 'error',
    from: {},
    to: { path: `^${folder}/(?!(${rooms.join('|')})/)[^/]+/` },
  };
  return [...upward, unknown];
}

export default {
  forbidden: [
    ...Object.entries(ROOMS).flatMap(orderOf),
    {
      name: 'no-circle',
      comment: 'Files that import each other are one file in two. Move what both need to a file of its own.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'nothing-imports-an-entry',
      comment: 'src/index.ts and src/inline.ts are what others import from outside.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/(index|inline)\\.ts$' },
    },
    {
      name: 'errors-stand-alone',
      comment: 'Every room imports src/errors.ts.',
      severity: 'error',
      from: { path: '^src/errors\\.ts$' },
      to: {},
    },
    {
      name: 'src-is-all-there-is',
      comment: 'What is published does not import tests, benchmarks or the demo.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|demo)/' },
    },
    {
      name: 'resolvable',
      comment: 'An arrow to nowhere cannot be checked.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
};
