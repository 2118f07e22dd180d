// The whole stack in real browsers: page, worker, GPU and back, against golden values and the model's own skills.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer, ChatMessage, ModelInfo } from '../../src/engine/types';
import { byteOfCharacter } from '../../src/tokenizer/byte-alphabet';
import { inBrowsers, type TestPage } from '../support/browsers';
import type { Collected } from '../support/collect';
import { ENDINGS, MOMENTS, QUESTION, type Ended, type Ending, type Moment } from '../support/endings';
import { checkLogits, type RANDOM_MODELS, type Golden, type GoldenPrompt } from '../support/golden';
import { referenceLast } from '../support/reference-model';
import { servePages, type Served } from '../support/serve';
import { smallModel } from '../support/small-model';
import type { PageLoadOptions } from './pages/engine';

/** What the page's `embedWith` gives. */
interface Embedded {
  vectors: number[][];
  tooLong: object;
  aborted: object;
}

/** What the page's `askCopyAndRewound` gives. */
interface Branched {
  rewound: { messages: ChatMessage[]; tokens: number };
  copy: Answer;
  original: Collected;
  messages: ChatMessage[];
}

/** What the page's `restoreStoredSession` gives. */
interface Restored {
  tokenIds: number[];
  messages: ChatMessage[];
  refused: object;
}

