// Blocks its process in native code, whenever it runs.
import { expect, test } from 'vitest';

test('comes before', () => {
  expect(1).toBe(1);
});

test('never returns', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
