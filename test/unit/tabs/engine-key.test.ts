// Which engines are the same: what decides how a model is computed is in their name, and nothing else.
import { expect, test } from 'vitest';
import type { CloneableOptions } from '../../../src/plan/load-options';
import { engineKey } from '../../../src/tabs/engine-key';

const MODEL = 'https://example.com/a.gguf';
const key = (options: CloneableOptions, address = MODEL, version = '1'): Promise<string> =>
  engineKey(address, options, version);

test('the same model, loaded in the same way, has the same name', async () => {
  const name = await key({});
  expect(name).toMatch(/^[0-9a-f]{64}$/);
  expect(
    await key({ headers: { authorization: 'x' }, credentials: 'include', cache: false, debug: 'x' }),
  ).toBe(name);
  expect(await key({ contextLength: undefined })).toBe(name);
  expect(await key({ templateOptions: { a: 1, b: { c: 2, d: 3 } } })).toBe(
    await key({ templateOptions: { b: { d: 3, c: 2 }, a: 1 } }),
  );
});

test('whatever makes a difference makes another name', async () => {
  const differing: CloneableOptions[] = [
    {},
    { contextLength: 64 },
    { memoryBudget: 64 },
    { memoryBudget: Infinity },
    { precision: 'exact' },
    { headPrecision: 'f16' },
    { kvCache: 'f16' },
    { sha256: 'f16' },
    { chatTemplate: 'f16' },
    { templateOptions: { tools: [1, 2] } },
    { templateOptions: { tools: [2, 1] } },
  ];
  const names = await Promise.all([
    ...differing.map((options) => key(options)),
    key({}, `${MODEL}2`),
    key({}, MODEL, '2'),
  ]);
  expect(new Set(names).size).toBe(names.length);
});
