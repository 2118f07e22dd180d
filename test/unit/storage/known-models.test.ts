// Models that are called by a name: what is said of them, and what counts as a name.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { GeneratedModel } from '../../../bench/core/generated-model';
import { SHAPES, type ShapeName } from '../../../bench/core/shapes';
import { modelName, modelSource } from '../../../src/boundary/sources';
import type { TargetDevice } from '../../../src/plan/memory-fit';
import { planOpened } from '../../../src/plan/plan-model';
import { urlOf } from '../../../src/storage/http/address';
import { models, type ModelName } from '../../../src/storage/sources/known-models';
import { openSource } from '../../../src/storage/sources/open-source';
import { openPath } from '../../../src/surfaces/node/model-path';
import { expectFailure } from '../../support/expect-failure';
import { oneFile } from '../../support/model-files';

const TINY = 'ternion-tiny';
const entries = Object.entries(models);

test.each(entries)('%s has an address, a licence and sizes', (name, model) => {
  if (name !== TINY) expect(model.source).toMatch(/^hf:[\w.-]+\/[\w.-]+\/[\w.-]+\.gguf$/);
  expect(new URL(urlOf(model.source)).pathname).toMatch(/\.gguf$/);
  expect(model.licence).toMatch(/^(MIT|Apache-2\.0|falcon-llm-license)$/);
  for (const sentence of [model.title, model.goodAt]) expect(sentence.trim()).not.toBe('');
  expect(model.goodAt).toMatch(/\.$/);
  expect(model.downloadBytes).toBeGreaterThan(1e6);
  expect(model.gpuBytes).toBeGreaterThan(1e6);
  if (model.sha256 !== undefined) expect(model.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(Object.isFrozen(model)).toBe(true);
});

test('the embedded model is the file that its entry describes', async () => {
  const { source, downloadBytes, sha256 } = models[TINY];
  const bytes = await readFile(fileURLToPath(source));
  expect(bytes.length).toBe(downloadBytes);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
});

describe('what a model takes on the GPU is what its plan says', () => {
  const SHAPE_OF: Partial<Record<ModelName, ShapeName>> = {
    'ternion-tiny': 'tiny',
    'bitnet-2b4t': 'bitnet-2b4t',
    'falcon-e-1b': 'falcon-e-1b',
    'bonsai-1.7b': 'bonsai-1.7b',
  };
  /** A GPU with more room than any of them takes. */
  const device: TargetDevice = {
    limits: { maxBufferSize: 2 ** 32, maxStorageBufferBindingSize: 2 ** 31 },
    capabilities: {
      subgroups: true,
      subgroupMinSize: 32,
      subgroupMaxSize: 32,
      shaderF16: true,
      packedDot: true,
      timestamps: false,
      vendor: 'unknown',
    },
  };
  test.each(Object.entries(SHAPE_OF))('%s', async (name, shape) => {
    const known = models[name as ModelName];
    const source = new GeneratedModel(shape, SHAPES[shape]);
    const opened = {
      files: oneFile(source),
      info: { cached: false },
      size: source.size,
      missingBytes: 0,
      finish: async () => {},
      close: async () => {},
    };
    const contextLength = Math.min(4096, SHAPES[shape].contextLength);
    const { model } = await planOpened(opened, device, { contextLength, memoryBudget: Infinity });
    const planned = model?.gpuBytes.total ?? NaN;
    // It is rounded to three digits.
    expect(Math.abs(known.gpuBytes / planned - 1)).toBeLessThan(0.005);
    expect(Math.abs(known.gpuBytes / planned - 1)).toBeLessThan(0.005);
    if (known.contextLength !== undefined) expect(known.contextLength).toBe(SHAPES[shape].contextLength);
  });
});

describe('a source', () => {
  test.each(entries)('that is the name %s is its address', (name, { source }) => {
    expect(modelSource(name, 'source')).toBe(source);
    expect(modelName(name, 'model')).toBe(source);
  });

  test.each(['model.gguf', './ternion-tiny', 'models/', '/m', 'a?b', 'https://x.y/z', 'hf:a/b/c.gguf', '..'])(
    'that is no name, such as %s, stays as it is',
    (address) => expect(modelSource(address, 'source')).toBe(address),
  );

  test.each(['ternion-tinny', 'bonsai-1.8b', 'BitNet-2b4t', 'toString', '__proto__'])(
    'that could only be a name, such as %s, is refused with those that there are',
    async (name) => {
      expect(() => modelSource(name, 'source')).toThrow(
        /There is no model called .*ternion-tiny, bitnet-2b4t/,
      );
      await expectFailure(openPath(name), 'invalid-argument', /ternion-tiny, bitnet-2b4t/);
      // It may be an id.
      expect(modelName(name, 'model')).toBe(name);
    },
  );
});

describe('under Node', () => {
  test('the embedded model is read from the disk, through its path and through its address', async () => {
    const [file, ...others] = (await openPath(TINY)) as File[];
    expect(others).toEqual([]);
    expect([file?.name, file?.size]).toEqual(['ternion-tiny-i2_s.gguf', models[TINY].downloadBytes]);
    const opened = await openSource(models[TINY].source);
    expect(opened.size).toBe(models[TINY].downloadBytes);
    await opened.close();
  });

  test('a model elsewhere stays a name, and a missing file is named', async () => {
    expect(await openPath('bitnet-2b4t')).toBe('bitnet-2b4t');
    await expectFailure(openSource('file:///no/such/model.gguf'), 'invalid-argument', 'no/such/model.gguf');
  });
});
