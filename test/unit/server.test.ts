// On a server, where a page is rendered: every entry can be imported, and what needs a browser says so when it is called.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ENTRIES } from '../../tools/package/entries.mjs';
import * as ternion from '../../src/index';
import { loadModel as loadInline } from '../../src/inline';
import { openSource } from '../../src/storage/sources/open-source';
import { expectFailure } from '../support/expect-failure';

const root = new URL('../../', import.meta.url);
const entries = ENTRIES.filter(({ isProgram }) => !isProgram);

describe('on a server', () => {
  it.each(entries)('$name can be imported', async ({ source }) => {
    await expect(import(fileURLToPath(new URL(source, root)))).resolves.toBeTypeOf('object');
  });

  it('a model is refused for what is missing there', async () => {
    const words = /not a page.*ternion\/node/;
    await expectFailure(ternion.loadModel('/model.gguf'), 'webgpu-unavailable', words);
    await expectFailure(ternion.planModel('/model.gguf'), 'webgpu-unavailable', words);
    await expectFailure(loadInline(new Uint8Array(64)), 'webgpu-unavailable', words);
  });

  it('there is no storage, and no model in it', async () => {
    expect(await ternion.listModels()).toEqual([]);
    expect(await ternion.storageUsage()).toEqual({ models: 0, used: 0, quota: 0, persisted: false });
    expect(await ternion.persist()).toBe(false);
    expect(await ternion.deleteModel('https://example.org/model.gguf')).toBe(false);
  });

  it('an address that only a page could complete is told from one that cannot be read', async () => {
    const open = (source: string): Promise<unknown> => openSource(source);
    await expectFailure(open('model.gguf'), 'invalid-argument', /no page here/);
    await expectFailure(open('file:///no/such/model.gguf'), 'invalid-argument', /no file at/);
  });
});
