// Strings that are held to their lengths beside a grammar.

import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StringLengths } from '../../../src/grammar/grammar';
import type { JsonSchema } from '../../../src/grammar/json-schema';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { LengthTracker, TokenShapes } from '../../../src/grammar/string-lengths';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { TestCompiler } from '../../support/xgrammar';

const ALL = 0xffff_ffff;

/** Which of these tokens are left behind the first ones, of a mask that has them all. */
function left(
  bounds: StringLengths['bounds'],
  before: readonly string[],
  tokens: readonly string[],
  behind = '',
): string[] {
  const encoder = new TextEncoder();
  const vocabulary = [...before, ...tokens].map((text) => encoder.encode(text));
  const tracker = new LengthTracker({ behind, bounds }, new TokenShapes(vocabulary));
  for (const id of before.keys()) tracker.accept(id);
  const mask = new Uint32Array(Math.ceil(vocabulary.length / 32)).fill(ALL);
  tracker.filter(mask);
  return tokens.filter((_, i) => {
    const id = before.length + i;
    return (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
  });
}

describe('a string of at most 5 characters', () => {
  const root = [{ path: [], min: 0, max: 5 }];

  it('takes what still fits', () => {
    expect(left(root, ['"abc'], ['d', 'de', 'def', 'd"', 'de"', 'def"', '"'])).toEqual([
      'd',
      'de',
      'd"',
      'de"',
      '"',
    ]);
  });

  it('ends when it is full', () => {
    expect(left(root, ['"abcde'], ['f', '\\', '"', 'é', '}'])).toEqual(['"']);
  });

  it('counts an escape as one character, wherever tokens are split', () => {
    expect(left(root, ['"abcd\\'], ['n', 'nx', '""', '"x'])).toEqual(['n', '""']);
    expect(left(root, ['"\\u00', '41abcd'], ['"', 'e'])).toEqual(['"']);
    expect(left(root, ['"abcd'], ['\\n', '\\n\\n', '\\"', '\\""'])).toEqual(['\\n', '\\"', '\\""']);
  });

  it('counts units of UTF-16, not bytes, as JavaScript does', () => {
    expect(left(root, ['"é漢'], ['é漢', 'é😀', 'é漢😀', '😀"', '😀😀'])).toEqual(['é漢', 'é😀', '😀"']);
  });

  it('looks into tokens that open it', () => {
    expect(left([{ path: ['a'], min: 0, max: 5 }], ['{"a'], ['": "abcde', '": "abcdef', '": 12'])).toEqual([
      '": "abcde',
      '": 12',
    ]);
  });
});

describe('a string of at least 3 characters', () => {
  it('does not end before', () => {
    const bounds = [{ path: ['*'], min: 3, max: 100 }];
    expect(left(bounds, ['["ab'], ['"', 'c"', 'c', '\\n"', '", "', 'c", "', 'c", "x"'])).toEqual([
      'c"',
      'c',
      '\\n"',
      'c", "',
    ]);
    expect(left(bounds, ['['], ['""', '"abc"', '"'])).toEqual(['"abc"', '"']);
  });
});

describe('a minimum', () => {
  it('counts characters, so that it holds for who counts fewer', () => {
    expect(left([{ path: [], min: 3, max: 100 }], ['"😀😀'], ['"', 'a"'])).toEqual(['a"']);
  });
});

describe('paths', () => {
  const bounds = [
    { path: ['a', '*', 'b'], min: 0, max: 1 },
    { path: ['*'], min: 0, max: 2 },
  ];

  it('go through keys and indices, and are left again', () => {
    expect(left(bounds, ['{"a": [{"c": "xyz", "b": "x'], ['y', '"'])).toEqual(['"']);
    expect(left(bounds, ['{"a": [{"b": "x"}, {"c": "x'], ['yyyy', '"'])).toEqual(['yyyy', '"']);
    expect(left(bounds, ['{"a": [{"b": "x"}], "d": "x'], ['y', 'yy'])).toEqual(['y']);
  });

  it('have keys that are not strings of values', () => {
    expect(left(bounds, ['{"long'], ['er key', '": "abc', '": "ab'])).toEqual(['er key', '": "ab']);
  });

  it('read keys with escapes', () => {
    expect(left([{ path: ['é"\n'], min: 0, max: 1 }], ['{"é\\"\\n": "x'], ['y', '"'])).toEqual(['"']);
  });
});

describe('a text before the JSON', () => {
  it('is not counted, and begins it anew where it comes again', () => {
    const bounds = [{ path: [], min: 0, max: 2 }];
    expect(left(bounds, ['say "what you like" '], ['"abcd'], 'JSON:')).toEqual(['"abcd']);
    expect(left(bounds, ['well "JS', 'ON:', '"a'], ['b', 'bc'], 'JSON:')).toEqual(['b']);
    expect(left(bounds, ['JSON:"ab" JSON:"'], ['b', 'bcd'], 'JSON:')).toEqual(['b']);
  });
});

describe('a rollback', () => {
  it('is as if the tokens had not come', () => {
    const tokens = ['"ab', 'c', 'd', '"'].map((text) => new TextEncoder().encode(text));
    const tracker = new LengthTracker(
      { behind: '', bounds: [{ path: [], min: 0, max: 3 }] },
      new TokenShapes(tokens),
    );
    const allowed = (): number => {
      const mask = new Uint32Array([ALL]);
      tracker.filter(mask);
      return (mask[0] ?? 0) & 0b1111;
    };
    tracker.accept(0);
    const before = allowed();
    tracker.accept(1);
    // What is left is what begins with the closing quote.
    expect(allowed()).toBe(0b1001);
    tracker.rollback(1);
    expect(allowed()).toBe(before);
    tracker.accept(2);
    expect(allowed()).toBe(0b1001);
  });
});

describe('answers', () => {
  let compiler: TestCompiler;
  beforeAll(async () => {
    compiler = await TestCompiler.create();
  });

  const SCHEMA: JsonSchema = {
    type: 'object',
    properties: {
      title: { type: 'string', minLength: 21, maxLength: 25 },
      tags: { type: 'array', items: { type: 'string', maxLength: 30 }, minItems: 1, maxItems: 3 },
      pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'string', minLength: 22 }] },
      note: { anyOf: [{ type: 'string', maxLength: 40 }, { type: 'null' }] },
      more: {
        type: 'object',
        properties: { text: { type: 'string', minLength: 23, maxLength: 23 } },
        required: ['text'],
      },
    },
    required: ['title', 'tags', 'more'],
  };

  it('keep to the bounds, whichever tokens are drawn, and always end', async () => {
    const { ebnf, lengths } = grammarOfFormat({ type: 'json', schema: SCHEMA });
    if (!lengths) throw new Error('No lengths were left open.');
    const grammar = await compiler.compile(ebnf);
    const shapes = new TokenShapes(compiler.vocabulary.tokens);
    const isValid = new Ajv2020({ strict: false }).compile(SCHEMA as object);
    const next = random(11);
    for (let walk = 0; walk < samples(60); walk++) {
      const beside = new LengthTracker(lengths, shapes);
      const text = await grammar.walk(next, [], { soft: walk % 60, most: 3000, beside });
      expect(text, 'an answer that ends').toBeDefined();
      expect(isValid(JSON.parse(text ?? '')), text).toBe(true);
    }
  });
});
