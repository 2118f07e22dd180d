import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

// The rooms of src/, from the page down to the bytes. A room imports only from itself, from lower ones and src/errors.
const ROOMS = [
  'api',
  'worker',
  'engine',
  'plan',
  'inference',
  'model',
  'kernels',
  'gpu',
  'formats',
  'tokenizer',
  'storage',
];

/** Forbids a room to import the ones above it. */
function room(name, i) {
  const higher = ROOMS.slice(0, i).map((above) => `../${above}/*`);
  const patterns = [
    { group: [...higher, '../index', '../inline'], message: 'A lower room never imports a higher one.' },
  ];
  return { files: [`src/${name}/**/*.ts`], rules: { 'no-restricted-imports': ['error', { patterns }] } };
}

export default defineConfig(
  globalIgnores(['dist', 'node_modules', 'coverage']),
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // Generators and methods of an interface are async by contract, whether or not this body awaits.
      '@typescript-eslint/require-await': 'off',
      // What cannot be awaited where it starts says so with `void`.
      '@typescript-eslint/no-floating-promises': 'error',
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  ...ROOMS.map(room),
);
