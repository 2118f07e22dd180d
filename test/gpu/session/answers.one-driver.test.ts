// What a session answers: text and ids, over several turns, sampled, and up to a stop string.
import { describe, expect, test } from 'vitest';
import type { FittedPrompt } from '../../../src/engine/fit-prompt';
import type { GenerateChunk } from '../../../src/engine/types';
import { collect } from '../../support/collect';
import { COUNT, STORY, goldenFor, useSessions } from '../../support/sessions';

const sessions = useSessions();
const { open, undisturbed } = sessions;

describe('an answer', () => {
  test('counts exactly, and says why it ended and what it took', async () => {
    const answer = await collect(open().send('Count from 3 to 9.'));
    expect(answer.text).toBe('3, 4, 5, 6, 7, 8, 9');
    expect(answer.tokenIds).toEqual(COUNT.greedy);
    expect(answer.finishReason).toBe('stop');
    expect(answer.usage).toMatchObject({
      promptTokens: COUNT.promptIds.length,
      cachedTokens: 0,
      completionTokens: COUNT.greedy.length,
      stopReason: COUNT.greedy.at(-1),
      omittedTokens: 0,
      omittedTurns: 0,
    });
    const { queueMs, prefillMs, timeToFirstTokenMs } = answer.usage!;
    expect(timeToFirstTokenMs).toBeCloseTo(queueMs + prefillMs, 6);
    expect(answer.chunks.some((chunk) => 'reasoning' in chunk || 'logprobs' in chunk)).toBe(false);
    expect(answer.chunks.slice(0, -1).every((chunk) => !chunk.finishReason && !chunk.usage)).toBe(true);
  });

  test('has characters of several tokens whole, with the token that completes them', async () => {
    const { text, tokenIds, chunks } = await collect(open().send('Say hello in Japanese.'));
    expect(text).toBe('こんにちは');
    expect(tokenIds.length).toBeGreaterThan([...text].length);
    expect(chunks.filter((chunk) => chunk.text.includes('\u{fffd}'))).toEqual([]);
    expect(chunks.some((chunk) => chunk.text === '' && chunk.tokenIds.length > 0)).toBe(true);
  });

  test.each([1, 2, 3, 4, 5, 6])(
    'is the text of all its ids, also when seed %i draws garbage',
    async (seed) => {
      for (const maxTokens of [7, 40]) {
        const options = { temperature: 1.5, topK: 0, seed, maxTokens };
        const prompt = goldenFor('Say hello in Hindi.').messages;
        const { text, tokenIds } = await collect(open().generate(prompt, options));
        expect(await sessions.watched.engine.detokenize(tokenIds)).toBe(text);
      }
    },
  );

  test('of bytes that are no text has the same replacement characters as its ids', async () => {
    // Only tokens that are single bytes of the middle of a character: ids 94 to 187 stand for bytes from 0xa1 on.
    const logitBias = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [94 + i, 1000]));
    const options = { temperature: 2, seed: 1, maxTokens: 10, logitBias };
    const { text, tokenIds } = await collect(open().send('Hello', options));
    expect(tokenIds.every((id) => id >= 94 && id < 114)).toBe(true);
    expect(text).toContain('\u{fffd}');
    expect(await sessions.watched.engine.detokenize(tokenIds)).toBe(text);
  });
});

/** A template with so much in front of each answer. */
const template = (opening: string): string =>
  "{% for m in messages %}{{ m.role | capitalize + ': ' + m.content | trim + '<|eot_id|>' }}{% endfor %}" +
  `{% if add_generation_prompt %}{{ 'Assistant: ${opening}' }}{% endif %}`;

