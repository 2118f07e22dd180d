// Surfaces on the embedded model: the token ids are those of a session with the same options.
import { generateText, streamText } from 'ai';
import { describe, expect, test } from 'vitest';
import type { GenerateChunk } from '../../src/engine/types';
import { createTernion } from '../../src/surfaces/ai-sdk/index';
import { createLanguageModel } from '../../src/surfaces/prompt-api/index';
import { checked } from '../support/checked';
import { COUNT, goldenFor, STORY, useSessions } from '../support/sessions';

const sessions = useSessions();
const { undisturbed } = sessions;
const SEED = 11;

test('messages are tokenized as they are evaluated', async () => {
  const { engine } = sessions.watched;
  for (const { messages, promptIds } of [COUNT, STORY]) {
    expect(await engine.tokenize(messages)).toEqual(promptIds);
  }
});

describe('the AI SDK', () => {
  test('gives the ids of a session with the same seed, whole and delta by delta', async () => {
    const sampling = { temperature: 0.9, topK: 20, seed: SEED };
    const expected = await undisturbed(STORY.messages, { ...sampling, maxTokens: 40 });
    const result = streamText({
      model: createTernion(checked(sessions.watched.engine)),
      prompt: 'Tell me a story.',
      ...sampling,
      maxOutputTokens: 40,
      providerOptions: { ternion: { tokenIds: true } },
    });
    const ids: number[] = [];
    let text = '';
    for await (const part of result.fullStream) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type !== 'text-delta' && part.type !== 'text-end') continue;
      ids.push(...((part.providerMetadata?.['ternion']?.['tokenIds'] ?? []) as number[]));
    }
    expect(text).toBe(expected.text);
    expect(ids).toEqual(expected.tokenIds);
    expect(await result.providerMetadata).toEqual({ ternion: { tokenIds: expected.tokenIds } });
    expect((await result.usage).inputTokens).toBe(STORY.promptIds.length);
  });

  test('is greedy unless a temperature is given', async () => {
    const model = createTernion(checked(sessions.watched.engine));
    const { text, providerMetadata } = await generateText({ model, prompt: 'Count from 3 to 9.' });
    expect(text).toBe('3, 4, 5, 6, 7, 8, 9');
    expect(providerMetadata).toEqual({ ternion: { tokenIds: COUNT.greedy } });
  });
});

describe('the Prompt API', () => {
  /** The class over the engine, and the ids of all that its sessions have answered. */
  function opened(): { LanguageModel: ReturnType<typeof createLanguageModel>; ids: number[] } {
    const ids: number[] = [];
    const onChunk = ({ tokenIds }: GenerateChunk): void => void ids.push(...tokenIds);
    const { engine } = sessions.watched;
    return { LanguageModel: createLanguageModel(checked(engine), { seed: SEED, onChunk }), ids };
  }

  test('gives the ids of a session with the same seed, with what is balanced', async () => {
    const { LanguageModel, ids } = opened();
    const session = await LanguageModel.create();
    const text = await session.prompt('Who are you?');
    const { messages } = goldenFor('Who are you?');
    const expected = await undisturbed(messages, { temperature: 1, topK: 3, seed: SEED });
    expect([text, ids]).toEqual([expected.text, expected.tokenIds]);
    session.destroy();
  });

  test('counts its context as it is in the cache, over turns', async () => {
    const { LanguageModel } = opened();
    const session = await LanguageModel.create({ samplingMode: 'most-predictable' });
    const measured = await session.measureContextUsage('My name is Ravi.');
    expect(await session.prompt('My name is Ravi.')).toBe('Nice to meet you, Ravi!');
    const { promptIds, greedy } = goldenFor('My name is Ravi.');
    expect(measured).toBe(promptIds.length);
    expect(session.contextUsage).toBe(promptIds.length + greedy.length);
    expect(await session.prompt('What is my name?')).toBe('Your name is Ravi.');
    session.destroy();
  });

  test('goes on behind a prefix as the model itself does', async () => {
    const { LanguageModel, ids } = opened();
    const session = await LanguageModel.create({ samplingMode: 'most-predictable' });
    const begun = '3, 4, 5';
    const rest = await session.prompt([
      { role: 'user', content: 'Count from 3 to 9.' },
      { role: 'assistant', content: begun, prefix: true },
    ]);
    expect(begun + rest).toBe('3, 4, 5, 6, 7, 8, 9');
    expect(ids).toEqual(COUNT.greedy.slice(-ids.length));
    session.destroy();
  });

  test('begins with what was said before, and a clone goes on by itself', async () => {
    const { LanguageModel } = opened();
    const session = await LanguageModel.create({
      samplingMode: 'most-predictable',
      initialPrompts: [
        { role: 'user', content: 'My name is Ravi.' },
        { role: 'assistant', content: 'Nice to meet you, Ravi!' },
      ],
    });
    const clone = await session.clone();
    session.destroy();
    expect(await clone.prompt('What is my name?')).toBe('Your name is Ravi.');
    clone.destroy();
  });
});
