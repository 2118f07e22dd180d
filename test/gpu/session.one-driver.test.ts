// Sessions on the embedded model: what streams, what is remembered, and what happens when somebody stops, waits or errs.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { LocalSession } from '../../src/engine/session';
import type { GenerateChunk, GenerateOptions, Prompt } from '../../src/engine/types';
import { collect, type Collected } from '../support/collect';
import type { GoldenPrompt } from '../support/golden';
import { expectFailure } from '../support/expect-failure';
import { loadWatched, sleep, until, type WatchedEngine } from '../support/watched-engine';

/** Most steps that may run before somebody wants their tokens. */
const MOST_AHEAD = 8;
/** Tokens of one chunk of a prompt, by default. */
const CHUNK = 128;

const prompts = JSON.parse(
  readFileSync(new URL('../fixtures/prompts.json', import.meta.url), 'utf8'),
) as GoldenPrompt[];

/** The golden answer to the one message `text`. */
function goldenFor(text: string): GoldenPrompt {
  const golden = prompts.find(({ messages }) => messages.length === 1 && messages[0]!.content === text);
  if (!golden) throw new Error(`There is no golden answer to ${text}`);
  return golden;
}

const COUNT = goldenFor('Count from 3 to 9.');
/** The longest answer: 93 tokens. */
const STORY = goldenFor('Tell me a story.');

/** 900 tokens of conversation that end with the question to count: seven whole chunks, and a part of one. */
const LONG: number[] = [
  ...prompts.flatMap(({ promptIds, greedy }) => [...promptIds.slice(1), ...greedy]),
  ...prompts.flatMap(({ promptIds, greedy }) => [...promptIds.slice(1), ...greedy]),
].slice(0, 900 - COUNT.promptIds.length);
LONG.unshift(COUNT.promptIds[0]!);
LONG.push(...COUNT.promptIds.slice(1));

let watched: WatchedEngine;
/** Sessions that the test at hand opened. */
const opened: LocalSession[] = [];

beforeAll(async () => {
  watched = await loadWatched();
  story = await undisturbed(STORY.messages);
});
afterEach(async () => {
  for (const session of opened.splice(0)) await session.dispose();
});
afterAll(() => watched.engine.dispose());

function open(): LocalSession {
  const session = watched.engine.createSession();
  opened.push(session);
  return session;
}

/** The whole story that the model tells if nobody disturbs it: 93 tokens. */
let story: Collected;

/** What `prompt` gives in a session of its own, with nobody else around. */
async function undisturbed(prompt: Prompt, options?: GenerateOptions): Promise<Collected> {
  const session = watched.engine.createSession();
  const answer = await collect(session.generate(prompt, options));
  await session.dispose();
  return answer;
}

type Reader = ReadableStreamDefaultReader<GenerateChunk>;

