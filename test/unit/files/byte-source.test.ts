import { describe, expect, it } from 'vitest';
import { blobSource, bytesSource } from '../../../src/files/byte-source';
import { expectFailure } from '../../support/expect-failure';

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);

describe.each([
  ['bytes', bytesSource(bytes)],
  ['an ArrayBuffer', bytesSource(bytes.slice().buffer)],
  ['a part of a buffer', bytesSource(Uint8Array.of(9, 9, ...bytes, 9).subarray(2, 102))],
  ['a Blob', blobSource(new Blob([bytes]))],
])('a source of %s', (_, source) => {
  it('knows its size and gives any part', async () => {
    expect(source.size).toBe(100);
    expect([...(await source.read(98, 2))]).toEqual([98, 99]);
    expect([...(await source.read(5, 3))]).toEqual([5, 6, 7]);
    expect((await source.read(100, 0)).length).toBe(0);
  });

  it.each([
    [99, 2],
    [101, 0],
    [-1, 2],
    [4, -1],
  ])('refuses to read from %i, %i bytes', async (offset, length) => {
    await expectFailure(source.read(offset, length), 'corrupt-file');
  });

  it('does not read once the signal has fired', async () => {
    await expectFailure(source.read(0, 1, { signal: AbortSignal.abort() }), 'aborted');
  });
});

describe('blobSource', () => {
  it('says that a file changed when the browser cannot read it any more', async () => {
    const blob = new Blob([bytes]);
    const gone = { arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) };
    Object.defineProperty(blob, 'slice', { value: () => gone });
    await expectFailure(blobSource(blob).read(0, 1), 'corrupt-file', 'changed');
  });
});
