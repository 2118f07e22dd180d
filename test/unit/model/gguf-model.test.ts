// GGUF models in one file and in parts: which parts are found, and what is said where one is not.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { architectures } from '../../../src/model/architectures';
import type { ModelFile } from '../../../src/model/model-file';
import { openModel } from '../../../src/model/open-model';
import { putTogether, split, takeApart, type GgufPieces } from '../../support/gguf-rewriter';
import { files, oneFile, without } from '../../support/model-files';
import { expectFailure } from '../../support/expect-failure';

const bytes = readFileSync(new URL('../../../public/models/ternion-tiny-i2_s.gguf', import.meta.url));
let pieces: GgufPieces;
let whole: ModelFile;

beforeAll(async () => {
  pieces = await takeApart(bytes);
  whole = await openModel(oneFile(bytes), architectures);
});

/** A digest of the bytes of every tensor, by name. */
async function data({ tensors, sources }: ModelFile): Promise<Map<string, string>> {
  const entries = [...tensors].map(async ([name, { file, offset, byteLength }]) => {
    const own = await sources[file]!.read(offset, byteLength);
    return [name, createHash('sha256').update(own).digest('hex')] as const;
  });
  return new Map(await Promise.all(entries));
}

describe('a model in one file', () => {
  it('is recognised by its content where the name says nothing', async () => {
    expect((await openModel(oneFile(bytes, ''), architectures)).format).toBe('gguf');
  });

  it('is the same in version 2', async () => {
    const old = await openModel(oneFile(putTogether(pieces, 2)), architectures);
    expect([whole.version, old.version]).toEqual([3, 2]);
    expect(old.config).toEqual(whole.config);
    expect(old.tokenizer).toEqual(whole.tokenizer);
    expect(await data(old)).toEqual(await data(whole));
  });

  it('may be called as a part is', async () => {
    const model = await openModel(oneFile(bytes, 'model-00001-of-00002.gguf'), architectures);
    expect(model.format).toBe('gguf');
  });
});

describe('a model in parts', () => {
  const NAMES = [1, 2, 3].map((i) => `model-0000${i}-of-00003.gguf`);

  it.each(NAMES)('is found whole from %s', async (main) => {
    const parts = split(pieces, 3);
    const model = await openModel(files({ [main]: parts[main], ...parts }), architectures);
    expect(model).toMatchObject({ format: 'gguf-split', version: 3, config: whole.config });
    expect(model.tokenizer).toEqual(whole.tokenizer);
    expect(new Set([...model.tensors.values()].map(({ file }) => file))).toEqual(new Set([0, 1, 2]));
    expect(await data(model)).toEqual(await data(whole));
  });

  it.each(NAMES.slice(1))('is refused without %s, which the error names', async (missing) => {
    const parts = without(split(pieces, 3), missing);
    await expectFailure(openModel(files(parts), architectures), 'corrupt-file', missing);
  });

  it('is refused if its first part is missing, which the error names', async () => {
    const parts = without(split(pieces, 3), NAMES[0]!);
    await expectFailure(openModel(files(parts), architectures), 'corrupt-file', NAMES[0]);
  });

  it('is refused if a part was renamed', async () => {
    const parts = split(pieces, 3);
    const renamed = files({ 'part2.gguf': parts[NAMES[1]!], ...parts });
    await expectFailure(
      openModel(renamed, architectures),
      'corrupt-file',
      /part 2 of a model in 3 files, but it is called 'part2.gguf'.*name-00001-of-00003.gguf/,
    );
  });

  it('is refused if a part is no GGUF file, which the error names', async () => {
    const parts = { ...split(pieces, 3), [NAMES[2]!]: '<!doctype html>' };
    await expectFailure(openModel(files(parts), architectures), 'unsupported-format', NAMES[2]);
  });

  it('is refused if a part is of another model', async () => {
    const other = split({ ...pieces, tensors: pieces.tensors.slice(1) }, 3);
    const parts = { ...split(pieces, 3), [NAMES[2]!]: other[NAMES[2]!] };
    await expectFailure(openModel(files(parts), architectures), 'corrupt-file', /tensor/);
  });
});
