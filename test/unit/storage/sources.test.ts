// What a model can be called, and what lies beside it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { urlOf } from '../../../src/storage/http/address';
import { listIn } from '../../../src/storage/cache/models';
import type { ModelSource } from '../../../src/storage/sources/model-source';
import { openSource } from '../../../src/storage/sources/open-source';
import { FaultServer } from '../../support/fault-server';
import { environment, MemoryFolder, MemoryLocks } from '../../support/memory-storage';
import { expectFailure } from '../../support/expect-failure';
import { loadAll, MIB, randomBytes, sha256 } from '../../support/storage-loads';
import { sleep } from '../../support/wait';

const BYTES = randomBytes(2 * MIB + 99, 1);
const HASH = sha256(BYTES);

describe('an address', () => {
  it.each([
    ['hf:owner/repo/model.gguf', 'https://huggingface.co/owner/repo/resolve/main/model.gguf'],
    [
      'hf:owner/repo/a folder/model.gguf',
      'https://huggingface.co/owner/repo/resolve/main/a%20folder/model.gguf',
    ],
    ['hf:owner/repo@v1.0/model.gguf', 'https://huggingface.co/owner/repo/resolve/v1.0/model.gguf'],
    ['hf:owner/repo', 'https://huggingface.co/owner/repo/resolve/main/config.json'],
    ['hf:owner/repo@abc/', 'https://huggingface.co/owner/repo/resolve/abc/config.json'],
    ['https://example.com/model.gguf?token=1#part', 'https://example.com/model.gguf?token=1'],
    ['https://example.com/folder/', 'https://example.com/folder/config.json'],
    ['model.gguf', 'https://example.com/page/model.gguf'],
  ])('%s means %s', (address, url) => {
    expect(urlOf(address, 'https://example.com/page/')).toBe(url);
  });

  it.each(['hf:owner', 'hf:', 'hf:owner/', 'hf:/repo/x.gguf', 'hf:owner/repo/\ud800', 'http://'])(
    'refuses %s',
    async (address) => {
      await expectFailure(openSource(address, {}, environment()), 'invalid-argument');
    },
  );
});

describe('a source at hand', () => {
  const stream = (chunk = 70_000): ReadableStream<Uint8Array> => {
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at >= BYTES.length) return controller.close();
        controller.enqueue(BYTES.slice(at, (at += chunk)));
      },
    });
  };
  const sources: [string, () => ModelSource][] = [
    ['bytes', () => BYTES],
    ['an ArrayBuffer', () => BYTES.slice().buffer],
    ['a Blob', () => new Blob([BYTES.slice()])],
    ['a File', () => new File([BYTES.slice()], 'model.gguf')],
    ['several Files', () => [new File([BYTES.slice()], 'model.gguf')]],
    ['a stream', stream],
    ['a Response', () => new Response(BYTES.slice())],
    [
      'a Response that says its length',
      () => new Response(stream(), { headers: { 'content-length': `${BYTES.length}` } }),
    ],
  ];
  it.each(sources)('can be %s, and its hash is checked', async (_name, source) => {
    const model = await openSource(source(), { sha256: HASH }, environment());
    expect(model.info.cached).toBe(false);
    expect(await loadAll(model)).toBe(HASH);
    const wrong = await openSource(source(), { sha256: '0'.repeat(64) }, environment());
    await expectFailure(wrong.finish(), 'corrupt-file');
  });

  const refused: [string, string, () => unknown][] = [
    ['a Response that is an error', 'download-failed', () => new Response('no', { status: 404 })],
    [
      'a Response that was cut',
      'download-failed',
      () => new Response(stream(), { headers: { 'content-length': '9999999' } }),
    ],
    ['a Response without a body', 'invalid-argument', () => new Response(null)],
    [
      'a stream that breaks',
      'download-failed',
      () => new ReadableStream({ pull: () => Promise.reject(new Error('broken')) }),
    ],
  ];
  it.each(refused)('cannot be %s: %s', async (_name, code, source) => {
    await expectFailure(openSource(source() as ModelSource, {}, environment()), code as 'download-failed');
  });

  it('stops reading a stream when the signal fires', async () => {
    const controller = new AbortController();
    let cancelled: unknown;
    const endless = new ReadableStream<Uint8Array>({ cancel: (reason) => void (cancelled = reason) });
    const opening = openSource(endless, { signal: controller.signal }, environment());
    const reason = new Error('enough');
    void sleep(10).then(() => controller.abort(reason));
    await expectFailure(opening, 'aborted');
    expect(cancelled).toBe(reason);
  });

  it('has the files that were dropped with it, by name, and the one that describes the others is the main one', async () => {
    const file = (name: string): File => new File([name], name);
    const names = ['model-00002-of-00002.gguf', 'model-00001-of-00002.gguf'];
    const split = await openSource(names.map(file), {}, environment());
    expect(split.files.main.name).toBe('model-00001-of-00002.gguf');
    expect((await split.files.sibling('model-00002-of-00002.gguf'))?.size).toBe(names[0]!.length);
    expect(await split.files.sibling('model-00003-of-00002.gguf')).toBeUndefined();
    const tensors = await openSource(['model.safetensors', 'config.json'].map(file), {}, environment());
    expect(tensors.files.main.name).toBe('config.json');
  });

  it('can be the address of a blob, which is not cached', async () => {
    const address = URL.createObjectURL(new Blob([BYTES.slice()]));
    const cache = { folder: new MemoryFolder() };
    const model = await openSource(address, {}, environment(cache));
    expect(model.info.cached).toBe(false);
    expect(await loadAll(model)).toBe(HASH);
    URL.revokeObjectURL(address);
    expect(cache.folder.files.size).toBe(0);
  });
});

describe('files beside a URL', () => {
  let server: FaultServer;
  const cache = { folder: new MemoryFolder(), locks: new MemoryLocks() };
  beforeEach(async () => {
    cache.folder = new MemoryFolder();
    server = await FaultServer.start({
      '/m/config.json': { bytes: randomBytes(100, 2) },
      '/m/model.safetensors': { bytes: BYTES },
    });
  });
  afterEach(() => server.close());

  it('are found in the same folder, kept with the model, and may be missing', async () => {
    const model = await openSource(`${server.origin}/m/?token=1`, {}, environment(cache));
    expect(model.files.main.name).toBe('config.json');
    expect(model.files.main.bytes.size).toBe(100);
    const tensors = await model.files.sibling('model.safetensors');
    expect(tensors?.size).toBe(BYTES.length);
    expect(await model.files.sibling('model.safetensors')).toBe(tensors);
    expect(await model.files.sibling('config.json')).toBe(model.files.main.bytes);
    expect(await model.files.sibling('generation_config.json')).toBeUndefined();
    server.fault = () => ({ status: 403 });
    expect(await model.files.sibling('other.json')).toBeUndefined();
    server.fault = () => ({ status: 500 });
    await expectFailure(model.files.sibling('third.json'), 'download-failed');
    server.fault = () => undefined;
    await model.finish();
    await model.close();
    expect(await listIn(cache)).toEqual([
      expect.objectContaining({
        size: 100 + BYTES.length,
        bytes: 100 + BYTES.length,
        complete: true,
        files: 2,
      }),
    ]);
  });

  it('have hashes of their own', async () => {
    const sums = { 'model.safetensors': '0'.repeat(64) };
    const model = await openSource(`${server.origin}/m/`, { sha256: sums }, environment(cache));
    await model.files.sibling('model.safetensors');
    await expectFailure(model.finish(), 'corrupt-file');
    await model.close();
  });
});