async function readChunks(reader: Reader, count: number): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  while (chunks.length < count) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The stream ended after ${chunks.length} chunks`);
    chunks.push(value);
  }
  return chunks;
}

async function readRest(reader: Reader): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
  }
}

const textOf = (chunks: readonly GenerateChunk[]): string => chunks.map(({ text }) => text).join('');
const idsOf = (chunks: readonly GenerateChunk[]): number[] => chunks.flatMap(({ tokenIds }) => tokenIds);

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
    });
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
        expect(await watched.engine.detokenize(tokenIds)).toBe(text);
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
    expect(await watched.engine.detokenize(tokenIds)).toBe(text);
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
    const { text, chunks, tokenIds, finishReason } = await collect(
      open().send('Count from 3 to 9.', { stop: ', 6' }),
    );
    expect(text).toBe('3, 4, 5');
    expect(finishReason).toBe('stop');
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

describe('length', () => {
  let small: WatchedEngine;
  const CONTEXT = 64;
  beforeAll(async () => {
    small = await loadWatched({ contextLength: CONTEXT });
  });
  afterAll(() => small.engine.dispose());

  const ids = (count: number) => ({ tokenIds: LONG.slice(0, count) });

  test('maxTokens 0 evaluates the prompt and gives no token', async () => {
    const session = open();
    const answer = await collect(session.generate(COUNT.messages, { maxTokens: 0 }));
    expect(answer).toMatchObject({ text: '', tokenIds: [], finishReason: 'length' });
    expect(answer.usage).toMatchObject({ promptTokens: COUNT.promptIds.length, completionTokens: 0 });
    const next = await collect(session.generate(COUNT.messages));
    expect(next.usage!.cachedTokens).toBe(COUNT.promptIds.length - 1);
    expect(next.tokenIds).toEqual(COUNT.greedy);
  });

  test.each([1, 2, 9])('maxTokens %i gives that many', async (maxTokens) => {
    const answer = await collect(open().generate(COUNT.messages, { maxTokens }));
    expect(answer.tokenIds).toEqual(COUNT.greedy.slice(0, maxTokens));
    expect(answer.finishReason).toBe('length');
  });

  test('an answer ends where the context is full', async () => {
    const session = small.engine.createSession();
    const answer = await collect(session.generate(STORY.messages));
    expect(answer.finishReason).toBe('length');
    expect(answer.usage!.promptTokens + answer.usage!.completionTokens).toBe(CONTEXT);
    expect(answer.tokenIds).toEqual(story.tokenIds.slice(0, answer.tokenIds.length));
    await session.dispose();
  });

  test('a prompt that leaves room for one token gets one', async () => {
    const session = small.engine.createSession();
    const answer = await collect(session.generate(ids(CONTEXT - 1)));
    expect(answer.tokenIds).toHaveLength(1);
    expect(answer.tokenIds).toEqual((await undisturbed(ids(CONTEXT - 1), { maxTokens: 1 })).tokenIds);
    await session.dispose();
  });

  test('logits can be had for as many tokens as the context has, and no more', async () => {
    const { vocabularySize } = small.engine.info;
    const logits = await small.engine.nextLogits(LONG.slice(0, CONTEXT));
    expect(logits).toHaveLength(vocabularySize);
    expect(logits.every((logit) => Number.isFinite(logit))).toBe(true);
    await expectFailure(small.engine.nextLogits(LONG.slice(0, CONTEXT + 1)), 'context-overflow');
  });

  test.each([CONTEXT, CONTEXT + 1, 900])('a prompt of %i tokens does not fit 64', async (count) => {
    const session = small.engine.createSession();
    await expectFailure(collect(session.generate(ids(count))), 'context-overflow', String(count));
    // The session is none the worse.
    expect((await collect(session.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
    await session.dispose();
  });
});

describe('wrong arguments', () => {
  const wrongOptions: [string, GenerateOptions][] = [
    ['maxTokens', { maxTokens: -1 }],
    ['maxTokens', { maxTokens: 1.5 }],
    ['maxTokens', { maxTokens: NaN }],
    ['temperature', { temperature: NaN }],
    ['temperature', { temperature: -0.1 }],
    ['temperature', { temperature: Infinity }],
    ['topK', { topK: -1 }],
    ['topK', { topK: 0.5 }],
    ['topP', { topP: 2 }],
    ['topP', { topP: -0.1 }],
    ['minP', { minP: 1.1 }],
    ['repetitionPenalty', { repetitionPenalty: 0 }],
    ['frequencyPenalty', { frequencyPenalty: NaN }],
    ['presencePenalty', { presencePenalty: Infinity }],
    ['seed', { seed: 0.5 }],
    ['stop', { stop: '' }],
    ['stop', { stop: ['fine', ''] }],
    ['logitBias', { logitBias: { 1536: 1 } }],
    ['logitBias', { logitBias: { 3: NaN } }],
    ['logitBias', { logitBias: { x: 1 } as Record<number, number> }],
  ];
  test.each(wrongOptions)('%s: %j is refused by name', async (name, options) => {
    await expectFailure(collect(open().generate('Hello', options)), 'invalid-argument', name);
  });

  const wrongPrompts: [string, unknown][] = [
    ['an empty text', ''],
    ['no messages', []],
    ['no ids', { tokenIds: [] }],
    ['no ids, typed', { tokenIds: new Uint32Array() }],
    ['an id beyond the vocabulary', { tokenIds: [1, 1536] }],
    ['a negative id', { tokenIds: [-1] }],
    ['a broken id', { tokenIds: [1.5] }],
    ['an id that is no number', { tokenIds: [NaN] }],
    ['ids that are no list', { tokenIds: 7 }],
    ['a message without content', [{ role: 'user' }]],
    ['a message that is none', [null]],
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
  ];
  test.each(wrongPrompts)('%s as a prompt is refused', async (_name, prompt) => {
    await expectFailure(collect(open().generate(prompt as Prompt)), 'invalid-argument');
  });

  test('an empty text to send is refused', async () => {
    await expectFailure(collect(open().send('')), 'invalid-argument');
  });

  test('leave the session as it was, and touch no GPU', async () => {
    const session = open();
    await collect(session.send('My name is Ravi.'));
    const { submits } = watched.counts;
    const before = [...session.messages];
    await expectFailure(collect(session.send('Hello', { topP: 2 })), 'invalid-argument');
    await expectFailure(collect(session.generate([])), 'invalid-argument');
    expect(watched.counts.submits).toBe(submits);
    expect(session.messages).toEqual(before);
    expect((await collect(session.send('What is my name?'))).text).toBe('Your name is Ravi.');
  });
});

describe('stopping', () => {
  /** After a stop at `submits`: one step more may have been on its way; then all is quiet. */
  async function expectQuiet(submits: number): Promise<void> {
    await sleep(60);
    expect(watched.counts.submits).toBeLessThanOrEqual(submits + 1);
  }

  /** The session still has what it had evaluated, and answers as if nothing had been. */
  async function expectSound(session: LocalSession, golden: GoldenPrompt, cached: number): Promise<void> {
    const next = await collect(session.generate(golden.messages, { maxTokens: 12 }));
    expect(next.usage!.cachedTokens).toBe(cached);
    const whole = golden === STORY ? story.tokenIds : golden.greedy;
    expect(next.tokenIds).toEqual(whole.slice(0, 12));
  }

  test('cancelling the reader in an answer stops within a step and keeps the cache', async () => {
    const session = open();
    const reader = session.generate(STORY.messages).getReader();
    const read = idsOf(await readChunks(reader, 5));
    const { submits } = watched.counts;
    await reader.cancel();
    await expectQuiet(submits);
    expect(session.tokenIds.slice(0, STORY.promptIds.length + 5)).toEqual([...STORY.promptIds, ...read]);
    await expectSound(session, STORY, STORY.promptIds.length - 1);
  });

  test('cancelling while a read is waiting ends that read', async () => {
    const session = open();
    const reader = session.generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    const waiting = reader.read();
    const { submits } = watched.counts;
    await reader.cancel();
    expect((await waiting).done).toBe(true);
    await expectQuiet(submits);
    await expectSound(session, STORY, STORY.promptIds.length - 1);
  });

  test('breaking out of a loop is a cancel', async () => {
    const session = open();
    let chunks = 0;
    for await (const { tokenIds } of session.generate(STORY.messages)) {
      if ((chunks += tokenIds.length) === 4) break;
    }
    await expectQuiet(watched.counts.submits);
    await expectSound(session, STORY, STORY.promptIds.length - 1);
  });

  test('cancelling before the first read evaluates nothing', async () => {
    const session = open();
    const { submits } = watched.counts;
    await session.generate(STORY.messages).cancel();
    await sleep(20);
    expect(watched.counts.submits).toBe(submits);
    await expectSound(session, COUNT, 0);
  });

  test('what was read of a stopped answer is the answer, for the conversation', async () => {
    const session = open();
    const reader = session.send('Count from 3 to 9.').getReader();
    const text = textOf(await readChunks(reader, 4));
    await reader.cancel();
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: text });
    expect((await collect(session.send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
  });

  test('cancelling in a long prompt stops within a chunk and keeps what was evaluated', async () => {
    const session = open();
    const before = watched.counts.submits;
    const reader = session.generate({ tokenIds: LONG }).getReader();
    const reading = reader.read();
    await until(() => watched.counts.submits >= before + 2);
    const { submits } = watched.counts;
    await reader.cancel();
    expect((await reading).done).toBe(true);
    await expectQuiet(submits);
    const cached = session.tokenIds.length;
    expect(cached % CHUNK).toBe(0);
    expect(cached).toBeGreaterThanOrEqual(2 * CHUNK);
    expect(cached).toBeLessThan(LONG.length);
    const next = await collect(session.generate({ tokenIds: LONG }, { maxTokens: 12 }));
    expect(next.usage).toMatchObject({ promptTokens: LONG.length, cachedTokens: cached });
    expect(next.tokenIds).toEqual((await undisturbed({ tokenIds: LONG }, { maxTokens: 12 })).tokenIds);
  });

  describe('by a signal', () => {
    test('that has fired already gives one chunk and evaluates nothing', async () => {
      const session = open();
      const { submits } = watched.counts;
      const answer = await collect(session.send('Hello', { signal: AbortSignal.abort() }));
      expect(answer).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      expect(answer.chunks).toHaveLength(1);
      expect(answer.usage).toMatchObject({ completionTokens: 0 });
      expect(watched.counts.submits).toBe(submits);
      await expectSound(session, COUNT, 0);
    });

    test('in an answer ends it within a step', async () => {
      const session = open();
      const controller = new AbortController();
      const reader = session.generate(STORY.messages, { signal: controller.signal }).getReader();
      const chunks = await readChunks(reader, 5);
      const { submits } = watched.counts;
      controller.abort();
      chunks.push(...(await readRest(reader)));
      await expectQuiet(submits);
      expect(idsOf(chunks).length).toBeLessThanOrEqual(6);
      expect(await watched.engine.detokenize(idsOf(chunks))).toBe(textOf(chunks));
      expect(chunks.at(-1)).toMatchObject({
        finishReason: 'abort',
        usage: { promptTokens: STORY.promptIds.length, completionTokens: idsOf(chunks).length },
      });
      await expectSound(session, STORY, STORY.promptIds.length - 1);
    });

    test('gives text that was held back for a stop string', async () => {
      const controller = new AbortController();
      const options = { signal: controller.signal, stop: ', 42' };
      const reader = open().send('Count from 3 to 9.', options).getReader();
      const chunks = await readChunks(reader, 3);
      expect(textOf(chunks)).toBe('3');
      controller.abort();
      chunks.push(...(await readRest(reader)));
      expect(textOf(chunks)).toBe(await watched.engine.detokenize(idsOf(chunks)));
      expect(textOf(chunks)).toMatch(/^3, /);
    });

    test('in a long prompt ends it within a chunk', async () => {
      const session = open();
      const controller = new AbortController();
      const before = watched.counts.submits;
      const answering = collect(session.generate({ tokenIds: LONG }, { signal: controller.signal }));
      await until(() => watched.counts.submits >= before + 2);
      const { submits } = watched.counts;
      controller.abort();
      const answer = await answering;
      await expectQuiet(submits);
      expect(answer).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      expect(answer.usage!.promptTokens).toBe(LONG.length);
      const cached = session.tokenIds.length;
      expect(cached).toBeGreaterThanOrEqual(2 * CHUNK);
      const next = await collect(session.generate({ tokenIds: LONG }, { maxTokens: 1 }));
      expect(next.usage!.cachedTokens).toBe(cached);
    });

    test('ends a request that waits for another session', async () => {
      const [holder, waiter] = [open(), open()];
      const reader = holder.generate(STORY.messages).getReader();
      const read = await readChunks(reader, 1);
      const controller = new AbortController();
      const waiting = collect(waiter.generate(COUNT.messages, { signal: controller.signal }));
      controller.abort();
      expect(await waiting).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      const rest = await readRest(reader);
      expect(textOf([...read, ...rest])).toBe(story.text);
      await expectSound(waiter, COUNT, 0);
    });

    test('ends a request that waits for another one of its session', async () => {
      const session = open();
      const reader = session.generate(COUNT.messages).getReader();
      const read = await readChunks(reader, 1);
      const controller = new AbortController();
      const waiting = collect(session.generate(STORY.messages, { signal: controller.signal }));
      controller.abort();
      expect(await waiting).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      expect(textOf([...read, ...(await readRest(reader))])).toBe(COUNT.text);
    });
  });
});

describe('a slow reader', () => {
  test('gets everything, and few steps run ahead of it', async () => {
    const chunks: GenerateChunk[] = [];
    const reader = open().generate(STORY.messages).getReader();
    const before = watched.counts.submits;
    for (let i = 1; i <= 5; i++) {
      chunks.push(...(await readChunks(reader, 1)));
      await sleep(120);
      // One submit was the prompt's.
      expect(watched.counts.submits - before).toBeLessThanOrEqual(1 + i + MOST_AHEAD);
    }
    const { submits } = watched.counts;
    await sleep(300);
    expect(watched.counts.submits).toBe(submits);
    chunks.push(...(await readRest(reader)));
    expect(textOf(chunks)).toBe(story.text);
  });

  test('that never reads costs nothing', async () => {
    const { submits, buffersMade } = watched.counts;
    const stream = open().generate(STORY.messages);
    await sleep(50);
    expect(watched.counts).toMatchObject({ submits, buffersMade });
    await stream.cancel();
  });

  // Tokens become likelier each time they come, so that forgetting how often they came would show.
  const sampling = { temperature: 1, seed: 3, frequencyPenalty: -3, maxTokens: 40 };

  test.each([{}, sampling])('does not block other sessions, and goes on as if alone: %j', async (options) => {
    const [slow, quick] = [open(), open()];
    const alone = await undisturbed(STORY.messages, options);
    const reader = slow.generate(STORY.messages, options).getReader();
    const chunks = await readChunks(reader, 6);
    expect((await collect(quick.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
    chunks.push(...(await readChunks(reader, 6)));
    // Logits are a request like any other.
    const { vocabularySize } = watched.engine.info;
    expect(await watched.engine.nextLogits(COUNT.promptIds)).toHaveLength(vocabularySize);
    chunks.push(...(await readRest(reader)));
    expect(idsOf(chunks)).toEqual(alone.tokenIds);
    expect(textOf(chunks)).toBe(alone.text);
  });
});

describe('several sessions', () => {
  test('that are read in turns all get their own answers', async () => {
    const goldens = [COUNT, goldenFor('Say hello in Japanese.'), goldenFor('Spell planet.')];
    const readers = goldens.map(({ messages }) => open().generate(messages).getReader());
    const ids: number[][] = goldens.map(() => []);
    const running = new Set(readers.keys());
    while (running.size > 0) {
      for (const i of running) {
        const { value, done } = await readers[i]!.read();
        if (done) running.delete(i);
        else ids[i]!.push(...value.tokenIds);
      }
    }
    expect(ids).toEqual(goldens.map(({ greedy }) => greedy));
  });

  test('are served in the order in which they asked', async () => {
    const order: number[] = [];
    const answers = await Promise.all(
      [0, 1, 2].map(async (i) => {
        const chunks: GenerateChunk[] = [];
        for await (const chunk of open().generate(COUNT.messages)) {
          order.push(i);
          chunks.push(chunk);
        }
        return textOf(chunks);
      }),
    );
    expect(answers).toEqual([COUNT.text, COUNT.text, COUNT.text]);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  test('keep the requests of one session in order, each seeing what was said before', async () => {
    const session = open();
    const texts = ['My name is Ravi.', 'What is the capital of Japan?', 'What is my name?'];
    const answers = await Promise.all(texts.map((text) => collect(session.send(text))));
    expect(answers.at(-1)!.text).toBe('Your name is Ravi.');
  });
});

describe('disposal', () => {
  test('of a session ends its stream with an abort, and frees its cache', async () => {
    const before = watched.counts.liveBytes;
    const session = watched.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    const chunks = await readChunks(reader, 3);
    expect(watched.counts.liveBytes).toBeGreaterThan(before);
    const disposing = session.dispose();
    chunks.push(...(await readRest(reader)));
    await disposing;
    expect(chunks.at(-1)!.finishReason).toBe('abort');
    expect(watched.counts.liveBytes).toBe(before);
  });

  test('of a session does not wait for a reader who has gone away', async () => {
    const before = watched.counts.liveBytes;
    const session = watched.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    await readChunks(reader, 3);
    expect(await Promise.race([session.dispose(), sleep(5000).then(() => 'still waiting')])).toBeUndefined();
    expect(watched.counts.liveBytes).toBe(before);
    expect((await readRest(reader)).at(-1)?.finishReason).toBe('abort');
  });

  test('of a session is final', async () => {
    const session = watched.engine.createSession();
    await collect(session.generate(COUNT.messages, { maxTokens: 1 }));
    await session.dispose();
    await session.dispose();
    await expectFailure(collect(session.send('Hello')), 'disposed');
    await expectFailure(collect(session.generate('Hello')), 'disposed');
  });

  test('of an engine ends all streams and leaves nothing on the GPU', async () => {
    const { engine, gpu, counts } = await loadWatched({ contextLength: CHUNK });
    const [reading, waiting, idle] = [0, 1, 2].map(() => engine.createSession());
    await collect(idle!.generate(COUNT.messages));
    const reader = reading!.generate(STORY.messages).getReader();
    await readChunks(reader, 3);
    const queued = collect(waiting!.generate(COUNT.messages));
    await sleep(1);
    const disposing = engine.dispose();
    expect((await readRest(reader)).at(-1)!.finishReason).toBe('abort');
    expect((await queued).finishReason).toBe('abort');
    await disposing;
    expect(gpu.bytes).toBe(0);
    expect(gpu.bufferCount).toBe(0);
    expect(counts.liveBytes).toBe(0);

    // And it is final.
    await engine.dispose();
    await expectFailure(collect(idle!.send('Hello')), 'disposed');
    await expectFailure(engine.tokenize('Hello'), 'disposed');
    await expectFailure(engine.detokenize([1]), 'disposed');
    await expectFailure(engine.nextLogits([1]), 'disposed');
    expect(() => engine.createSession()).toThrow('disposed');
  });
});

describe('GPU memory', () => {
  test('is what info says, with caches and without', async () => {
    const { engine, counts } = watched;
    expect(engine.info.gpuBytes).toBe(counts.liveBytes);
    const before = counts.liveBytes;
    const session = engine.createSession();
    await collect(session.generate(COUNT.messages, { maxTokens: 2 }));
    expect(engine.info.gpuBytes).toBe(counts.liveBytes);
    // Keys and values: 4 layers, 2 KV heads of 64, 1024 positions.
    const bytes = engine.info.codePaths.kvCache === 'f16' ? 2 : 4;
    expect(counts.liveBytes - before).toBe(4 * 2 * 2 * 64 * 1024 * bytes);
    await session.dispose();
    expect(counts.liveBytes).toBe(before);
  });

  test('does not grow from answer to answer', async () => {
    const session = open();
    const all = async (): Promise<void> => {
      await collect(session.generate(COUNT.messages));
      await collect(session.generate(STORY.messages, { temperature: 1, maxTokens: 20 }));
      await collect(session.generate(STORY.messages, { repetitionPenalty: 1.1, maxTokens: 20 }));
      await session.generate(COUNT.messages).cancel();
    };
    await all();
    const { buffersMade } = watched.counts;
    for (let i = 0; i < 3; i++) await all();
    expect(watched.counts.buffersMade).toBe(buffersMade);
  });

  test('is given back after logits were asked for', async () => {
    await watched.engine.nextLogits(COUNT.promptIds);
    const { liveBytes } = watched.counts;
    for (let i = 0; i < 3; i++) await watched.engine.nextLogits(LONG.slice(0, 200));
    expect(watched.counts.liveBytes).toBe(liveBytes);
  });
});

describe('nextLogits', () => {
  test('has its largest where the greedy answer begins', async () => {
    for (const golden of [COUNT, goldenFor('Spell planet.')]) {
      const logits = await watched.engine.nextLogits(golden.promptIds);
      expect(logits.indexOf(Math.max(...logits))).toBe(golden.greedy[0]);
    }
  });

  test.each([[[]], [[1536]], [[-1]], [[0.5]], [undefined as unknown as number[]]])(
    'refuses %j',
    async (ids) => {
      await expectFailure(watched.engine.nextLogits(ids), 'invalid-argument');
    },
  );
});

test('a signal that outlives many generations is not listened to for ever', async () => {
  const { engine } = await loadWatched();
  const { signal } = new AbortController();
  let listening = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listening++;
    return add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listening--;
    return remove(...args);
  };
  const session = engine.createSession();
  for (let i = 0; i < 3; i++) await collect(session.send('Spell planet.', { signal, maxTokens: 2 }));
  await session.send('Spell planet.', { signal }).cancel();
  expect(listening).toBe(0);
  await engine.dispose();
});
