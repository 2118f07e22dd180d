// package.json and tsconfig.json name the entries of the package as the one list of them does.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { ENTRIES } from '../../../tools/package/entries.mjs';

const root = new URL('../../../', import.meta.url);
const read = <T>(path: string): T =>
  JSON.parse(readFileSync(fileURLToPath(new URL(path, root)), 'utf8')) as T;

const importable = ENTRIES.filter(({ isProgram }) => !isProgram);
const subpath = (name: string): string => (name === 'index' ? '' : `/${name}`);

it('exports every entry, with its types before its module', () => {
  const { exports } = read<{ exports: Record<string, unknown> }>('package.json');
  const entries = importable.map(({ name }) => [
    `.${subpath(name)}`,
    [
      ['types', `./dist/${name}.d.ts`],
      ['default', `./dist/${name}.js`],
    ],
  ]);
  const found = Object.entries(exports).map(([path, files]) => [
    path,
    typeof files === 'string' ? files : Object.entries(files as object),
  ]);
  expect(found).toEqual([...entries, ['./package.json', './package.json']]);
});

it('says which files do something when they are imported: the scripts of workers, and the program', () => {
  const { sideEffects } = read<{ sideEffects: string[] }>('package.json');
  const acting = ENTRIES.filter(({ script, isProgram }) => script !== undefined || isProgram);
  expect(sideEffects).toEqual(acting.map(({ name }) => `./dist/${name}.js`));
});

it('leads to the sources of every entry here', () => {
  const { compilerOptions } = read<{ compilerOptions: { paths: Record<string, string[]> } }>('tsconfig.json');
  const paths = importable.map(({ name, source }) => [`ternion${subpath(name)}`, [`./${source}`]]);
  expect(compilerOptions.paths).toEqual(Object.fromEntries(paths));
});

it('depends on nothing that has to be installed: what it is made of is part of it', () => {
  const { dependencies } = read<{ dependencies?: object }>('package.json');
  expect(dependencies).toBeUndefined();
});
