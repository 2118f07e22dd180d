// A function of the caller's own on logits: what it may leave there, and what it may not.
import { expect, test } from 'vitest';
import type { LogitsProcessor } from '../../../src/inference/continuation';
import { runProcessor } from '../../../src/inference/logits-processor';
import { expectFailure } from '../../support/expect-failure';

/** What becomes of three logits, under a mask of the first three tokens. */
async function processed(process: LogitsProcessor, logits = Float32Array.of(1, 2, 3)) {
  const mask = Uint32Array.of(0b111);
  await Promise.resolve();
  runProcessor(process, logits, [7, 8], mask);
  return { logits: [...logits], mask: mask[0] };
}

test('changes logits in place, and sees prompt and answer', async () => {
  const seen: unknown[] = [];
  const result = await processed((logits, tokenIds) => {
    seen.push([...logits], tokenIds);
    logits[1] = 9;
  });
  expect(seen).toEqual([
    [1, 2, 3],
    [7, 8],
  ]);
  expect(result).toEqual({ logits: [1, 9, 3], mask: 0b111 });
});

test('forbids what it gives -Infinity, of which nothing comes to the GPU', async () => {
  const result = await processed((logits) => void logits.fill(-Infinity, 1));
  expect(result).toEqual({ logits: [1, 0, 0], mask: 0b001 });
});

test('must not leave NaN or Infinity', async () => {
  for (const value of [NaN, Infinity]) {
    const process: LogitsProcessor = (logits) => void (logits[2] = value);
    await expectFailure(processed(process), 'invalid-argument', new RegExp(`${value} for token 2`));
  }
});

test('that throws fails with its error as the cause', async () => {
  const cause = new RangeError('Too far.');
  const failure = processed(() => {
    throw cause;
  });
  await expect(failure).rejects.toMatchObject({ code: 'invalid-argument', cause });
  await expect(failure).rejects.toThrow(/Too far/);
});

test('must not be async, and its failure is not unhandled', async () => {
  const later = (() => Promise.reject(new Error('later'))) as LogitsProcessor;
  await expectFailure(processed(later), 'invalid-argument', /must not be async/);
});

test('is not blamed for logits that were no numbers before', async () => {
  await expectFailure(
    processed(() => {}, Float32Array.of(1, NaN, 3)),
    'internal',
    /model's logits are not finite/,
  );
});
