// An answer is read as a stream, or at once: its text, the value that it is, or all of it.
import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { anyProcessor } from '../../../src/boundary/answer-shapes';
import { CheckedSession } from '../../../src/boundary/checked-engine';
import { optional, text } from '../../../src/boundary/read';
import type {
  AnswerStream,
  CoreSession,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  Usage,
} from '../../../src/engine/types';
import type { Placed } from '../../../src/surfaces/connect';
import { collect } from '../../support/collect';
import { expectFailure } from '../../support/expect-failure';
import { LIMITS } from '../../support/recording-engine';

interface Ending {
  finishReason?: FinishReason;
  stopReason?: string | number;
}

/** Answers `pieces`, a token each, whatever it is asked. An error is thrown where it stands. */
function sessionOf(
  pieces: readonly (string | Error)[],
  { finishReason = 'stop', stopReason = 2 }: Ending = {},
): CheckedSession {
  const usage = { stopReason } as Usage;
  const answer = (): ReadableStream<GenerateChunk> => {
    const left = [...pieces];
    return new ReadableStream<GenerateChunk>(
      {
        pull(controller) {
          const piece = left.shift();
          if (piece instanceof Error) throw piece;
          if (piece !== undefined) return controller.enqueue({ text: piece, tokenIds: [7] });
          controller.enqueue({ text: '', tokenIds: [2], finishReason, usage });
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  };
  const inner = { send: answer, generate: answer } as unknown as CoreSession;
  return new CheckedSession(inner, LIMITS, { chatTemplate: optional(text()), logitsProcessor: anyProcessor });
}

const JSON_OF: GenerateOptions = { responseFormat: { type: 'json' } };

describe('the text of an answer', () => {
  test('is all of it, however the answer ended', async () => {
    expect(await sessionOf(['One ', 'two']).send('x').text()).toBe('One two');
    expect(await sessionOf(['One'], { finishReason: 'length' }).generate('x').text()).toBe('One');
    expect(await sessionOf([], { finishReason: 'abort' }).send('x').text()).toBe('');
  });

  test('rejects with what the answer fails with, and with what is wrong with its arguments', async () => {
    const failure = new Error('lost');
    await expect(sessionOf(['One', failure]).send('x').text()).rejects.toBe(failure);
    await expectFailure(sessionOf([]).send('').text(), 'invalid-argument', 'text');
    await expectFailure(sessionOf([]).generate('x', { topP: 2 }).json(), 'invalid-argument', 'topP');
  });

  test('is computed once it is asked for, and not before', async () => {
    let reads = 0;
    const stream = new ReadableStream<GenerateChunk>(
      { pull: (controller) => (reads++, controller.error(new Error('read'))) },
      { highWaterMark: 0 },
    );
    const inner = { send: () => stream } as unknown as CoreSession;
    const answer = new CheckedSession(inner, LIMITS, { chatTemplate: optional(text()) }).send('x');
    expect(reads).toBe(0);
    await expect(answer.text()).rejects.toThrow('read');
  });
});

test('a schema that cannot be converted fails for whoever reads the answer, and nobody else', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    // No JSON Schema is a date. That takes a module of its own to find out, which is loaded behind the call.
    const answer = sessionOf(['1']).send('x', { responseFormat: { type: 'json', schema: v.date() } });
    await import('@valibot/to-json-schema');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(unhandled).toEqual([]);
    await expectFailure(answer.text(), 'invalid-argument', 'cannot be made a JSON Schema');
  } finally {
    process.off('unhandledRejection', note);
  }
});

describe('an answer is read in one way', () => {
  const ways: [string, (answer: AnswerStream) => Promise<unknown>][] = [
    ['text', (answer) => answer.text()],
    ['json', (answer) => answer.json()],
    ['complete', (answer) => answer.complete()],
  ];
  test.each(ways)('%s locks it', async (_name, read) => {
    const answer = sessionOf(['1']).send('x');
    const whole = read(answer);
    expect(answer.locked).toBe(true);
    expect(() => answer.getReader()).toThrow(TypeError);
    await whole;
    await expect(read(answer)).rejects.toBeInstanceOf(TypeError);
  });

  test.each(ways)('%s is refused while somebody else reads, and after that', async (_name, read) => {
    const answer = sessionOf(['1']).send('x');
    const reader = answer.getReader();
    await expect(read(answer)).rejects.toBeInstanceOf(TypeError);
    while (!(await reader.read()).done);
    reader.releaseLock();
    await expect(read(answer)).rejects.toBeInstanceOf(TypeError);
  });

  test('one that was cancelled is refused too', async () => {
    const answer = sessionOf(['1']).send('x');
    await answer.cancel();
    await expect(answer.text()).rejects.toBeInstanceOf(TypeError);
  });

  test('streaming it is as ever', async () => {
    const { text, tokenIds } = await collect(sessionOf(['a', 'b']).send('x'));
    expect([text, tokenIds]).toEqual(['ab', [7, 7, 2]]);
  });
});

describe('the value of an answer', () => {
  test('is what its text says in JSON', async () => {
    expect(await sessionOf(['{"a"', ': [1]}']).send('x', JSON_OF).json()).toEqual({ a: [1] });
    expect(await sessionOf([' [1, 2]\n']).send('x').json()).toEqual([1, 2]);
    expect(await sessionOf(['null']).send('x').json()).toBeNull();
  });

  test('is what a schema makes of it, also where that has to be converted first', async () => {
    const schema = z.object({ n: z.string().transform(Number), m: z.number().default(7) });
    const ofZod = sessionOf(['{"n": "5"}']).send('x', { responseFormat: { type: 'json', schema } });
    expect(await ofZod.json()).toEqual({ n: 5, m: 7 });
    const ofValibot = sessionOf(['{"n": "5"}']).send('x', {
      responseFormat: { type: 'json', schema: v.object({ n: v.string() }) },
    });
    expect(await ofValibot.json()).toEqual({ n: '5' });
    expect((await sessionOf(['{}']).send('x', JSON_OF).complete()).parsed).toEqual({});
  });

  test('that the schema refuses fails with its issues', async () => {
    const schema = z.number().refine((n) => n % 7 === 0, 'no multiple of 7');
    const answer = sessionOf(['8']).send('x', { responseFormat: { type: 'json', schema } });
    await expectFailure(answer.json(), 'answer-refused', 'no multiple of 7');
  });

  const cut: [string, Ending, string][] = [
    ['cut', { finishReason: 'length' }, 'maxTokens'],
    ['ended', { finishReason: 'abort' }, 'signal'],
    ['that calls tools', { finishReason: 'tool-calls' }, 'tools'],
  ];
  test.each(cut)('is refused of an answer %s, even if what came could be read', async (_name, end, words) => {
    for (const options of [{}, JSON_OF])
      await expectFailure(sessionOf(['12'], end).send('x', options).json(), 'answer-refused', words);
  });

  test('is refused where a stop string has cut JSON, and not where it ended free text', async () => {
    const ended = (): CheckedSession => sessionOf(['12'], { stopReason: '\n' });
    await expectFailure(ended().send('x', JSON_OF).json(), 'answer-refused', 'stop string');
    expect(await ended().send('x').json()).toBe(12);
  });

  test('is refused with the beginning of a text that is none', async () => {
    const answer = sessionOf(['Sure! ', 'x'.repeat(100)]).send('x');
    await expectFailure(answer.json(), 'answer-refused', /no JSON: "Sure! x{54}…"/);
    const session = sessionOf(['{']);
    const error: unknown = await session
      .send('x')
      .json()
      .catch((reason: unknown) => reason);
    expect((error as Error).cause).toBeInstanceOf(SyntaxError);
    await expectFailure(session.send('x', JSON_OF).json(), 'internal');
  });

  test('has the type that a schema gives, here and over a server', () => {
    const compiled = (use: (placed: Placed) => Promise<void>): void => void use;
    compiled(async ({ engine }) => {
      const session = engine.createSession();
      const schema = z.object({ n: z.string().transform(Number) });
      const json = { responseFormat: { type: 'json', schema } } as const;
      expectTypeOf(await session.send('x', json).json()).toEqualTypeOf<{ n: number }>();
      expectTypeOf((await session.generate('x', json).complete()).parsed).toEqualTypeOf<
        { n: number } | undefined
      >();
      expectTypeOf(await session.send('x').json()).toEqualTypeOf<unknown>();
    });
  });
});
