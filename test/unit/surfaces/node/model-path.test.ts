// Which files a path stands for.
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPath } from '../../../../src/surfaces/node/model-path';
import { expectFailure } from '../../../support/expect-failure';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ternion-models-'));
  await mkdir(join(folder, 'hf', 'inside.json'), { recursive: true });
  await mkdir(join(folder, 'empty'));
  const parts = [
    'm-00001-of-00002.gguf',
    'm-00002-of-00002.gguf',
    'm-00001-of-00003.gguf',
    'n-00001-of-00002.gguf',
  ];
  const hf = ['config.json', 'tokenizer.json', 'model.safetensors', 'README.md'].map((name) => `hf/${name}`);
  for (const name of [...parts, ...hf, 'one.gguf', 'odd.bin']) await writeFile(join(folder, name), name);
});
afterAll(() => rm(folder, { recursive: true }));

async function namesOf(source: string | URL): Promise<string[]> {
  const files = (await openPath(source)) as File[];
  return files.map(({ name }) => name).sort();
}

test('a file, by path or URL, which is read where it is needed', async () => {
  const path = join(folder, 'one.gguf');
  for (const source of [path, pathToFileURL(path), pathToFileURL(path).href]) {
    expect(await namesOf(source)).toEqual(['one.gguf']);
  }
  const [file] = (await openPath(path)) as File[];
  expect(await file!.slice(1, 5).text()).toBe('ne.g');
  expect(await namesOf(join(folder, 'odd.bin'))).toEqual(['odd.bin']);
});

test('all parts of a split model, by any of them', async () => {
  const parts = ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'];
  for (const part of parts) expect(await namesOf(join(folder, part))).toEqual(parts);
});

test('a folder of safetensors, by itself or a file in it', async () => {
  const files = ['config.json', 'model.safetensors', 'tokenizer.json'];
  expect(await namesOf(join(folder, 'hf'))).toEqual(files);
  expect(await namesOf(join(folder, 'hf', 'model.safetensors'))).toEqual(files);
});

test('what is no path is left alone', async () => {
  const bytes = new Uint8Array(4);
  const sources = ['https://example.com/m.gguf', 'hf:a/b/c.gguf', new URL('https://example.com/'), bytes];
  for (const source of sources) expect(await openPath(source)).toBe(source);
});

test('what is not there is said', async () => {
  await expectFailure(openPath(join(folder, 'none.gguf')), 'invalid-argument', 'none.gguf');
  await expectFailure(openPath(join(folder, 'empty')), 'invalid-argument', 'empty');
  // Two slashes, and what should be the first folder is a host.
  await expectFailure(openPath('file://models/m.gguf'), 'invalid-argument', 'file:///path');
});
