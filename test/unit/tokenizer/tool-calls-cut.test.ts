// However an answer is cut, it gives the same calls and the same text: answers of pieces that make calls, and break them.
import { describe, expect, test } from 'vitest';
import type { ToolCallFormat } from '../../../src/tokenizer/tool-calls';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { follow } from '../../support/tool-calls';

describe('any text', () => {
  /** Pieces that make calls, and break them, when they are put together by chance. */
  const FRAGMENTS: Readonly<Record<ToolCallFormat, readonly string[]>> = {
    hermes: [
      '<tool_call>',
      '</tool_call>',
      '{"name": "now", "arguments": ',
      '{"name": "',
      'search',
      '"',
      ', ',
    ],
    'llama-3-json': [
      '{"name": "now", "parameters": ',
      '{"name": "now"}',
      '"parameters": ',
      '"now"',
      '; ',
      ', ',
    ],
    pythonic: ['[', ']', 'now(', 'search(', 'q=', 'x', '="', "='", ')', ', ', 'True', '-1.5'],
  };
  const BEGINNINGS = {
    hermes: '<tool_call>',
    'llama-3-json': '{"name": "now", ',
    pythonic: '[now(',
  } as const;
  const COMMON = [
    '{',
    '}',
    '{}',
    '{"a": [1, "}"]}',
    '}}',
    '"',
    '\\',
    ' ',
    '\n',
    'text',
    '<',
    'é😀',
    '[1]',
    'null',
  ];

  for (const format of ['hermes', 'llama-3-json', 'pythonic'] as const) {
    test(`${format}: gives the same however it is cut, and the whole calls are those whose arguments parse`, () => {
      const next = random(7);
      const below = (count: number): number => Math.floor(next() * count);
      const fragments = [...FRAGMENTS[format], ...FRAGMENTS[format], ...COMMON];
      let found = 0;
      for (let i = 0; i < samples(4000); i++) {
        const length = 1 + below(16);
        const begin = BEGINNINGS[format];
        const answer = begin + Array.from({ length }, () => fragments[below(fragments.length)]).join('');
        const whole = follow(format, [answer]);
        const cuts = Array.from({ length: 3 }, () => below(answer.length)).sort((a, b) => a - b);
        const pieces = [0, ...cuts].map((from, n) => answer.slice(from, cuts[n] ?? answer.length));
        expect(follow(format, pieces)).toEqual(whole);
        expect(follow(format, [...answer])).toEqual(whole);
        const parsing = whole.given.filter(({ argumentsText }) => parses(argumentsText));
        expect(parsing.map(({ name }) => name)).toEqual(whole.calls.map(({ name }) => name));
        found += whole.calls.length;
      }
      // The fragments do make calls.
      expect(found).toBeGreaterThan(10);
    });
  }
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
