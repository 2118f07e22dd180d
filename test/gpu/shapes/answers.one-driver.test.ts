// Answers of a given shape by the embedded model: what they are, what is forced, what is refused, and that nothing else changes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineHost } from '../../../src/engine/engine-host';
import type { Answer, PlainGenerateOptions } from '../../../src/engine/types';
import { collect } from '../../support/collect';
import { shapedEngine, TOOLS_TEMPLATE } from '../../support/shaped-engine';

let engine: EngineHost;
beforeAll(async () => {
  engine = await shapedEngine();
});
afterAll(() => engine.dispose());

async function ask(text: string, options: PlainGenerateOptions): Promise<Answer> {
  const session = engine.createSession();
  try {
    return await session.complete([{ role: 'user', content: text }], options);
  } finally {
    await session.dispose();
  }
}

const CAPITAL = {
  type: 'object',
  properties: {
    capital: { type: 'string', maxLength: 12 },
    population: { type: 'integer', minimum: 5, maximum: 900 },
  },
  required: ['capital', 'population'],
};

describe('an answer', () => {
  it('is JSON that the schema allows', async () => {
    const { text, finishReason, usage, tokenIds } = await ask('What is the capital of Peru?', {
      responseFormat: { type: 'json', schema: CAPITAL },
    });
    const value = JSON.parse(text) as { capital: string; population: number };
    expect(Object.keys(value)).toEqual(['capital', 'population']);
    expect(value.capital.length).toBeLessThanOrEqual(12);
    expect(value.population).toBeGreaterThanOrEqual(5);
    expect(value.population).toBeLessThanOrEqual(900);
    expect(finishReason).toBe('stop');
    // The names of both members, at least.
    expect(usage.forcedTokens).toBeGreaterThan(4);
    expect(usage.completionTokens).toBe(tokenIds.length);
    expect(await engine.detokenize(tokenIds)).toBe(text);
  });

  it('is any object where there is no schema', async () => {
    const { text } = await ask('Who are you?', {
      responseFormat: { type: 'json' },
      temperature: 1,
      seed: 4,
      maxTokens: 300,
    });
    expect(text.startsWith('{')).toBe(true);
  });

  it('matches a regular expression', async () => {
    const { text } = await ask('What is 3 + 4?', {
      responseFormat: { type: 'regex', pattern: '[1-9][0-9]?( plus [0-9]){2}' },
    });
    expect(text).toMatch(/^[1-9][0-9]?( plus [0-9]){2}$/);
  });

  it('is one of some texts, and the one that the model thinks of', async () => {
    const responseFormat = { type: 'choice', options: ['loud', 'green', 'quiet', 'quick'] } as const;
    expect((await ask('What is the opposite of loud?', { responseFormat })).text).toBe('quiet');
  });

  it('is what a grammar derives', async () => {
    const ebnf = 'root ::= letter ("-" letter){3,9}\nletter ::= [a-z]';
    const { text } = await ask('Spell planet.', { responseFormat: { type: 'grammar', ebnf }, maxTokens: 40 });
    expect(text).toMatch(/^[a-z](-[a-z]){3,9}$/);
    expect(text.startsWith('p-l-a-n')).toBe(true);
  });

  it('that is cut is a beginning', async () => {
    const { text, finishReason } = await ask('What is the capital of Peru?', {
      responseFormat: { type: 'json', schema: CAPITAL },
      maxTokens: 6,
    });
    expect(finishReason).toBe('length');
    expect('{"capital": "'.startsWith(text) || text.startsWith('{"capital": "')).toBe(true);
  });

  it('has a log-probability for each token when they are asked for, because nothing is forced then', async () => {
    const options = { responseFormat: { type: 'choice', options: ['quiet', 'green'] } } as const;
    const plain = await ask('What is the opposite of loud?', options);
    const rated = await ask('What is the opposite of loud?', { ...options, logprobs: 2 });
    expect(rated.logprobs).toHaveLength(rated.tokenIds.length);
    expect([rated.text, rated.usage.forcedTokens]).toEqual([plain.text, 0]);
    expect(plain.usage.forcedTokens).toBeGreaterThan(0);
  });

  it('is the same with the same seed, and its stream is the same as the whole', async () => {
    const options = {
      responseFormat: { type: 'json', schema: CAPITAL },
      temperature: 1.5,
      seed: 11,
    } as const;
    const first = await ask('Tell me a story.', options);
    const session = engine.createSession();
    const streamed = await collect(
      session.generate([{ role: 'user', content: 'Tell me a story.' }], options),
    );
    expect(streamed.tokenIds).toEqual(first.tokenIds);
    expect(streamed.text).toBe(first.text);
    await session.dispose();
  });
});