describe('an answer that was begun in another engine', () => {
  const DRAWN = { temperature: 1, seed: 5, repetitionPenalty: 1.2, frequencyPenalty: 0.2, maxTokens: 12 };
  const REASONED = { chatTemplate: template('<think>'), maxTokens: 12 };

  test.each([
    ['drawn with penalties', 'Tell me a story.', DRAWN, [1, 7]],
    ['with log-probabilities', 'Count from 3 to 9.', { logprobs: 1 }, [2]],
    ['amid its reasoning', 'Count from 3 to 9.', REASONED, [4]],
    ['cut amid a character', 'Say hello in Japanese.', {}, [1, 2, 3]],
    ['cut amid a stop string', 'Count from 3 to 9.', { stop: ', 6, 7' }, [8, 10]],
  ])('goes on as it would have there: %s', async (_what, question, options, cuts) => {
    let prompt: FittedPrompt | undefined;
    const first = open();
    const whole = await collect(first.send(question, options, (known) => (prompt = known)));
    for (const cut of cuts) {
      const session = open();
      const sampled = whole.tokenIds.slice(0, cut);
      const rest = await collect(session.goOn({ prompt: prompt!, sampled }, options));
      expect([...sampled, ...rest.tokenIds]).toEqual(whole.tokenIds);
      expect(said(rest.chunks)).toEqual(said(whole.chunks.slice(cut)));
      expect(rest.finishReason).toBe(whole.finishReason);
      expect(rest.usage).toMatchObject({ completionTokens: whole.tokenIds.length });
      expect(session.messages).toEqual(first.messages);
      expect(session.memory).toEqual(first.memory);
    }
  });

  /** Text, reasoning, and tokens that have log-probabilities. */
  const said = (chunks: readonly GenerateChunk[]): object => ({
    text: chunks.map(({ text }) => text).join(''),
    reasoning: chunks.map(({ reasoning = '' }) => reasoning).join(''),
    rated: chunks.flatMap(({ logprobs = [] }) => logprobs.map(({ tokenId }) => tokenId)),
  });

  test('leaves a conversation that goes on elsewhere, too', async () => {
    const [first, second] = [open(), open()];
    await collect(first.send('My name is Ravi.'));
    second.remember(structuredClone(first.memory));
    const { text } = await collect(second.send('What is my name?'));
    expect(text).toBe('Your name is Ravi.');
    expect(second.messages).toHaveLength(4);
  });
});

describe('a whole answer', () => {
  test('is what its stream comes to', async () => {
    const { chunks, usage, ...streamed } = await collect(open().generate(COUNT.messages));
    const { usage: whole, ...answer } = await open().complete(COUNT.messages);
    expect(chunks.length).toBeGreaterThan(2);
    expect(answer).toEqual(streamed);
    expect(whole.completionTokens).toBe(usage!.completionTokens);
  });

  test('ends with a signal as far as it came', async () => {
    const control = new AbortController();
    control.abort();
    const answer = await open().complete(COUNT.messages, { signal: control.signal });
    expect(answer).toMatchObject({ tokenIds: [], finishReason: 'abort', usage: { timeToFirstTokenMs: 0 } });
    expect(answer.usage).not.toHaveProperty('stopReason');
  });
});

describe('reasoning', () => {
  test('that the prompt opens is apart from the text, and in the messages where templates expect it', async () => {
    const session = open();
    const options = { chatTemplate: template('<think>'), maxTokens: 12 };
    const { text, tokenIds, chunks } = await collect(session.send('Count from 3 to 9.', options));
    const reasoning = chunks.map((chunk) => chunk.reasoning ?? '').join('');
    expect(text).toBe('');
    expect(reasoning).toBe((await sessions.watched.engine.detokenize(tokenIds)).replaceAll(/^\n+|\n+$/g, ''));
    expect(reasoning).not.toBe('');
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: '', reasoning_content: reasoning });
  });

  test('is not there in an answer that is without, or that continues raw text', async () => {
    const closed = { chatTemplate: `{# </think> #}${template('')}` };
    const answer = await collect(open().send('Count from 3 to 9.', closed));
    expect(answer.text).toBe('3, 4, 5, 6, 7, 8, 9');
    const raw = { chatTemplate: template('<think>'), maxTokens: 5 };
    const { text, tokenIds } = await collect(open().generate({ tokenIds: COUNT.promptIds }, raw));
    expect(text).toBe(await sessions.watched.engine.detokenize(tokenIds));
  });
});

