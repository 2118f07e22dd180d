// Reasoning taken apart from what a model says, however the answer is cut into pieces.
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ChatFormat, ReasoningSplitter, Tokenizer } from '../../../src/tokenizer';
import { reasoningMarksIn, type ReasoningFormat } from '../../../src/tokenizer/reasoning';
import { samples } from '../../support/effort';
import { templateSource } from '../../support/rendered-templates';
import { tinySpec } from '../../support/tiny-tokenizer';
import { jinjaTemplate } from '../../support/templates';

const THINK = { open: '<think>', close: '</think>' };

function split(pieces: readonly string[], opened = false): { text: string; reasoning: string } {
  const splitter = new ReasoningSplitter({ marks: THINK, opened });
  const parts = [...pieces.map((piece) => splitter.push(piece)), splitter.flush()];
  return {
    text: parts.map(({ text }) => text).join(''),
    reasoning: parts.map(({ reasoning }) => reasoning).join(''),
  };
}

describe('an answer', () => {
  it.each<[string, string, boolean, string, string]>([
    ['that reasons', '<think>\nTwo.\n\nOr so.\n</think>\n\nThree.\n', false, 'Two.\n\nOr so.', 'Three.\n'],
    ['behind a prompt that opens it', '\nTwo.\n</think>\n\nThree.', true, 'Two.', 'Three.'],
    ['that reasons about nothing', '<think>\n\n</think>\n\nThree.', false, '', 'Three.'],
    ['that begins with white space', ' \n<think>a</think>b', false, 'a', 'b'],
    ['that ends amid its reasoning', '<think>\nTwo.\nOr', false, 'Two.\nOr', ''],
    ['that ends amid the closing mark', '<think>Two</thi', false, 'Two</thi', ''],
    ['that ends amid the opening mark', ' <thi', false, '', ' <thi'],
    ['that does not reason', 'Three.', false, '', 'Three.'],
    ['that speaks of the marks', 'It is <think>a</think>.', false, '', 'It is <think>a</think>.'],
    [
      'that speaks of them behind its reasoning',
      'a</think>b<think>c</think>',
      true,
      'a',
      'b<think>c</think>',
    ],
    ['of nothing', '', false, '', ''],
  ])('%s', (_name, all, opened, reasoning, text) => {
    expect(split([all], opened)).toEqual({ text, reasoning });
    expect(split([...all], opened)).toEqual({ text, reasoning });
  });

  it('comes apart alike, however it is cut', () => {
    const unit = fc.constantFrom('a', '\n', '<think>', '</think>', '<', '</', 'think>');
    const whole = fc.string({ unit, maxLength: 12 });
    fc.assert(
      fc.property(whole, fc.array(fc.nat(60), { maxLength: 8 }), fc.boolean(), (all, cuts, opened) => {
        const edges = [0, ...cuts.filter((at) => at < all.length).sort((a, b) => a - b), all.length];
        const pieces = edges.slice(1).map((end, i) => all.slice(edges[i], end));
        const once = split([all], opened);
        expect(split(pieces, opened)).toEqual(once);
        expect(once.reasoning).not.toContain('</think>');
        expect(once.reasoning).not.toMatch(/^\n|\n$/);
        // Nothing but marks and line ends is lost.
        const letters = (text: string): number => text.split('a').length;
        expect(letters(once.reasoning + once.text)).toBe(letters(all));
      }),
      { numRuns: samples(2000) },
    );
  });

  it('gives out what is final at once', () => {
    const splitter = new ReasoningSplitter({ marks: THINK, opened: false });
    expect(splitter.expected).toBe('<think>');
    expect(splitter.push('<think>\nTwo\n')).toEqual({ text: '', reasoning: 'Two' });
    expect(splitter.expected).toBe('</think>');
    expect(splitter.push('three <')).toEqual({ text: '', reasoning: '\nthree ' });
    expect(splitter.push('4')).toEqual({ text: '', reasoning: '<4' });
    expect(splitter.push('</think>\n')).toEqual({ text: '', reasoning: '' });
    expect(splitter.expected).toBeUndefined();
    expect(splitter.push('\nFive')).toEqual({ text: 'Five', reasoning: '' });
    expect(splitter.push('\n')).toEqual({ text: '\n', reasoning: '' });
  });
});

test('the marks are those of the template', () => {
  expect(reasoningMarksIn(templateSource('qwen3'))).toEqual(THINK);
  expect(reasoningMarksIn("{{ content.split('</think>')[-1] }}")).toEqual(THINK);
  expect(reasoningMarksIn('{{ "[THINK]" }}')).toEqual({ open: '[THINK]', close: '[/THINK]' });
  expect(reasoningMarksIn(templateSource('llama-3'))).toBeUndefined();
});

describe('a chat format knows', () => {
  const of = (source: string): ReasoningFormat | undefined =>
    new ChatFormat(new Tokenizer(tinySpec()), jinjaTemplate(source)).reasoning;
  const loop = '{% for m in messages %}{{ m.content }}{% endfor %}';

  it('whether the prompt opens the reasoning', () => {
    expect(of(templateSource('qwen3'))).toEqual({ marks: THINK, opened: false });
    expect(of(`${loop}{% if add_generation_prompt %}<think>\n{% endif %}`)?.opened).toBe(true);
    expect(of(`${loop}{% if add_generation_prompt %}<think>\n\n</think>\n\n{% endif %}`)?.opened).toBe(false);
    expect(of(loop)).toBeUndefined();
  });

  it('that one which its options open, and one that refuses our question, are what they are', async () => {
    const source = `${loop}{% if think %}<think>{% endif %}`;
    const format = new ChatFormat(new Tokenizer(tinySpec()), jinjaTemplate(source));
    expect(format.reasoning?.opened).toBe(false);
    const thinking = await format.with({ templateOptions: { think: true } });
    expect(thinking.reasoning?.opened).toBe(true);
    expect(of("{{ raise_exception('no <think>') }}")?.opened).toBe(false);
  });
});