describe('what is refused', () => {
  it.each<[string, PlainGenerateOptions, string, RegExp]>([
    [
      'a keyword',
      { responseFormat: { type: 'json', schema: { not: { type: 'string' } } } },
      'unsupported-feature',
      /not/,
    ],
    [
      'what is no schema',
      { responseFormat: { type: 'json', schema: { type: 'strin' } } },
      'invalid-argument',
      /strin/,
    ],
    [
      'lookahead',
      { responseFormat: { type: 'regex', pattern: '(?=a)b' } },
      'unsupported-feature',
      /lookahead/,
    ],
    [
      'a broken grammar',
      { responseFormat: { type: 'grammar', ebnf: 'root ::= other' } },
      'invalid-argument',
      /other/,
    ],
    [
      'tools of a template without',
      { tools: { f: { schema: true } } },
      'unsupported-feature',
      /knows no tools/,
    ],
  ])('%s is, before anything is generated, and the session goes on', async (_, options, code, message) => {
    const session = engine.createSession();
    const refused = session.complete([{ role: 'user', content: 'Spell planet.' }], options);
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(session.messages).toEqual([]);
    expect((await collect(session.send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
    await session.dispose();
  });

  it('takes nothing from the answers after it that nothing can be chosen in', async () => {
    const [id] = await engine.tokenize('z');
    const options = {
      responseFormat: { type: 'choice', options: ['a'] },
      allowedTokens: [id ?? 0],
      logprobs: 0,
    } as const;
    await expect(ask('Spell planet.', options)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect((await ask('Spell planet.', {})).text).toBe('p-l-a-n-e-t');
  });
});

describe('tokens', () => {
  it('that are allowed are all that comes, and banned ones never do', async () => {
    const yesNo = await Promise.all(
      [' yes', ' no'].map(async (text) => (await engine.tokenize(text))[0] ?? 0),
    );
    const { tokenIds } = await ask('Who are you?', {
      allowedTokens: yesNo,
      maxTokens: 5,
      temperature: 1.5,
      seed: 1,
    });
    expect(tokenIds).toHaveLength(5);
    expect(yesNo).toEqual(expect.arrayContaining(tokenIds));
    const plain = await ask('Count from 3 to 9.', {});
    const banned = await ask('Count from 3 to 9.', { bannedTokens: [plain.tokenIds[2] ?? 0] });
    expect(banned.tokenIds).not.toContain(plain.tokenIds[2]);
  });

  it('follow the logits that a function leaves', async () => {
    const seen: number[] = [];
    const { tokenIds } = await ask('Who are you?', {
      maxTokens: 3,
      logitsProcessor(logits, ids) {
        seen.push(ids.length);
        logits.fill(-5);
        logits[100 + seen.length] = 5;
      },
    });
    expect(tokenIds).toEqual([101, 102, 103]);
    expect(seen.map((length) => length - (seen[0] ?? 0))).toEqual([0, 1, 2]);
  });
});

describe('calls of tools', () => {
  const tools = {
    weather: {
      description: 'The weather of a city.',
      schema: {
        type: 'object',
        properties: { city: { enum: ['Lima', 'Oslo', 'Tokyo'] } },
        required: ['city'],
      },
    },
    now: { schema: {} },
  };

  it('are held to the schema, come in pieces, and are kept as the template takes them', async () => {
    const session = engine.createSession();
    const options = {
      tools,
      chatTemplate: TOOLS_TEMPLATE,
      toolChoice: { name: 'weather' },
      parallelToolCalls: false,
    } as const;
    const stream = session.generate([{ role: 'user', content: 'How is the weather in Oslo?' }], options);
    const { chunks } = await collect(stream);
    const pieces = chunks.flatMap(({ toolCalls }) => toolCalls ?? []);
    expect(pieces[0]).toMatchObject({
      index: 0,
      name: 'weather',
      id: expect.stringMatching(/^call_[0-9a-f]{8}_0$/) as string,
    });
    const args = JSON.parse(pieces.map(({ argumentsText }) => argumentsText).join('')) as { city: string };
    expect(['Lima', 'Oslo', 'Tokyo']).toContain(args.city);
    expect(chunks.map(({ text }) => text).join('')).toBe('');
    expect(chunks.at(-1)?.finishReason).toBe('tool-calls');
    expect(session.messages.at(-1)).toMatchObject({
      role: 'assistant',
      tool_calls: [{ id: pieces[0]?.id, type: 'function', function: { name: 'weather', arguments: args } }],
    });
    // What was said is found in the cache again when the tool has answered.
    const before = session.tokenIds.length;
    const result = { role: 'tool', content: '17', tool_call_id: pieces[0]?.id ?? '', name: 'weather' };
    const next = await session.complete([...session.messages, result], {
      ...options,
      toolChoice: 'auto',
      maxTokens: 30,
    });
    expect(next.usage.cachedTokens).toBeGreaterThanOrEqual(before - 1);
    await session.dispose();
  });

  it('may be several, or none', async () => {
    const given = { tools, chatTemplate: TOOLS_TEMPLATE, maxTokens: 200 };
    const required = await ask('How is the weather?', {
      ...given,
      toolChoice: 'required',
      temperature: 1,
      seed: 2,
    });
    expect(required.toolCalls?.length).toBeGreaterThan(0);
    const none = await ask('Spell planet.', { ...given, toolChoice: 'none' });
    expect([none.text, none.toolCalls]).toEqual(['p-l-a-n-e-t', undefined]);
    const auto = await ask('Spell planet.', given);
    expect(auto.finishReason).toBe(auto.toolCalls ? 'tool-calls' : 'stop');
  });
});
