// What comes through the boundary, and in which form; and that nothing takes long to refuse.
import { describe, expect, test } from 'vitest';
import { messages, tokenIds } from '../../../src/boundary/prompts';
import { argument } from '../../../src/boundary/read';
import { abortSignal } from '../../../src/boundary/signals';
import { modelSource } from '../../../src/boundary/sources';
import type { GenerateOptions, Prompt } from '../../../src/engine/types';
import { collect } from '../../support/collect';
import { expectFailure } from '../../support/expect-failure';
import { checkedRecorder, LIMITS, Through } from '../../support/recording-engine';

const engine = checkedRecorder();
const session = engine.createSession();
const { contextLength, vocabularySize } = LIMITS;

/** What comes through of a call. */
async function throughOf(call: Promise<unknown>): Promise<readonly unknown[]> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Through) return error.given;
  throw error;
}

const generated = (prompt: unknown, options?: unknown): Promise<unknown> =>
  collect(session.generate(prompt as Prompt, options as GenerateOptions));

describe('what is right comes through', () => {
  const prompts: [string, unknown, unknown][] = [
    ['a text', 'Hi', 'Hi'],
    ['a text with half a character', '\ud800', '\ud800'],
    ['ids', { tokenIds: [0, 1535] }, { tokenIds: Uint32Array.of(0, 1535) }],
    ['ids, typed', { tokenIds: Int16Array.of(3) }, { tokenIds: Uint32Array.of(3) }],
    ['ids, as floats', { tokenIds: Float64Array.of(3) }, { tokenIds: Uint32Array.of(3) }],
    ['ids, in something like an array', { tokenIds: { length: 1, 0: 3 } }, { tokenIds: Uint32Array.of(3) }],
    ['frozen ids', Object.freeze({ tokenIds: Object.freeze([3]) }), { tokenIds: Uint32Array.of(3) }],
    ['messages', [{ role: 'user', content: 'a' }], [{ role: 'user', content: 'a' }]],
  ];
  test.each(prompts)('as a prompt: %s', async (_name, prompt, expected) => {
    expect((await throughOf(generated(prompt)))[0]).toStrictEqual(expected);
  });

  const signal = new AbortController().signal;
  const options: [string, object, object][] = [
    ['nothing', {}, {}],
    ['what is undefined', { seed: undefined, signal: undefined }, {}],
    ['what nobody knows', { temperature: 1, temprature: null, n: new Map() }, { temperature: 1 }],
    ['options without a prototype', Object.assign(Object.create(null), { topK: 3 }) as object, { topK: 3 }],
    ['the ends of ranges', { topP: 0, minP: 1, temperature: 100 }, { topP: 0, minP: 1, temperature: 100 }],
    ['a large seed', { seed: -(2 ** 53 - 1) }, { seed: -(2 ** 53 - 1) }],
    ['biases', { logitBias: { 0: 1, 1535: -1e9 } }, { logitBias: { 0: 1, 1535: -1e9 } }],
    ['one stop', { stop: '\n' }, { stop: ['\n'] }],
    ['stops', { stop: ['a', 'b'] }, { stop: ['a', 'b'] }],
    ['a signal', { signal }, { signal }],
    ['log-probabilities', { logprobs: 20 }, { logprobs: 20 }],
    ['what becomes of the middle', { contextOverflow: 'error' }, { contextOverflow: 'error' }],
  ];
  test.each(options)('as options: %s', async (_name, given, expected) => {
    expect((await throughOf(generated('x', given)))[1]).toStrictEqual(expected);
  });

  test('as options: those of a class, with getters that are looked at once', async () => {
    let reads = 0;
    class Settings {
      get temperature() {
        return ++reads;
      }
    }
    expect((await throughOf(generated('x', new Settings())))[1]).toStrictEqual({ temperature: 1 });
    expect(reads).toBe(1);
  });

  test('as ids and texts of the engine', async () => {
    expect(await throughOf(engine.nextLogits(new Uint8Array(contextLength)))).toEqual([
      new Uint32Array(contextLength),
    ]);
    const messages = [{ role: 'user', content: 'a' }];
    expect(await throughOf(engine.tokenize(messages, { templateOptions: { tools: [] } }))).toEqual([
      messages,
      { templateOptions: { tools: [] } },
    ]);
    expect(await throughOf(engine.detokenize([], { renderSpecial: true }))).toEqual([
      new Uint32Array(),
      { renderSpecial: true },
    ]);
    expect(await throughOf(engine.embed(['a', ''], { prefix: 'b' }))).toEqual([['a', ''], { prefix: 'b' }]);
    expect(await throughOf(engine.embed('a'))).toEqual([['a'], {}]);
    expect(await throughOf(engine.profile())).toEqual([{}]);
  });

  test('as ids that do not fit, where they are to be shortened', async () => {
    const tokenIds = new Uint32Array(contextLength + 1);
    const shortened = { contextOverflow: 'truncate-middle' };
    expect(await throughOf(generated({ tokenIds }, shortened))).toEqual([{ tokenIds }, shortened]);
    await expectFailure(generated({ tokenIds }, {}), 'context-overflow');
    await expectFailure(generated({ tokenIds: [] }, shortened), 'invalid-argument', /no tokens/);
  });

  test('as where to go back to, and as what was saved', async () => {
    expect(await throughOf(session.rewind(3))).toEqual([3]);
    expect(await throughOf(session.rewind({ turns: 1 }))).toEqual([{ turns: 1 }]);
    const blob = new Blob(['x']);
    expect(await throughOf(engine.restoreSession(blob))).toEqual([blob]);
  });

  test('as a prompt of a whole answer, of a copied session too', async () => {
    const fork = await session.fork();
    expect(await throughOf(fork.complete('x', { topK: 3 }))).toEqual(['x', { topK: 3 }]);
    await expectFailure(fork.complete('', {}), 'invalid-argument');
  });

  test('as options of a load', async () => {
    const given = {
      headers: { authorization: 'Bearer x' },
      sha256: { 'model.gguf': 'A'.repeat(64) },
      memoryBudget: Infinity,
      contextLength: 1e9,
      cache: false,
    };
    expect((await throughOf(engine.load('hf:a/b/c.gguf', given)))[1]).toStrictEqual(given);
  });

  const sources: [string, unknown, unknown?][] = [
    ['a URL', new URL('https://example.com/x'), 'https://example.com/x'],
    ['an address', 'x.gguf'],
    ['a Blob', new Blob(['x'])],
    ['Files', [new File(['x'], 'a'), new Blob(['x'])]],
    ['bytes', new Uint8Array(3)],
    ['no bytes, which are not detached', new Uint8Array()],
    ['a buffer', new ArrayBuffer(3)],
    ['an empty buffer', new ArrayBuffer(0)],
    ['a response', new Response('x')],
    ['a stream', new ReadableStream()],
  ];
  test.each(sources)('as a source: %s', (_name, source, expected = source) => {
    expect(argument(modelSource, source, 'source')).toEqual(expected);
  });
});