const MODEL = '/models/ternion-tiny-i2_s.gguf';
const fixture = async <T>(name: string): Promise<T> =>
  JSON.parse(await readFile(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')) as T;

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

/** What is left of an answer is a beginning of it, and the conversation is what its reader was given. */
function expectEnded(ended: Ended, ending: Ending, moment: Moment): void {
  const message = `${ending} ${moment}`;
  const [asked, said] = ended.messages;
  if (ending === 'cancel') {
    expect(ended.finishReason, message).toBeUndefined();
    // A chunk or two may have been on their way.
    if (said) expect((said.content as string).slice(0, ended.text.length), message).toBe(ended.text);
    return;
  }
  if (moment === 'before the first read' && ending !== 'abort') {
    expect(ended, message).toMatchObject({ tokenIds: [], failure: 'disposed' });
    return;
  }
  expect(ended, message).toMatchObject({
    finishReason: 'abort',
    counted: ended.tokenIds.length,
  });
  expect(ended.failure, message).toBeUndefined();
  if (ended.tokenIds.length > 0) {
    expect(asked, message).toEqual({ role: 'user', content: QUESTION });
    expect(said, message).toEqual({ role: 'assistant', content: ended.text });
  }
}

/** Loads with a template of the page's own, answers by it and by one of a request's, and refuses functions by name. */
async function expectTemplateTaken(page: TestPage): Promise<ModelInfo> {
  const source =
    "{% for m in messages %}{{ m.role | capitalize + ': ' + m.content + '<|eot_id|>' }}{% endfor %}{{ name }}: ";
  const info = await page.call<ModelInfo>('loadWithTemplate', MODEL, source, { name: 'Assistant' });
  expect(info).toMatchObject({ chatTemplate: 'options', adjustments: [] });
  expect((await page.call<Collected>('send', 'Count from 3 to 9.')).text).toBe('3, 4, 5, 6, 7, 8, 9');
  const given = { chatTemplate: source.replace('name', 'other'), templateOptions: { other: 'Assistant' } };
  await page.call('newSession');
  expect((await page.call<Collected>('send', 'Count from 3 to 9.', given)).text).toBe('3, 4, 5, 6, 7, 8, 9');
  const refused = { code: 'invalid-argument', isTernionError: true };
  expect(await page.call('refusedFunctionTemplate')).toMatchObject(refused);
  expect(await page.call('refusedLoadWithFunctionTemplate', MODEL)).toMatchObject(refused);
  return info;
}

inBrowsers((open) => {
  const openPage = (): Promise<TestPage> => open(`${server.url}test/e2e/pages/engine.html`);

  describe.for(['auto', 'message-port'] as const)('with stream transport %s', (transport) => {
    let page: TestPage;
    let info: ModelInfo;
    beforeAll(async () => {
      page = await openPage();
      // One with the kernels of any load, one with those that compile soonest and a head in planes: what is tested here depends on neither.
      const options: PageLoadOptions = {
        streamTransport: transport,
        ...(transport !== 'auto' && { quick: true, headPrecision: 'planes' }),
      };
      ({ info } = await page.call<{ info: ModelInfo }>('load', MODEL, options));
    });
    afterAll(async () => {
      expect(page.errors).toEqual([]);
      await page.close();
    });

    it('says how chunks travel', () => {
      expect(info.codePaths.stream).toBe(transport === 'auto' ? 'transferred' : 'message-port');
      expect(info.codePaths.head).toBe(transport === 'auto' ? 'int8' : 'planes');
    });

    it('counts from 3 to 9', async () => {
      const answer = await page.call<Collected>('send', 'Count from 3 to 9.');
      expect(answer.text).toBe('3, 4, 5, 6, 7, 8, 9');
      expect(answer.finishReason).toBe('stop');
      expect(answer.chunks.length).toBeGreaterThan(15);
    });

    it('answers every prompt as the reference does', async () => {
      for (const { messages, greedy, sure, text } of await fixture<GoldenPrompt[]>('prompts.json')) {
        const answer = await page.call<Collected>('generate', messages, { maxTokens: greedy.length });
        expect(answer.tokenIds.slice(0, sure)).toEqual(greedy.slice(0, sure));
        if (sure === greedy.length) expect(answer.text).toBe(text);
        expect(await page.call('detokenize', answer.tokenIds)).toBe(answer.text);
      }
    });

    it('says hello in Japanese: more ids than characters, and no broken character in any chunk', async () => {
      const answer = await page.call<Collected>('send', 'Say hello in Japanese.');
      expect(answer.text).toBe('こんにちは');
      expect(answer.tokenIds.length).toBeGreaterThan(answer.text.length);
      expect(answer.chunks.filter(({ text }) => text.includes('\uFFFD'))).toEqual([]);
    });

    it('remembers a name over three turns, and evaluates only what is new', async () => {
      await page.call('newSession');
      const turns = ['My name is Ravi.', 'What is the capital of Japan?', 'What is my name?'];
      const answers: Collected[] = [];
      for (const turn of turns) answers.push(await page.call<Collected>('send', turn));
      expect(answers[2]!.text).toBe('Your name is Ravi.');
      for (const [i, { usage }] of answers.entries()) {
        const before = answers[i - 1];
        const known = before ? before.usage!.promptTokens + before.tokenIds.length : 0;
        // The end token of the last answer may not have been evaluated yet.
        expect(usage!.cachedTokens).toBeGreaterThanOrEqual(known - (before ? 1 : 0));
        expect(usage!.cachedTokens).toBeLessThanOrEqual(known);
      }
      expect(await page.call('messages')).toHaveLength(6);
    });

    it('copies, takes back and saves a session, with which another page goes on as this one would', async () => {
      await page.call('newSession');
      await page.call('send', 'My name is Ravi.');
      await page.call('send', 'What is the capital of Japan?');
      const asked = await page.call<Branched>('askCopyAndRewound', 'What is my name?');
      expect(asked.rewound.messages).toHaveLength(2);
      expect(asked.rewound.tokens).toBeGreaterThan(10);
      expect([asked.copy.text, asked.original.text]).toEqual(['Your name is Ravi.', 'Your name is Ravi.']);
      expect(asked.copy.usage.cachedTokens).toBeGreaterThan(asked.original.usage!.cachedTokens);
      expect(asked.messages).toHaveLength(6);
      // A load takes seconds, the least with these kernels, and how chunks travel makes no difference to it.
      if (transport === 'auto') return;
      const stored = await page.call<{ bytes: number; tokenIds: number[] }>('storeSession');
      const next = await page.call<Collected>('send', 'Count from 3 to 9.', { logprobs: 2 });
      const other = await page.openTab(`${server.url}test/e2e/pages/engine.html`);
      await other.call('load', MODEL, { quick: true } satisfies PageLoadOptions);
      const restored = await other.call<Restored>('restoreStoredSession');
      expect(restored).toMatchObject({ tokenIds: stored.tokenIds, refused: { code: 'unsupported-format' } });
      expect(restored.messages).toHaveLength(4);
      const there = await other.call<Collected>('send', 'Count from 3 to 9.', { logprobs: 2 });
      expect(there.tokenIds).toEqual(next.tokenIds);
      expect(there.usage!.cachedTokens).toBe(next.usage!.cachedTokens);
      const rated = (answer: Collected): unknown => answer.chunks.map(({ logprobs }) => logprobs);
      expect(rated(there)).toEqual(rated(next));
      expect(there.chunks[0]!.logprobs![0]!.alternatives).toHaveLength(2);
      await other.call('dispose');
      expect(other.errors).toEqual([]);
      await other.close();
    });

    it('stops when the reader leaves, and goes on working with the cache kept', async () => {
      for (const leave of ['cancel', 'break']) {
        await page.call('newSession');
        const ids = await page.call<number[]>('readSome', 'Count from 3 to 9.', 4, 0, leave);
        expect(ids).toHaveLength(4);
        expect(await page.call<number>('cachedLength')).toBeGreaterThan(10);
        const next = await page.call<Collected>('send', 'What is 3 + 4?');
        expect(next.text).toBe('3 + 4 = 7');
        expect(next.usage!.cachedTokens).toBeGreaterThan(10);
      }
    });

    it('ends with `abort` when the signal fires', async () => {
      await page.call('newSession');
      const chunks = await page.call<Collected['chunks']>('sendAndAbort', 'Tell me a story.', 5);
      expect(chunks.at(-1)!.finishReason).toBe('abort');
      expect(chunks.flatMap(({ tokenIds }) => tokenIds).length).toBeLessThanOrEqual(6);
      expect((await page.call<Collected>('send', 'Spell planet.')).text).toBe('p-l-a-n-e-t');
    });

    it.each(ENDINGS.filter((ending) => ending !== 'engine'))(
      'ends an answer without its reader (%s)',
      async (ending) => {
        for (const moment of MOMENTS) {
          const ended = await page.call<Ended>('endAnswer', ending, moment);
          expectEnded(ended, ending, moment);
          if (ended.next) expect(ended.next.finishReason, moment).toBe('stop');
        }
      },
    );

    it('gives everything to a reader who stays away between reads', async () => {
      await page.call('newSession');
      const ids = await page.call<number[]>('readSome', 'Show me a fox emoji.', 3, 300, 'cancel');
      const { tokenIds } = await page.call<Collected>('generate', [
        { role: 'user', content: 'Show me a fox emoji.' },
      ]);
      expect(ids).toEqual(tokenIds.slice(0, 3));
    });

    it('refuses misuse before it reaches the worker, and answers as ever', async () => {
      await page.call('newSession');
      const { calls, others } = await page.call<{ calls: number; others: object }>('misuse');
      expect(calls).toBeGreaterThan(300);
      expect(others).toEqual({});
      expect((await page.call<Collected>('send', 'Count from 3 to 9.')).text).toBe('3, 4, 5, 6, 7, 8, 9');
    });

    it('refuses bad input with the right code', async () => {
      const { code, isTernionError } = await page.call<{ code: string; isTernionError: boolean }>(
        'refusedSend',
        '',
      );
      expect([code, isTernionError]).toEqual(['invalid-argument', true]);
      expect(await page.call('refusedSend', 'x', { maxTokens: -1 })).toMatchObject({
        code: 'invalid-argument',
      });
      expect(await page.call('refusedAfterSessionDispose')).toMatchObject({ code: 'disposed' });
      const long = 'word '.repeat(2000);
      expect(await page.call('refusedSend', long)).toMatchObject({ code: 'context-overflow' });
    });

    // Of the moments each way for chunks to travel gets one; test/gpu/session/endings.one-driver.test.ts has all of them.
    it('disposes of the engine whatever the reader of its answer does', async () => {
      const moment = transport === 'auto' ? 'with a read pending' : 'after one read';
      expectEnded(await page.call<Ended>('endAnswer', 'engine', moment), 'engine', moment);
    });
  });

  // What the embedded model above does not have: exact activations. test/gpu/golden.one-driver.test.ts has all random models in both
  // precisions, and kernels and formats have tests of their own, on more drivers and in less time.
  it('reproduces the reference logits of a random model', async () => {
    const page = await openPage();
    const name = 'random-qwen3-q2_0' satisfies (typeof RANDOM_MODELS)[number];
    const golden = await fixture<Golden>(`${name}.golden.json`);
    // With the vocabulary as the reference has it.
    const options = { precision: 'exact', headPrecision: 'f16' } satisfies PageLoadOptions;
    await page.call('load', `/test/fixtures/${name}.gguf`, options);
    for (const each of golden.cases) {
      const logits = await page.call<number[]>('nextLogits', each.ids);
      checkLogits(logits, each, golden.activations, 'exact');
    }
    await page.call('dispose');
    expect(await page.call('refusedAfterDispose')).toMatchObject({ code: 'disposed', isTernionError: true });
    expect(page.errors).toEqual([]);
    await page.close();
  });

  it('makes vectors of texts, and says what is wrong with those that it cannot take', async () => {
    const page = await openPage();
    const sizes = { width: 128, ffnWidth: 256, heads: 2, kvHeads: 1, headDim: 64, norms: 'F16' } as const;
    const traits = { architecture: 'qwen3', encoding: 'I2_S', perMatrixNorms: true, embeds: true } as const;
    const model = await smallModel({ ...sizes, ...traits });
    const texts = ['b', 'a'];
    const { vectors, tooLong, aborted } = await page.call<Embedded>('embedWith', [...model.bytes], texts);
    expect(vectors).toHaveLength(texts.length);
    for (const [i, text] of texts.entries()) {
      // Begin, the byte, end.
      const ids = [256, [...byteOfCharacter().keys()].indexOf(text), 257];
      const expected = referenceLast(model, ids, 'int8-token');
      const length = Math.hypot(...expected);
      const cosine = vectors[i]!.reduce((sum, value, j) => sum + (value * expected[j]!) / length, 0);
      expect(cosine).toBeGreaterThan(0.999);
      expect(cosine).toBeLessThan(1.00001);
    }
    expect(tooLong).toMatchObject({ code: 'context-overflow', isTernionError: true });
    expect(aborted).toMatchObject({ code: 'aborted', isTernionError: true });
    await page.close();
  });

  it('takes a template and its options from the page; then another model in place of the first, again after a failure too', async () => {
    const page = await openPage();
    const info = await expectTemplateTaken(page);

    const other = await page.call<{ info: ModelInfo; meanwhile: unknown; old: unknown }>(
      'reload',
      '/test/fixtures/models/ternion-tiny-tq2_0.gguf',
    );
    expect(other.info.encodings.layers).toBe('TQ2_0');
    expect(other.info.codePaths.stream).toBe(info.codePaths.stream);
    expect(other.meanwhile).toMatchObject({ code: 'disposed' });
    expect(other.old).toMatchObject({ code: 'disposed' });

    expect(await page.call('refusedReload', '/no-such-model.gguf')).toMatchObject({ isTernionError: true });
    expect(await page.call('gpuBytes')).toBe(0);
    expect(await page.call('refusedSession')).toMatchObject({ code: 'disposed' });

    expect(await page.call('reload', MODEL)).toMatchObject({ info: { name: info.name } });
    expect((await page.call<Collected>('send', 'Count from 3 to 9.')).text).toBe('3, 4, 5, 6, 7, 8, 9');
    await page.call('dispose');
    expect(await page.call('gpuBytes')).toBe(0);
    expect(page.errors).toEqual([]);
    await page.close();
  });

  it('refuses what it cannot load with the right code', async () => {
    const page = await openPage();
    expect(await page.call('refusedLoad', '/no-such-model.gguf')).toMatchObject({
      code: expect.stringMatching(/download-failed|unsupported-format/) as string,
    });
    expect(await page.call('refusedBytes', [1, 2, 3])).toMatchObject({ isTernionError: true });
    expect(await page.call('abortedLoad', MODEL)).toMatchObject({ code: 'aborted', isTernionError: true });
    await page.close();
  });
});
