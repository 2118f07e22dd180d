// A chat without React and without a page: what it shows after each event, and what becomes of answers and sessions.
import { describe, expect, test } from 'vitest';
import { Chat, type NextFrame } from '../../../../src/surfaces/react/chat';
import { chatOf, next, type ChatEvent, type ChatState } from '../../../../src/surfaces/react/chat-state';
import { SteppedEngine, type Step } from '../../../support/stepped-engine';
import { until } from '../../../support/wait';

const after = (state: ChatState, ...events: ChatEvent[]): ChatState => events.reduce(next, state);
const said = ({ messages }: ChatState): string[] =>
  messages.map(({ role, content }) => `${role[0]}: ${content}`);

describe('what a chat shows', () => {
  const ready = next(chatOf(), { type: 'attached' });
  const asked = next(ready, { type: 'asked', text: 'Hello' });
  const streaming = next(asked, { type: 'came', text: 'Hi ', reasoning: '' });

  test('goes from an engine through a question and its answer to the next question', () => {
    expect([chatOf().status, ready.status, asked.status, streaming.status]).toEqual([
      'loading',
      'ready',
      'submitted',
      'streaming',
    ]);
    expect(said(asked)).toEqual(['u: Hello', 'a: ']);
    const ended = after(
      streaming,
      { type: 'came', text: 'you', reasoning: 'So' },
      { type: 'ended', finishReason: 'stop' },
    );
    expect(ended).toMatchObject({ status: 'ready', error: undefined });
    expect(ended.messages.at(-1)).toEqual({
      id: 1,
      role: 'assistant',
      content: 'Hi you',
      reasoning: 'So',
      finishReason: 'stop',
    });
  });

  test('an answer of which nothing came is not there, and its question stays', () => {
    const error = new Error('lost');
    for (const event of [
      { type: 'ended', finishReason: 'abort' },
      { type: 'failed', error },
    ] as const)
      expect(said(next(asked, event))).toEqual(['u: Hello']);
    expect(next(streaming, { type: 'failed', error })).toMatchObject({ status: 'error', error });
    expect(said(next(streaming, { type: 'failed', error }))).toEqual(['u: Hello', 'a: Hi ']);
  });

  test('asking again takes the place of the answer, with an id of its own order', () => {
    const again = after(streaming, { type: 'ended', finishReason: 'abort' }, { type: 'asked-again' });
    expect(said(again)).toEqual(['u: Hello', 'a: ']);
    expect(again.messages.map(({ id }) => id)).toEqual([0, 1]);
    expect(again.status).toBe('submitted');
  });

  test('what was said stays without an engine, and goes when it is cleared', () => {
    const gone = next(streaming, { type: 'detached' });
    expect([gone.status, ...said(gone)]).toEqual(['loading', 'u: Hello', 'a: Hi ']);
    expect(gone.messages.at(-1)?.finishReason).toBe('abort');
    const over = after(streaming, { type: 'ended', finishReason: 'length' }, { type: 'detached' });
    expect(over.messages.at(-1)?.finishReason).toBe('length');
    expect(next(gone, { type: 'cleared' })).toEqual(chatOf());
    expect(said(chatOf([{ role: 'user', content: 'x' }]))).toEqual(['u: x']);
  });
});

