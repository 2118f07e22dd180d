// Templates and their options as a caller gives them to an engine or to a generation, on the embedded model.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalEngine } from '../../src/engine/engine';
import type { ChatMessage, PlainGenerateOptions } from '../../src/engine/types';
import { collect } from '../support/collect';
import { loadFixture } from '../support/engine';
import type { GoldenPrompt } from '../support/golden';
import { expectFailure } from '../support/expect-failure';

const TINY = 'public/models/ternion-tiny-i2_s.gguf';
const url = new URL('../fixtures/prompts.json', import.meta.url);
const golden = (JSON.parse(readFileSync(url, 'utf8')) as GoldenPrompt[]).find(
  ({ messages }) => messages[0]!.content === 'Count from 3 to 9.',
)!;

/** What the model was trained with, but for the name of the assistant, which is an option. */
const SOURCE =
  "{% for m in messages %}{{ m.role | capitalize + ': ' + m.content | trim + '<|eot_id|>' }}{% endfor %}{{ name }}: ";

let engine: LocalEngine;
beforeAll(async () => {
  engine = await loadFixture(TINY, {
    chatTemplate: SOURCE,
    templateOptions: { name: 'Assistant' },
    tuning: false,
  });
});
afterAll(() => engine.dispose());

async function answer(messages: ChatMessage[], options: PlainGenerateOptions = {}) {
  const session = engine.createSession();
  const result = await collect(session.generate(messages, { maxTokens: 40, ...options }));
  await session.dispose();
  return result;
}

describe('a template of the caller', () => {
  test('is the engine’s, and info says so', async () => {
    expect(engine.info.chatTemplate).toBe('options');
    expect(engine.info.adjustments).toEqual([]);
    const { tokenIds, usage } = await answer(golden.messages);
    expect(tokenIds).toEqual(golden.greedy);
    expect(usage?.promptTokens).toBe(golden.promptIds.length);
  });

  test('has the options of a generation over those of the engine', async () => {
    const { usage } = await answer(golden.messages, { maxTokens: 1, templateOptions: { name: '' } });
    expect(usage?.promptTokens).toBeLessThan(golden.promptIds.length);
  });

  test('may be that of a generation, and a function', async () => {
    const { tokenIds } = await answer(golden.messages, {
      chatTemplate: ([question]) => `User: ${question!.content}<|eot_id|>Assistant: `,
    });
    expect(tokenIds).toEqual(golden.greedy);
  });

  test('takes content in parts', async () => {
    const [question] = golden.messages;
    const { tokenIds } = await answer([
      { role: 'user', content: [{ type: 'text', text: question!.content }] },
    ]);
    expect(tokenIds).toEqual(golden.greedy);
  });
});

test('a template that is no Jinja is refused', async () => {
  const chatTemplate = '{% for %}';
  await expectFailure(answer(golden.messages, { chatTemplate }), 'template-failed', 'options cannot be read');
});