describe('what is wrong is named', () => {
  const wrong: [string, unknown, unknown, RegExp][] = [
    ['an option', 'x', { topP: 2 }, /^options\.topP is 2; it must be a number from 0 to 1\.$/],
    ['an id that is none', { tokenIds: [0, 1536] }, {}, /^prompt\.tokenIds\[1\] is 1536/],
    ['a name of a bias', 'x', { logitBias: { '': 1 } }, /^A name in options\.logitBias is ''/],
    ['a bias of a token that is none', 'x', { logitBias: { 1536: 1 } }, /from 0 to 1535/],
    [
      'a getter that throws',
      'x',
      {
        get seed(): number {
          throw new Error('no');
        },
      },
      /^options\.seed cannot be read/,
    ],
    [
      'a signal in place of options',
      'x',
      new AbortController().signal,
      /^options is an object; it must be an object/,
    ],
  ];
  test.each(wrong)('%s', async (_name, prompt, options, words) => {
    await expectFailure(generated(prompt, options), 'invalid-argument', words);
  });

  test('with what a getter threw as its cause', async () => {
    const cause = new Error('no');
    const options = {
      get seed(): number {
        throw cause;
      },
    };
    await expect(generated('x', options)).rejects.toMatchObject({ code: 'invalid-argument', cause });
  });

  test('by the stream that a call gives, never by the call', () => {
    const stream = session.generate(null as unknown as Prompt, null as unknown as GenerateOptions);
    expect(stream).toBeInstanceOf(ReadableStream);
  });

  test('bytes that were transferred away, as detached', () => {
    const bytes = new Uint8Array(4);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    for (const source of [bytes, bytes.buffer])
      expect(() => argument(modelSource, source, 'source')).toThrow(/^source is .*detached/);
    expect(() => argument(tokenIds(vocabularySize), bytes, 'tokenIds')).toThrow(/^tokenIds is .*detached/);
  });
});

