// Chat templates: what they render, what they are refused, and that a hostile one can neither escape nor run away.
import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { chatTemplateOf } from '../../../src/tokenizer';
import { jinjaTemplate } from '../../support/templates';

const OPTIONS = { addGenerationPrompt: true, bosToken: '<s>', eosToken: '</s>' };
const MESSAGES = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: ' Hi ' },
];

function render(source: string, messages = MESSAGES): string {
  return jinjaTemplate(source).render(messages, OPTIONS);
}

afterEach(() => void vi.restoreAllMocks());

/** A clock that runs by so many milliseconds each time it is read: a busy machine's own would run as it likes. */
function setClock(step: number): void {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += step));
}

function failure(message: RegExp): object {
  return expect.objectContaining({
    code: 'template-failed',
    message: expect.stringMatching(message) as unknown,
  }) as object;
}

async function byVocabulary(tokens: string[], architecture = 'llama'): Promise<string> {
  return (await chatTemplateOf({ tokens }, architecture)).render(MESSAGES, OPTIONS);
}

function nested(depth: number): string {
  return '{% for a in range(1000) %}'.repeat(depth) + 'x' + '{% endfor %}'.repeat(depth);
}

function repeat(step: string, times: number): string {
  return step.repeat(times);
}

describe('a chat template', () => {
  it('sees messages, tokens and the wish for an answer', () => {
    expect(
      render('{{ bos_token }}{{ messages[1].content | trim }}{{ eos_token }}{{ add_generation_prompt }}'),
    ).toBe('<s>Hi</s>true');
  });

  it('has filters and methods as they are in Jinja', () => {
    expect(render("{{ {'a': [1, 'é']} | tojson(indent=2, ensure_ascii=true) }}")).toBe(
      '{\n  "a": [\n    1,\n    "\\u00e9"\n  ]\n}',
    );
    expect(render("{{ 'a\nb' | indent(2, first=true) }}{{ 'a\nb' | indent }}")).toBe('  a\n  ba\n    b');
    expect(
      render("{{ [1, 2] | join('-') }}{{ 'aba'.replace('a', 'cc', 1) }}{{ 'a-b' | replace('-', '') }}"),
    ).toBe('1-2ccbaab');
    expect(render("{% filter upper %}a{{ 'b,c'.split(',')[1] }}{% endfilter %}{{ 'b' in 'abc' }}")).toBe(
      'ACtrue',
    );
    expect(
      render("{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first }}"),
    ).toBe(' Hi ');
    expect(render("{% for k, v in {'a': 1}.items() if v %}{{ k }}{{ loop.last }}{% endfor %}")).toBe('atrue');
  });

  it('has loops, namespaces, macros and range', () => {
    const source =
      '{% set ns = namespace(n=0) %}{% macro bold(x) %}*{{ x }}*{% endmacro %}' +
      '{% for i in range(1, 8, 3) %}{% set ns.n = ns.n + i %}{{ bold(i) }}{% endfor %}={{ ns.n }}';
    expect(render(source)).toBe('*1**4**7*=12');
  });

  it('is refused if it is no template', () => {
    expect(() => jinjaTemplate('{% for x in %}')).toThrow(failure(/cannot be read/));
  });

  it('refuses messages with its own words', () => {
    const source =
      "{% if messages[0].role == 'system' %}{{ raise_exception('No system messages') }}{% endif %}";
    expect(() => render(source)).toThrow(failure(/does not take these messages: No system messages/));
    expect(render(source, MESSAGES.slice(1))).toBe('');
  });
});

