// Whether files are known again by what was read of them.
import { describe, expect, test } from 'vitest';
import { bytesSource } from '../../../src/files/byte-source';
import { Fingerprint } from '../../../src/files/fingerprint';
import { filesAtHand } from '../../../src/files/model-files';

const MAIN = Uint8Array.from({ length: 20_000 }, (_, i) => i);
const SIDE = Uint8Array.from({ length: 100 }, (_, i) => 3 * i);

/** What reading a model in the given places gives: pairs of offset and length in the main file, and all of the other. */
async function printOf(main: Uint8Array, side: Uint8Array, places: [number, number][]): Promise<string> {
  const files = filesAtHand([
    { name: 'main', bytes: bytesSource(main) },
    { name: 'side', bytes: bytesSource(side) },
  ]);
  const print = new Fingerprint(files);
  for (const [offset, length] of places) {
    const bytes = await print.files.main.bytes.read(offset, length);
    expect(Buffer.from(bytes).equals(main.subarray(offset, offset + length))).toBe(true);
  }
  const sibling = await print.files.sibling('side');
  await sibling!.read(0, side.length);
  expect(await print.files.sibling('none')).toBeUndefined();
  return print.value;
}

const PLACES: [number, number][] = [
  [0, 8],
  [8, 10_000],
  [10_008, 9000],
];
const changed = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, bytes[at]! ^ 1);

describe('files are the same', () => {
  test('that read the same, in whatever order', async () => {
    const print = await printOf(MAIN, SIDE, PLACES);
    expect(await printOf(MAIN.slice(), SIDE.slice(), PLACES)).toBe(print);
    expect(await printOf(MAIN, SIDE, PLACES.toReversed())).toBe(print);
  });

  test.each([
    ['a byte of a header', changed(MAIN, 3), SIDE, PLACES],
    ['a byte where a read begins', changed(MAIN, 10_010), SIDE, PLACES],
    ['the other file', MAIN, changed(SIDE, 99), PLACES],
    ['the length', MAIN.subarray(0, 19_999), SIDE, PLACES],
    ['what was read', MAIN, SIDE, PLACES.slice(1)],
  ] as const)('but not if %s differs', async (_what, main, side, places) => {
    expect(await printOf(main, side, [...places])).not.toBe(await printOf(MAIN, SIDE, PLACES));
  });
});
