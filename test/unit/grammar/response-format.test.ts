// Shapes of answers that are no schema: any object, choices, grammars of the caller.
import { describe, expect, it } from 'vitest';
import type { PlainFormat } from '../../../src/grammar/grammar';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { samples } from '../../support/effort';
import { expectFailure } from '../../support/expect-failure';
import { GRAMMARS } from '../../support/grammars';
import { Walks } from '../../support/grammar-walks';
import { random } from '../../support/random';

const walks = new Walks();
const made = async (format: PlainFormat): Promise<unknown> => grammarOfFormat(format);

describe.each(GRAMMARS)('a grammar: $name', ({ ebnf, recognises, texts }) => {
  const grammar = grammarOfFormat({ type: 'grammar', ebnf });

  it('derives only what another reader of the language takes', async () => {
    const next = random(3);
    for (let i = 0; i < samples(40); i++) {
      const text = await walks.text(grammar, next);
      expect(recognises(text), JSON.stringify(text)).toBe(true);
    }
  });

  it.each(texts)('derives %j', async (text) => {
    expect(recognises(text)).toBe(true);
    expect(await walks.derives(grammar, text)).toBe(true);
  });
});

describe('a choice', () => {
  const options = ['yes', 'yesterday', 'no "way"', 'a\nface', '\u0001f\u007fe\\', '日本', '𝄞', 'yes'];
  const grammar = grammarOfFormat({ type: 'choice', options });

  it.each([...new Set(options)])('derives %j', async (option) => {
    expect(await walks.derives(grammar, option)).toBe(true);
  });

  it.each(['ye', 'yesno', 'y', '日', ' '])('does not derive %j', async (text) => {
    expect(await walks.derives(grammar, text)).toBe(false);
  });

  it('leads only to its options, and in time to each', async () => {
    const next = random(4);
    const found = new Set<string>();
    for (let i = 0; i < 400; i++) found.add(await walks.text(grammar, next));
    expect([...found].sort()).toEqual([...new Set(options)].sort());
  });

  it.each([
    ['nothing', [], /no options/],
    ['half of a pair', ['\ud800'], /UTF-16/],
    ['too many', Array.from({ length: 1_000_000 }, String), /more than 10000/],
    ['10 MB', ['a'.repeat(10_000_000)], /KiB/],
  ])('of %s is refused', async (_name, among, words) => {
    await expectFailure(made({ type: 'choice', options: among }), 'invalid-argument', words);
  });
});

describe('JSON without a schema', () => {
  const grammar = grammarOfFormat({ type: 'json' });

  it('is an object', async () => {
    const next = random(5);
    for (let i = 0; i < samples(100); i++) {
      const value: unknown = JSON.parse(await walks.text(grammar, next));
      expect(typeof value === 'object' && value !== null && !Array.isArray(value)).toBe(true);
    }
  });

  it.each(['[]', '1', '"a"', 'null', '{"a":1}', '{"a": 1, }'])('is not %s', async (text) => {
    expect(await walks.derives(grammar, text)).toBe(false);
  });
});

it('a grammar of 10 MB is refused', async () => {
  const ebnf = `root ::= "${'a'.repeat(10_000_000)}"`;
  await expectFailure(made({ type: 'grammar', ebnf }), 'invalid-argument', /256 KiB/);
});