describe('the fallback template', () => {
  it('is BitNet’s for a BitNet architecture with its end-of-turn token', async () => {
    expect(await byVocabulary(['<|start_header_id|>', '<|eot_id|>'], 'bitnet-b1.58')).toBe(
      'System: Be brief.<|eot_id|>User: Hi<|eot_id|>Assistant: ',
    );
  });

  it('is Llama 3’s where its headers are tokens', async () => {
    expect(await byVocabulary(['<|start_header_id|>', '<|eot_id|>'])).toBe(
      '<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>' +
        '<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>' +
        '<|start_header_id|>assistant<|end_header_id|>\n\n',
    );
  });

  it('is ChatML where its marks are tokens', async () => {
    expect(await byVocabulary(['<|im_start|>'])).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('is plain names for any other vocabulary', async () => {
    expect(await byVocabulary(['a'], 'bitnet')).toBe('System: Be brief.\n\nUser: Hi\n\nAssistant:');
  });

  it('is not taken where the file has a template', async () => {
    const template = await chatTemplateOf({ tokens: ['<|im_start|>'], chatTemplate: 'own' }, 'llama');
    expect(template.render(MESSAGES, OPTIONS)).toBe('own');
  });
});

describe('the template of a family', () => {
  const SOURCES = {
    bitnet:
      "{% for m in messages %}{{ m.role | capitalize + ': ' + m.content | trim + '<|eot_id|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}",
    'llama-3':
      "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    chatml:
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    plain:
      "{% for m in messages %}{{ m.role | capitalize + ': ' + m.content | trim + '\\n\\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
  };

  it.each([
    ['bitnet', ['<|eot_id|>'], 'bitnet-b1.58'],
    ['llama-3', ['<|start_header_id|>'], 'llama'],
    ['chatml', ['<|im_start|>'], 'qwen3'],
    ['plain', [], 'llama'],
  ] as const)('of %s writes what the same in Jinja writes', async (family, tokens, architecture) => {
    const template = await chatTemplateOf({ tokens }, architecture);
    expect(template.origin).toBe(family);
    const message = fc.record({
      role: fc.oneof(fc.constantFrom('user', 'assistant', 'system'), fc.string({ unit: 'grapheme' })),
      content: fc.string({
        unit: fc.constantFrom(' ', '\n', '\u00a0', '\t', 'a', 'é', '😀', '{{', '<|eot_id|>'),
      }),
    });
    fc.assert(
      fc.property(fc.array(message), fc.boolean(), (messages, addGenerationPrompt) => {
        const options = { ...OPTIONS, addGenerationPrompt };
        const expected = jinjaTemplate(SOURCES[family]).render(messages, options);
        expect(template.render(messages, options)).toBe(expected);
      }),
    );
  });
});

/** Sets `x` to a text that is nearly as long as one may be. */
const LONG = `{% set x = 'a' %}${repeat('{% set x = x + x %}', 15)}`;

describe('a hostile template', () => {
  it.each([
    "''.constructor",
    "''['constructor']",
    'messages.__proto__',
    "messages['constructor']",
    'messages[0].__proto__',
    'messages[0].constructor',
    'messages.constructor.constructor',
    'range.constructor',
    'raise_exception.__proto__',
    "namespace(a=1)['__proto__']",
    'globalThis',
    'process',
    'strftime_now',
    'this',
  ])('finds nothing at %s', (expression) => {
    expect(render(`{{ ${expression} is defined }}`)).toBe('false');
  });

  it('cannot read the source of a function', () => {
    expect(render("{{ range }}{{ '' ~ raise_exception }}{% macro m() %}{% endmacro %}{{ m ~ '' }}")).toBe(
      '<function><function><function>',
    );
  });

  it('cannot change the messages of the caller', () => {
    const messages = [{ role: 'user', content: 'a' }];
    expect(() => render("{% set messages[0].content = 'b' %}", messages)).toThrow(failure(/./));
    expect(messages).toEqual([{ role: 'user', content: 'a' }]);
  });

  // Each of these would take from minutes to ages, or all memory, if it were let run.
  it.each([
    ['nested loops', nested(6), /too (long|many steps)/],
    ['a giant range', '{% for i in range(1000000000000) %}x{% endfor %}', /far too long/],
    ['a text that doubles', `{% set x = 'ab' %}${repeat('{% set x = x + x %}', 60)}{{ x }}`, /far too long/],
    ['a list that doubles', `{% set x = [1] %}${repeat('{% set x = x + x %}', 60)}`, /far too long/],
    [
      'a list in itself, doubled',
      `{% set x = [1] %}${repeat('{% set x = [x, x] %}', 60)}{{ x | tojson }}`,
      /far too long/,
    ],
    [
      'namespaces filled from the far end',
      Array.from({ length: 40 }, (_, i) => `{% set n${i} = namespace() %}`).join('') +
        Array.from({ length: 39 }, (_, i) => `{% set n${i}.a = [n${i + 1}, n${i + 1}] %}`).join('') +
        '{{ n0 | tojson }}',
      /far too long/,
    ],
    ['a namespace in itself', '{% set n = namespace() %}{% set n.a = n %}{{ n | tojson }}', /./],
    ['a macro that calls itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}', /./],
    [
      'a macro that calls itself twice',
      '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}',
      /too (long|many steps)/,
    ],
    ['a giant indentation', `{{ 'a\\nb' | indent(200000000) }}`, /far too long/],
    [
      'a replacement of everything by much',
      `{% set x = 'a' %}${repeat('{% set x = x + x %}', 15)}{{ x.replace('a', x) }}`,
      /far too long/,
    ],
    ['a replacement of nothing by much', `${LONG}{{ x | replace('', x) }}`, /far too long/],
    ['a replacement under another name', `${LONG}{% set f = x['replace'] %}{{ f('', x) }}`, /far too long/],
    ['a giant indentation of JSON', '{{ [[1]] | tojson(indent=300000000) }}', /far too long/],
    ['giant separators of JSON', `${LONG}{{ range(100000) | tojson(separators=(x, x)) }}`, /far too long/],
    ['a giant separator', `${LONG}{{ range(100000) | join(x) }}`, /far too long/],
    [
      'a text in a list, many times over',
      `${LONG}{% set x = [x] %}${repeat('{% set x = x + x %}', 17)}`,
      /far too long/,
    ],
    [
      'a text made again and again',
      `${LONG}{% for i in range(100000) %}{{ x | upper }}{% endfor %}`,
      /far too long/,
    ],
    [
      'a list written again and again',
      `${LONG}{% set l = [${'x,'.repeat(100)}x] %}{% for i in range(100000) %}{{ l }}{% endfor %}`,
      /far too long/,
    ],
    [
      'a list joined to a text again and again',
      `${LONG}{% set l = [${'x,'.repeat(100)}x] %}{% for i in range(100000) %}{% set y = l ~ '' %}{% endfor %}`,
      /far too long/,
    ],
    ['an indented block', '{% filter indent(100000000) %}a\nb{% endfilter %}', /far too long/],
    ['an indentation by unpacked arguments', "{{ 'a\nb' | indent(*[100000000]) }}", /far too long/],
    // From the far end of it, each place is compared with all of what is searched for.
    ['a search at its worst', `${LONG}{{ ('b' + x[:32000]) in x + x }}`, /too long to search/],
  ])('is stopped: %s', (_, source, message) => {
    setClock(1);
    expect(() => render(source)).toThrow(failure(message));
  });

  it('is stopped: loops without a body', () => {
    // All that an inner loop runs over is made before it begins, which takes long and is few steps: the first look at the clock
    // must come soon enough.
    setClock(3000);
    const source = '{% set r = range(100000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}';
    expect(() => render(source)).toThrow(failure(/too (long|many steps)/));
  });

  it.each([
    ['a giant source', 'x'.repeat(200_000)],
    ['a long run of spaces', ' '.repeat(90_000)],
    ['deep nesting', '{{ ' + '('.repeat(40_000) + '1' + ')'.repeat(40_000) + ' }}'],
  ])('is refused before it runs: %s', (_, source) => {
    expect(() => jinjaTemplate(source)).toThrow(failure(/cannot be read/));
  });

  it('cannot cut a text into more pieces than a list may have', () => {
    const messages = [{ role: 'user', content: 'a,'.repeat(250_000) }];
    for (const cut of ["split(',')", "replace(',', ' ').split()"]) {
      expect(() => render(`{{ (messages[0].content.${cut}) | length }}`, messages)).toThrow(
        failure(/far too long/),
      );
    }
    expect(render("{{ messages[0].content.split('b') | length }}", messages)).toBe('1');
  });

  it('does not keep an honest template from a long conversation', () => {
    setClock(0);
    const messages = Array.from({ length: 2000 }, (_, i) => ({
      role: i % 2 ? 'assistant' : 'user',
      content: `turn ${i} `.repeat(20),
    }));
    const source =
      '{% for m in messages %}{% set content = m.role | capitalize + ": " + m.content | trim %}{{ content }}{% endfor %}';
    expect(render(source, messages)).toContain('Assistant: turn 1999');
  });
});