describe('a conversation', () => {
  test('remembers a name, and evaluates only what is new', async () => {
    const session = open();
    const first = await collect(session.send('My name is Ravi.'));
    const second = await collect(session.send('What is the capital of Japan?'));
    const third = await collect(session.send('What is my name?'));
    expect([first.text, second.text, third.text]).toEqual([
      'Nice to meet you, Ravi!',
      'The capital of Japan is Tokyo.',
      'Your name is Ravi.',
    ]);
    expect(first.usage!.cachedTokens).toBe(0);
    // All but the end token, which nothing has followed yet.
    for (const [before, after] of [
      [first, second],
      [second, third],
    ] as const) {
      const known = before.usage!.promptTokens + before.usage!.completionTokens;
      expect(after.usage!.cachedTokens).toBeGreaterThanOrEqual(known - 1);
      expect(after.usage!.promptTokens).toBeGreaterThan(known);
    }
    expect(session.messages).toEqual([
      { role: 'user', content: 'My name is Ravi.' },
      { role: 'assistant', content: 'Nice to meet you, Ravi!' },
      { role: 'user', content: 'What is the capital of Japan?' },
      { role: 'assistant', content: 'The capital of Japan is Tokyo.' },
      { role: 'user', content: 'What is my name?' },
      { role: 'assistant', content: 'Your name is Ravi.' },
    ]);
  });

  test('gives the answer of a fresh session, whatever was in the cache before', async () => {
    const session = open();
    for (const text of ['Count from 3 to 9.', 'Count down from 25 to 18.', 'Who are you?', 'Spell planet.']) {
      const { messages, greedy } = goldenFor(text);
      const reused = await collect(session.generate(messages));
      expect(reused.tokenIds).toEqual(greedy);
    }
    // The last was another prompt of the same beginning; a part of it is reused.
    const again = await collect(session.generate(COUNT.messages));
    expect(again.usage!.cachedTokens).toBeGreaterThan(0);
    expect(again.usage!.cachedTokens).toBeLessThan(COUNT.promptIds.length);
    expect(again.tokenIds).toEqual(COUNT.greedy);
  });

  test('asked the same again evaluates one token, and answers the same', async () => {
    const session = open();
    for (const cached of [0, COUNT.promptIds.length - 1]) {
      const answer = await collect(session.generate({ tokenIds: COUNT.promptIds }));
      expect(answer.usage!.cachedTokens).toBe(cached);
      expect(answer.tokenIds).toEqual(COUNT.greedy);
    }
  });

  test('with another seed, or with penalties, goes on from the same cache', async () => {
    const session = open();
    const options = { temperature: 1, seed: 5, repetitionPenalty: 1.2, maxTokens: 20 };
    const fresh = await undisturbed(STORY.messages, options);
    await collect(session.generate(STORY.messages, { maxTokens: 30 }));
    const reused = await collect(session.generate(STORY.messages, options));
    expect(reused.usage!.cachedTokens).toBe(STORY.promptIds.length - 1);
    expect(reused.tokenIds).toEqual(fresh.tokenIds);
  });
});

describe('sampling', () => {
  test('is the same for the same seed, and not for another', async () => {
    const run = (seed: number) => undisturbed(STORY.messages, { temperature: 1, seed, maxTokens: 30 });
    const [first, second, other] = [await run(7), await run(7), await run(8)];
    expect(second.tokenIds).toEqual(first.tokenIds);
    expect(other.tokenIds).not.toEqual(first.tokenIds);
  });

  test('differs from time to time without a seed', async () => {
    const run = () => undisturbed(STORY.messages, { temperature: 1.5, maxTokens: 40 });
    expect((await run()).tokenIds).not.toEqual((await run()).tokenIds);
  });

  test.each([{ topK: 1 }, { topP: 0 }, { minP: 1 }, { temperature: 1e-50 }, { temperature: 1e-30 }])(
    'with %j is greedy',
    async (options) => {
      const answer = await undisturbed(COUNT.messages, { temperature: 1, seed: 1, ...options });
      expect(answer.tokenIds).toEqual(COUNT.greedy);
    },
  );

  test('heeds biases and penalties', async () => {
    const [first] = COUNT.greedy as [number];
    const banned = await undisturbed(COUNT.messages, { logitBias: { [first]: -1e9 }, maxTokens: 10 });
    expect(banned.tokenIds).not.toContain(first);
    const penalised = await undisturbed(COUNT.messages, { presencePenalty: 100, maxTokens: 10 });
    expect(new Set(penalised.tokenIds).size).toBe(penalised.tokenIds.length);
  });
});

describe('stop strings', () => {
  test('that span tokens end the answer, and no part of them is given out', async () => {
    const { text, chunks, tokenIds, finishReason, usage } = await collect(
      open().send('Count from 3 to 9.', { stop: ', 6' }),
    );
    expect(text).toBe('3, 4, 5');
    expect(finishReason).toBe('stop');
    expect(usage!.stopReason).toBe(', 6');
    // The ids are those that were sampled, the stop string's too; ', 6' is three tokens.
    expect(tokenIds).toEqual(COUNT.greedy.slice(0, 10));
    // Text that may begin a stop string waits for the token that decides.
    expect(chunks.slice(0, 4).map((chunk) => chunk.text)).toEqual(['3', '', '', ', 4']);
  });

  test('that only begin hold nothing back for good', async () => {
    const { text, finishReason } = await collect(
      open().send('Count from 3 to 9.', { stop: [', 99', '9 bottles'] }),
    );
    expect(text).toBe('3, 4, 5, 6, 7, 8, 9');
    expect(finishReason).toBe('stop');
  });

  test('are known to the conversation only by what came before them', async () => {
    const session = open();
    await collect(session.send('Count from 3 to 9.', { stop: [' 5', ', 5'] }));
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: '3, 4' });
    const next = await collect(session.send('Spell planet.'));
    expect(next.text).toBe('p-l-a-n-e-t');
  });
});
