// The end of an answer needs no reader: whatever the reader does, what ends it settles, and the GPU and the session go on.
import { describe, expect, test } from 'vitest';
import type { LocalEngine } from '../../../src/engine/engine';
import { collect, type Collected } from '../../support/collect';
import { endAnswer, ENDINGS, MOMENTS, NEXT_QUESTION, QUESTION, type Ended } from '../../support/endings';
import { xorshift } from '../../support/random';
import { COUNT, STORY, readChunks, useSessions } from '../../support/sessions';
import { sleep } from '../../support/wait';
import { loadWatched } from '../../support/watched-engine';

const sessions = useSessions();

/** What the reader was given is a beginning of the answer, and what the session says of it. */
function expectAccount({ tokenIds, text, messages, cached, next }: Ended): void {
  expect(tokenIds).toEqual(sessions.story.tokenIds.slice(0, tokenIds.length));
  const said = tokenIds.length > 0 ? [question(QUESTION), answer(text)] : [];
  if (next) said.push(question(NEXT_QUESTION), answer(next.text));
  expect(messages).toEqual(said);
  const known = [...STORY.promptIds, ...tokenIds];
  if (next && tokenIds.length > 0) expect(cached.slice(0, known.length)).toEqual(known);
}

const question = (content: string): { role: 'user'; content: string } => ({ role: 'user', content });
const answer = (content: string): { role: 'assistant'; content: string } => ({ role: 'assistant', content });

/** Runs `end` with an engine of its own where that is to be disposed of. */
async function onEngine<T>(own: boolean, end: (engine: LocalEngine) => Promise<T>): Promise<T> {
  if (!own) return end(sessions.watched.engine);
  const { engine, gpu } = await loadWatched();
  const result = await end(engine);
  expect(gpu.bytes).toBe(0);
  gpu.device.destroy();
  return result;
}

describe.each(ENDINGS)('an answer that is ended (%s)', (ending) => {
  test.each(MOMENTS)('%s', async (moment) => {
    const ended = await onEngine(ending === 'engine', (engine) => endAnswer(engine, ending, moment));
    if (ending === 'cancel') {
      expect(ended).toMatchObject({ finishReason: undefined, failure: undefined });
    } else if (ending !== 'abort' && moment === 'before the first read') {
      // It had not begun, and nothing begins after the end.
      expect(ended).toMatchObject({ tokenIds: [], failure: 'disposed' });
    } else {
      expect(ended).toMatchObject({
        finishReason: 'abort',
        counted: ended.tokenIds.length,
        failure: undefined,
      });
    }
    expectAccount(ended);
  });

  test.each(MOMENTS)('%s, lets another session go on that waits', async (moment) => {
    await onEngine(ending === 'engine', async (engine) => {
      const other = engine.createSession();
      let waiting: Promise<Collected> | undefined;
      const ended = await endAnswer(engine, ending, moment, () => {
        waiting = collect(other.generate(COUNT.messages));
      });
      const { tokenIds, finishReason } = await waiting!;
      expect(finishReason).toBe(ending === 'engine' ? 'abort' : 'stop');
      expect(tokenIds).toEqual(COUNT.greedy.slice(0, tokenIds.length));
      expectAccount(ended);
      if (ending !== 'engine') await other.dispose();
    });
  });
});

test('24 readers take one or two reads and go away; each end settles, at whatever moment it comes', async () => {
  const random = xorshift(7);
  for (let run = 0; run < 24; run++) {
    const ending = run % 2 === 0 ? 'abort' : 'session';
    const moment = MOMENTS[1 + (run % 3)]!;
    // A step takes some milliseconds on the drivers that these tests run on.
    const ended = await endAnswer(sessions.watched.engine, ending, moment, () => sleep(random() * 12));
    expect(ended).toMatchObject({ finishReason: 'abort', counted: ended.tokenIds.length });
    expectAccount(ended);
  }
});

/** Runs `act` amid the next step: when it is handed to the GPU, so that its token is on its way. */
function amidStep(act: () => void): void {
  const { queue } = sessions.watched.gpu.device;
  const submit = queue.submit.bind(queue);
  queue.submit = (commands) => {
    queue.submit = submit;
    act();
    return submit(commands);
  };
}

describe('amid a step, with a reader who takes what was asked for and no more,', () => {
  test.each(['abort', 'session'])('the end (%s) settles, and no token is given after it', async (ending) => {
    const session = sessions.watched.engine.createSession();
    const control = new AbortController();
    const reader = session.send(QUESTION, { signal: control.signal }).getReader();
    const [first] = await readChunks(reader, 1);
    let disposing: Promise<void> | undefined;
    amidStep(() => {
      if (ending === 'abort') control.abort();
      else disposing = session.dispose();
    });
    const { value } = await reader.read();
    expect(value).toMatchObject({ tokenIds: [], finishReason: 'abort', usage: { completionTokens: 1 } });
    await disposing;
    expect(session.messages).toEqual([question(QUESTION), answer(first!.text + value!.text)]);
    if (ending === 'abort')
      expect(await collect(session.send(NEXT_QUESTION))).toMatchObject({ finishReason: 'stop' });
    await session.dispose();
  });

  test('a cancel settles, and the token that comes is not part of the conversation', async () => {
    const session = sessions.open();
    // With its second token the answer ends.
    const reader = session.send(QUESTION, { maxTokens: 2 }).getReader();
    const [first] = await readChunks(reader, 1);
    // All two are on their way after the first read: what is submitted next is the next answer's.
    const pending = reader.read();
    await reader.cancel();
    expect((await pending).done).toBe(true);
    expect(session.messages).toEqual([question(QUESTION), answer(first!.text)]);

    const other = session.send(NEXT_QUESTION).getReader();
    const [begun] = await readChunks(other, 1);
    let cancelling: Promise<void> | undefined;
    amidStep(() => {
      cancelling = other.cancel();
    });
    expect((await other.read()).done).toBe(true);
    await cancelling;
    expect(session.messages.slice(2)).toEqual([question(NEXT_QUESTION), answer(begun!.text)]);
  });
});
