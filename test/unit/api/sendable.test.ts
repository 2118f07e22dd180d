// What is sent to the worker, where there is no document: in a worker of the page's that loads, and here.
import { expect, test } from 'vitest';
import { sendableSource } from '../../../src/api/sendable';

test('an address is sent where there is no document', async () => {
  expect(typeof document).toBe('undefined');
  expect(await sendableSource('https://example.com/models/', {})).toBe(
    'https://example.com/models/config.json',
  );
});
