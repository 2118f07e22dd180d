import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

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
    // They share processes, where a module that another file has imported before would not be replaced.
    files: ['test/unit/**/*.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'vi', property: 'mock', message: 'Give what is tested an option instead.' },
        { object: 'vi', property: 'doMock', message: 'Give what is tested an option instead.' },
      ],
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: {
      globals: { AbortController: 'readonly', process: 'readonly', console: 'readonly', URL: 'readonly' },
    },
  },
);