describe('refusing takes little', () => {
  /** A list that counts how often something is looked up in it. */
  function counting(length: number): { list: object; reads: () => number } {
    let reads = 0;
    const list = new Proxy({}, { get: (_, name) => (reads++, name === 'length' ? length : 0) });
    return { list, reads: () => reads };
  }

  test.each([
    [contextLength + 1, 'context-overflow'],
    [1e8, 'invalid-argument'],
    [2 ** 53, 'invalid-argument'],
  ] as const)('%d ids are refused by their length alone', async (length, code) => {
    const { list, reads } = counting(length);
    await expectFailure(engine.nextLogits(list as ArrayLike<number>), code);
    expect(reads()).toBe(1);
  });

  test('a list stops at the first id that is none', async () => {
    const { list, reads } = counting(2 ** 24);
    const wrong = new Proxy(list, {
      get: (of, name) => (name === '5' ? -1 : (Reflect.get(of, name) as unknown)),
    });
    await expectFailure(engine.detokenize(wrong as ArrayLike<number>), 'invalid-argument', '[5]');
    expect(reads()).toBeLessThan(10);
  });

  test('biases of more tokens than there are are refused by their number', async () => {
    const names = Array.from({ length: vocabularySize + 1 }, (_, id) => [id, 1]);
    const logitBias = Object.fromEntries(names) as Record<number, number>;
    await expectFailure(generated('x', { logitBias }), 'invalid-argument', 'at most 1536');
  });

  const part = { type: 'text', text: 'x'.repeat(2 ** 20) };
  let wide: unknown = 1;
  for (let i = 0; i < 40; i++) wide = [wide, wide];
  let deep: unknown = {};
  for (let i = 0; i < 1e5; i++) deep = { deep };
  const call = (args: unknown): object => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ function: { name: 'f', arguments: { args } } }],
  });
  const hostile: [string, unknown, RegExp][] = [
    ['text that stands in many places', [{ role: 'user', content: new Array(100).fill(part) }], /characters/],
    ['a list that stands in many places', [call(wide)], /tool_calls\[0\].*more than 1048576 values/],
    ['depth', [call(deep)], /nested more than 100 deep/],
    ['too many messages', new Array(1e6).fill({ role: 'user', content: '' }), /at most 65536/],
  ];
  test.each(hostile)('of messages: %s', (_name, given, words) => {
    expect(() => argument(messages, given, 'messages')).toThrow(words);
  });

  test('of messages: names of a megabyte are not quoted whole', () => {
    const given = [call({ ['x'.repeat(2 ** 20)]: Symbol() })];
    const message = expect.objectContaining({
      message: expect.stringMatching(/^.{1,300}$/) as unknown,
    }) as object;
    expect(() => argument(messages, given, 'messages')).toThrow(message);
  });
});

describe('a signal', () => {
  test('of the platform is itself', () => {
    const { signal } = new AbortController();
    expect(argument(abortSignal, signal, 'signal')).toBe(signal);
  });

  test.each([true, false])('of somebody else is followed (aborted before: %s)', (aborted) => {
    const target = new EventTarget();
    const reason = new Error('enough');
    const foreign = Object.assign(target, { aborted, reason });
    const signal = argument(abortSignal, foreign, 'signal');
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(signal.aborted).toBe(aborted);
    target.dispatchEvent(new Event('abort'));
    expect([signal.aborted, signal.reason]).toEqual([true, reason]);
  });
});