/** Frames that come when the test says so. */
class Frames {
  #waiting = new Set<() => void>();
  readonly next: NextFrame = (call) => {
    this.#waiting.add(call);
    return () => void this.#waiting.delete(call);
  };
  draw(): void {
    const calls = [...this.#waiting];
    this.#waiting = new Set();
    for (const call of calls) call();
  }
}

function opened(steps: () => Step[]): { chat: Chat; engine: SteppedEngine; frames: Frames } {
  const frames = new Frames();
  const chat = new Chat([], frames.next);
  const engine = new SteppedEngine(steps);
  chat.attach(engine);
  return { chat, engine, frames };
}

describe('a chat with an engine', () => {
  test('makes no session before it asks, and one for all that it asks', async () => {
    const { chat, engine } = opened(() => ['Hi', '!']);
    chat.detach();
    chat.attach(engine);
    expect(engine.sessions).toHaveLength(0);
    expect(await chat.send('a')).toBe(true);
    expect(await chat.send('b')).toBe(true);
    expect(engine.sessions).toHaveLength(1);
    expect(said(chat.state)).toEqual(['u: a', 'a: Hi!', 'u: b', 'a: Hi!']);
  });

  test('shows what came once a frame, and the rest at the end', async () => {
    let release = (): void => {};
    const wait = new Promise<void>((resolve) => (release = resolve));
    const { chat, engine, frames } = opened(() => ['a', 'b', 'c', { wait }, 'd']);
    let changes = 0;
    const unsubscribe = chat.subscribe(() => changes++);
    const answered = chat.send('x');
    await until(() => engine.steps >= 3);
    expect(changes).toBe(1);
    frames.draw();
    expect(changes).toBe(2);
    expect(said(chat.state).at(-1)).toMatch(/^a: ab/);
    release();
    await answered;
    expect(said(chat.state).at(-1)).toBe('a: abcd');
    unsubscribe();
    chat.clear();
    expect(chat.state.messages).toEqual([]);
  });

  test('tells the model what the system says and all that was said, with its options', async () => {
    const { chat, engine } = opened(() => [{ reasoning: 'So' }, 'Hi']);
    chat.how = { system: 'Be brief.', options: { maxTokens: 9 } };
    await chat.send('a');
    await chat.send('b');
    const { prompt, options } = engine.requests.at(-1)!;
    expect(prompt).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'Hi', reasoning_content: 'So' },
      { role: 'user', content: 'b' },
    ]);
    expect(options.maxTokens).toBe(9);
  });

  test('asks the last question again in place of its answer', async () => {
    const { chat, engine } = opened(() => ['Hi']);
    expect(await chat.regenerate()).toBe(false);
    await chat.send('a');
    expect(await chat.regenerate()).toBe(true);
    expect(said(chat.state)).toEqual(['u: a', 'a: Hi']);
    expect(engine.requests.map(({ prompt }) => prompt)).toEqual(
      Array(2).fill([{ role: 'user', content: 'a' }]),
    );
  });

  test('does one thing at a time, and nothing without an engine', async () => {
    const { chat, engine } = opened(() => ['Hi']);
    const first = chat.send('a');
    expect(await chat.send('b')).toBe(false);
    expect(await chat.regenerate()).toBe(false);
    await first;
    chat.detach();
    expect(await chat.send('c')).toBe(false);
    expect(engine.requests).toHaveLength(1);
  });

  test('stops an answer, keeps what came of it, and goes on with the next', async () => {
    let release = (): void => {};
    const wait = new Promise<void>((resolve) => (release = resolve));
    const { chat, engine } = opened(() => ['a', { wait }, 'b', 'c']);
    const answered = chat.send('x');
    await until(() => engine.steps >= 1);
    chat.stop();
    release();
    await answered;
    expect(chat.state.status).toBe('ready');
    expect(chat.state.messages.at(-1)).toMatchObject({ finishReason: 'abort' });
    expect(said(chat.state).at(-1)).not.toContain('c');
    await chat.send('y');
    expect(said(chat.state).at(-1)).toBe('a: abc');
  });

  test('says what an answer failed with, until something else is asked', async () => {
    let failing = true;
    const { chat } = opened(() => (failing ? ['a', { fail: new Error('lost') }] : ['b']));
    await chat.send('x');
    expect(chat.state).toMatchObject({ status: 'error', error: { message: 'lost' } });
    expect(said(chat.state)).toEqual(['u: x', 'a: a']);
    failing = false;
    await chat.send('y');
    expect(chat.state).toMatchObject({ status: 'ready', error: undefined });
  });

  test('goes on with another session where the engine has taken its own away', async () => {
    const { chat, engine } = opened(() => ['Hi']);
    await chat.send('a');
    await engine.load();
    await chat.send('b');
    expect(chat.state).toMatchObject({ status: 'error', error: { code: 'disposed' } });
    await chat.regenerate();
    expect(chat.state.status).toBe('ready');
    expect(said(chat.state)).toEqual(['u: a', 'a: Hi', 'u: b', 'a: Hi']);
  });

  test('ends its answer and its session when it is detached, and another engine goes on with what was said', async () => {
    let goOn = (): void => {};
    const drawn = new Promise<void>((resolve) => (goOn = resolve));
    let release = (): void => {};
    const wait = new Promise<void>((resolve) => (release = resolve));
    const { chat, engine, frames } = opened(() => ['a', { wait: drawn }, 'b', { wait }, 'c']);
    void chat.send('x');
    await until(() => engine.steps >= 1);
    frames.draw();
    goOn();
    await until(() => engine.steps >= 2);
    chat.detach();
    // What came behind the last frame is there as well.
    expect(said(chat.state)).toEqual(['u: x', 'a: ab']);
    expect(engine.sessions.map(({ disposed }) => disposed)).toEqual([true]);
    release();
    await engine.queue.enter();
    engine.queue.leave();
    const other = new SteppedEngine(() => ['d']);
    chat.attach(other);
    await chat.send('y');
    expect(said(chat.state).at(-1)).toBe('a: d');
    expect(other.requests[0]!.prompt).toContainEqual({ role: 'user', content: 'x' });
  });
});
