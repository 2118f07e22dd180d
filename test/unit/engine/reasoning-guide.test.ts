// A shape holds what stands behind the reasoning: where that begins and ends, in marks of one token and of several.
import { describe, expect, it } from 'vitest';
import { ReasoningGuide } from '../../../src/engine/reasoning-guide';
import { maskOfTokens } from '../../../src/inference/masks';
import type { Allowed } from '../../../src/inference/token-guide';
import { Tokenizer } from '../../../src/tokenizer';
import { tinySpec } from '../../support/tiny-tokenizer';

const CONTROL = 3;
/** What the guide behind the reasoning allows at its beginning. */
const FIRST = 7;

/** The small vocabulary, perhaps with the marks as control tokens 1000 and 1001. */
function tokenizerWith(...marks: string[]): Tokenizer {
  const { tokens, tokenTypes, ...spec } = tinySpec();
  return new Tokenizer({
    ...spec,
    tokens: tokens.map((text, id) => marks[id - 1000] ?? text),
    tokenTypes: Array.from(tokenTypes, (type, id) => (marks[id - 1000] === undefined ? type : CONTROL)),
  });
}

const MARKS = { open: '[THINK]', close: '[/THINK]' };

/** A guide of answers that reason, and the tokens that the guide behind it was asked about. */
function guideFor(tokenizer: Tokenizer, { opened = false, sampleAll = false } = {}) {
  const asked: (readonly number[])[] = [];
  const allowed: Allowed = {
    kind: 'some',
    mask: maskOfTokens(tokenizer.vocabularySize, [FIRST], []),
  };
  const behind = {
    async after(tokenIds: readonly number[]): Promise<Allowed> {
      asked.push([...tokenIds]);
      return allowed;
    },
  };
  const notEnds = maskOfTokens(tokenizer.vocabularySize, undefined, [...tokenizer.endIds]);
  const guide = new ReasoningGuide(behind, { marks: MARKS, opened }, tokenizer, notEnds, sampleAll);
  return { guide, asked, notEnds };
}

/** The ids that may come. */
function idsOf(allowed: Allowed): number[] {
  if (allowed.kind !== 'some') throw new Error(`It is ${allowed.kind}.`);
  return Array.from(allowed.mask).flatMap((word, at) =>
    Array.from({ length: 32 }, (_, bit) => at * 32 + bit).filter((_, bit) => (word >>> bit) & 1),
  );
}

describe.each([
  ['control tokens', tokenizerWith(MARKS.open, MARKS.close)],
  ['text', tokenizerWith()],
])('with marks that are %s', (_, tokenizer) => {
  const open = tokenizer.encode(MARKS.open, { parseSpecial: true });
  const close = tokenizer.encode(MARKS.close, { parseSpecial: true });
  const gap = tokenizer.encode('\n\n');
  const thought = tokenizer.encode('A thought');
  const reasoning = [...open, ...thought, ...close];

  it('an answer may begin with its reasoning, or with what the shape allows', async () => {
    const { guide } = guideFor(tokenizer);
    expect(idsOf(await guide.after([]))).toEqual([FIRST, open[0]].sort((a, b) => Number(a) - Number(b)));
  });

  it('one without reasoning is all of the shape', async () => {
    const { guide, asked } = guideFor(tokenizer);
    await guide.after([FIRST]);
    await guide.after([FIRST, 8]);
    expect(asked).toEqual([[FIRST], [FIRST, 8]]);
  });

  it('reasoning is free, but does not end the answer', async () => {
    const { guide, asked, notEnds } = guideFor(tokenizer);
    expect(await guide.after([...open, ...thought])).toEqual({ kind: 'some', mask: notEnds });
    expect(await guide.after(reasoning.slice(0, -1))).toEqual({ kind: 'some', mask: notEnds });
    expect(asked).toEqual([]);
  });

  it('behind it comes a gap, and then what the shape allows', async () => {
    const { guide, asked } = guideFor(tokenizer);
    expect(await guide.after(reasoning)).toEqual({ kind: 'forced', tokenIds: gap });
    expect(idsOf(await guide.after([...reasoning, ...gap]))).toEqual([FIRST]);
    await guide.after([...reasoning, ...gap, FIRST]);
    expect(asked).toEqual([[], [FIRST]]);
  });

  it('can be asked about any beginning, in any order', async () => {
    const { guide, asked, notEnds } = guideFor(tokenizer);
    await guide.after([...reasoning, ...gap, FIRST]);
    expect(await guide.after([...open, ...thought])).toEqual({ kind: 'some', mask: notEnds });
    await guide.after([FIRST]);
    await guide.after([...reasoning, ...gap]);
    expect(asked).toEqual([[FIRST], [FIRST], []]);
  });

  it('a prompt that has opened the reasoning leaves no choice but to close it', async () => {
    const { guide, asked, notEnds } = guideFor(tokenizer, { opened: true });
    expect(await guide.after([])).toEqual({ kind: 'some', mask: notEnds });
    expect(await guide.after([...thought, ...close])).toEqual({ kind: 'forced', tokenIds: gap });
    await guide.after([...thought, ...close, ...gap, FIRST]);
    expect(asked).toEqual([[FIRST]]);
  });

  it('nothing is forced where each token is to be sampled', async () => {
    const { guide } = guideFor(tokenizer, { sampleAll: true });
    expect(idsOf(await guide.after(reasoning))).toEqual(gap.slice(0, 1));
    if (open.length > 1) expect(idsOf(await guide.after(open.slice(0, 1)))).toEqual([open[1]]);
  });
});

it('the rest of an opening mark of several tokens is forced', async () => {
  const tokenizer = tokenizerWith();
  const open = tokenizer.encode(MARKS.open);
  expect(open.length).toBeGreaterThan(1);
  const { guide } = guideFor(tokenizer);
  expect(await guide.after(open.slice(0, 1))).toEqual({ kind: 'forced', tokenIds: open.slice(1) });
});
