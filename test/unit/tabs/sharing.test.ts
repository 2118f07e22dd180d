// One engine for several tabs: it is there once, and tabs that end in the midst of it cost the others no token.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GenerateChunk, GenerateOptions } from '../../../src/engine/types';
import { TernionError } from '../../../src/errors';
import { collect, type Collected } from '../../support/collect';
import { Machine, FormulaEngine } from '../../support/formula-engine';
import { SharingTab } from '../../support/sharing-tab';
import { Origin } from '../../support/tabs';
import { sleep, until } from '../../support/wait';

let origin: Origin;
let machine: Machine;
beforeEach(() => {
  origin = new Origin();
  machine = new Machine();
});
afterEach(() => origin.close());

const open = (): Promise<SharingTab> => new SharingTab(origin, machine).load();

/** Holds the next loads up. */
function holdLoads(): () => void {
  let release = (): void => {};
  machine.loading = new Promise((resolve) => (release = resolve));
  return release;
}

/** So many tabs that begin to load, as soon as all of them wait for the same load, which is held up. */
async function waitingTabs(count: number, signal?: AbortSignal): Promise<Promise<SharingTab>[]> {
  const heard = new Set<number>();
  const loads = Array.from({ length: count }, (_, i) => {
    const onProgress = (): void => void heard.add(i);
    const loading = new SharingTab(origin, machine).load({ onProgress, ...(i === 0 && { signal }) });
    loading.catch(() => {});
    return loading;
  });
  await until(() => heard.size === count);
  return loads;
}

/** Ids and text of an answer, with what is before it in the same session, by an engine that nobody disturbs. */
async function undisturbed(texts: readonly string[], options?: GenerateOptions): Promise<Collected> {
  const session = new FormulaEngine(new Machine(), new AbortController().signal).createSession();
  let answer: Collected | undefined;
  for (const text of texts) answer = await collect(session.send(text, options));
  return answer!;
}

const essence = ({ tokenIds, text, finishReason }: Collected): object => ({ tokenIds, text, finishReason });

/** An answer that is read in two parts. */
class Read {
  readonly chunks: GenerateChunk[] = [];
  readonly #reader: ReadableStreamDefaultReader<GenerateChunk>;

  constructor(stream: ReadableStream<GenerateChunk>) {
    this.#reader = stream.getReader();
  }

  async some(count: number): Promise<void> {
    while (count-- > 0) this.chunks.push((await this.#reader.read()).value!);
  }

  async rest(): Promise<Collected> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (!done) this.chunks.push(value);
      else
        return collect(
          new ReadableStream({
            start: (controller) => {
              for (const chunk of this.chunks) controller.enqueue(chunk);
              controller.close();
            },
          }),
        );
    }
  }
}

describe('tabs that share an engine', () => {
  test('have the model once, and answers as if each had its own', async () => {
    const [first, second, third] = [await open(), await open(), await open()];
    const texts = ['one', 'two', 'three'];
    const answers = await Promise.all(
      [first, second, third].map((tab, i) => collect(tab.engine.createSession().send(texts[i]!))),
    );
    for (const [i, answer] of answers.entries())
      expect(essence(answer)).toEqual(essence(await undisturbed([texts[i]!])));
    expect(await second.engine.tokenize('ab')).toEqual([97, 98]);
    expect([machine.loads.length, machine.mostCopies]).toEqual([1, 1]);
    const infos = [first, second, third].map(({ engine }) => engine.info);
    expect(infos.map(({ sharing }) => sharing)).toEqual([
      { shared: true, here: true },
      { shared: true, here: false },
      { shared: true, here: false },
    ]);
    expect(infos.map(({ gpuBytes }) => gpuBytes)).toEqual([1000, 1000, 1000]);
    expect(infos.map(({ codePaths }) => codePaths.stream)).toEqual([
      'transferred',
      'broadcast-channel',
      'broadcast-channel',
    ]);
  });

  test('wait for one load when they come at the same time, and hear how far it is', async () => {
    const loaded = holdLoads();
    const loads = await waitingTabs(3);
    loaded();
    await Promise.all(loads);
    expect(machine.loads.length).toBe(1);
  });

  test('take turns, token by token here', async () => {
    const tabs = [await open(), await open()];
    const order: number[] = [];
    const read = async (tab: SharingTab, i: number): Promise<void> => {
      for await (const { tokenIds } of tab.engine.createSession().send('x', { maxTokens: 8 }))
        if (tokenIds.length > 0) order.push(i);
    };
    await Promise.all(tabs.map(read));
    // Neither has its answer before the other has begun.
    expect(order.lastIndexOf(0)).toBeGreaterThan(order.indexOf(1));
    expect(order.lastIndexOf(1)).toBeGreaterThan(order.indexOf(0));
  });

  test('are refused another model in place of the one that they share', async () => {
    const { engine } = await open();
    await expect(engine.load('https://example.com/other')).rejects.toMatchObject({
      code: 'unsupported-feature',
    });
  });

  test('suspend it only together', async () => {
    const [first, second] = [await open(), await open()];
    await first.engine.suspend();
    expect(first.scripted!.suspended).toBe(false);
    await second.engine.suspend();
    expect(first.scripted!.suspended).toBe(true);
    await second.engine.resume();
    expect(first.scripted!.suspended).toBe(false);
    await first.engine.suspend();
    expect(first.scripted!.suspended).toBe(false);
    await second.engine.dispose();
    expect(first.scripted!.suspended).toBe(true);
  });
});

describe('when the tab that has the engine is gone', () => {
  test.each([
    ['greedy', {}],
    ['with a seed', { seed: 41, temperature: 1 }],
  ])('answers go on in another tab (%s): no id twice, none missing', async (_how, options) => {
    const [leader, ...survivors] = [await open(), await open(), await open()];
    const reads = survivors.map(
      ({ engine }, i) => new Read(engine.createSession().send(`tab ${i}`, { maxTokens: 9, ...options })),
    );
    await reads[0]!.some(3);
    await reads[1]!.some(1);
    leader.kill();
    const answers = await Promise.all(reads.map((read) => read.rest()));
    for (const [i, answer] of answers.entries())
      expect(essence(answer)).toEqual(essence(await undisturbed([`tab ${i}`], { maxTokens: 9, ...options })));
    // Two began, and went on with what had been given.
    expect(machine.begun).toEqual([0, 0, 3, 1]);
    expect([machine.loads.length, machine.mostCopies]).toEqual([2, 1]);
    expect(machine.loads[1]!.options).toMatchObject({ contextLength: 64, kvCache: 'f16' });
    for (const { statuses } of survivors) expect(statuses).toEqual(['recovering', 'ready']);
    const here = survivors.map(({ engine }) => engine.info.sharing.here);
    expect(here.filter(Boolean)).toHaveLength(1);
  });

  test('a random answer goes on with the seed that it began with', async () => {
    const [leader, survivor] = [await open(), await open()];
    const read = new Read(survivor.engine.createSession().send('x', { maxTokens: 6, temperature: 1 }));
    await read.some(2);
    leader.kill();
    const { tokenIds } = await read.rest();
    expect(tokenIds).toHaveLength(6);
    expect(machine.begun).toEqual([0, 2]);
    expect(machine.seeds[0]).toBeDefined();
    expect(machine.seeds[1]).toBe(machine.seeds[0]);
  });

  test('conversations are known to the next one, and answers of a session keep their order', async () => {
    const [leader, survivor] = [await open(), await open()];
    const session = survivor.engine.createSession();
    await collect(session.send('first'));
    const second = new Read(session.send('second'));
    await second.some(1);
    const third = collect(session.send('third'));
    await sleep(20);
    leader.kill();
    expect(essence(await second.rest())).toEqual(essence(await undisturbed(['first', 'second'])));
    expect(essence(await third)).toEqual(essence(await undisturbed(['first', 'second', 'third'])));
    expect(session.messages.map(({ content }) => content).filter((_, i) => i % 2 === 0)).toEqual([
      'first',
      'second',
      'third',
    ]);
    // And again, to a tab that was not there before.
    const next = await open();
    survivor.kill();
    expect(essence(await collect(next.engine.createSession().send('x')))).toEqual(
      essence(await undisturbed(['x'])),
    );
    expect(machine.mostCopies).toBe(1);
  });

  test('a conversation that a session began with is known to the next one, used there or not', async () => {
    const start = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hi' },
    ];
    const [leader, other] = [await open(), await open()];
    const [used, unused] = [other.engine.createSession(start), other.engine.createSession(start)];
    const expected = [{ role: 'user' }, { role: 'assistant' }];
    await collect(used.send('one'));
    expect(used.messages).toMatchObject([...start, ...expected]);
    leader.kill();
    const meanwhile = other.engine.createSession(start);
    for (const session of [unused, meanwhile, used]) await collect(session.send('two'));
    for (const session of [unused, meanwhile])
      expect(session.messages).toMatchObject([...start, ...expected]);
    expect(used.messages).toMatchObject([...start, ...expected, ...expected]);
  });

  test('calls that wait, and calls that come meanwhile, are answered by the next one', async () => {
    const [leader, survivor] = [await open(), await open()];
    const answer = collect(survivor.engine.createSession().send('x'));
    leader.kill();
    expect(await survivor.engine.tokenize('ab')).toEqual([97, 98]);
    expect(essence(await answer)).toEqual(essence(await undisturbed(['x'])));
  });

  test('a reader who is away finds the rest, and a session that is asked for more waits for it', async () => {
    const [leader, survivor] = [await open(), await open()];
    const session = survivor.engine.createSession();
    const away = new Read(session.send('away'));
    await away.some(1);
    leader.kill();
    await until(() => survivor.statuses.includes('ready'));
    const next = collect(session.send('next'));
    expect(essence(await away.rest())).toEqual(essence(await undisturbed(['away'])));
    expect(essence(await next)).toEqual(essence(await undisturbed(['away', 'next'])));
  });

  test('an answer is aborted at once although nobody has the engine yet, and counts as far as it came', async () => {
    const [leader, survivor] = [await open(), await open()];
    const control = new AbortController();
    const session = survivor.engine.createSession();
    const read = new Read(session.send('x', { signal: control.signal, maxTokens: 9 }));
    await read.some(2);
    const loaded = holdLoads();
    leader.kill();
    await until(() => machine.loads.length === 2);
    control.abort();
    const { tokenIds, text, finishReason, usage } = await read.rest();
    const whole = await undisturbed(['x'], { maxTokens: 9 });
    expect([tokenIds, finishReason]).toEqual([whole.tokenIds.slice(0, 2), 'abort']);
    expect(usage).toMatchObject({ promptTokens: 1, completionTokens: 2 });
    expect(session.messages).toEqual([
      { role: 'user', content: 'x' },
      { role: 'assistant', content: text },
    ]);
    loaded();
    await collect(session.send('y'));
    expect(session.messages).toHaveLength(4);
    expect(session.messages.slice(0, 2)).toEqual([
      { role: 'user', content: 'x' },
      { role: 'assistant', content: text },
    ]);
  });

  test('one that is aborted then keeps its reasoning apart from its text', async () => {
    machine.reasoned = 2;
    const [leader, survivor] = [await open(), await open()];
    const control = new AbortController();
    const session = survivor.engine.createSession();
    const read = new Read(session.send('x', { signal: control.signal, maxTokens: 9 }));
    await read.some(3);
    machine.loading = new Promise(() => {});
    leader.kill();
    await until(() => machine.loads.length === 2);
    control.abort();
    const { chunks, text } = await read.rest();
    const reasoning = chunks.map((chunk) => chunk.reasoning ?? '').join('');
    expect(reasoning).not.toBe('');
    expect(session.messages.at(-1)).toEqual({
      role: 'assistant',
      content: text,
      reasoning_content: reasoning,
    });
  });

  test('an answer of which all but the end of its stream came does not go on', async () => {
    const [leader, survivor] = [await open(), await open()];
    const session = survivor.engine.createSession();
    const read = new Read(session.send('x'));
    await read.some(5);
    expect(read.chunks.at(-1)!.finishReason).toBe('length');
    leader.kill();
    expect(essence(await read.rest())).toEqual(essence(await undisturbed(['x'])));
    expect(machine.begun).toEqual([0]);
    await collect(session.send('y'));
    expect(session.messages).toHaveLength(4);
  });

  test('copies, and conversations that went back, stand where they stood', async () => {
    const [leader, survivor] = [await open(), await open()];
    const session = survivor.engine.createSession();
    for (const text of ['one', 'two', 'three']) await collect(session.send(text));
    const copy = await session.fork();
    await session.rewind({ turns: 2 });
    leader.kill();
    const other = collect(session.send('four'));
    const whole = await copy.complete({ tokenIds: [...copy.tokenIds, 7] });
    expect(essence(await other)).toEqual(essence(await undisturbed(['one', 'four'])));
    expect(copy.messages).toHaveLength(6);
    expect(whole.tokenIds).toHaveLength(5);
    // What was said before the first worker ended can still be taken back token by token.
    const first = await undisturbed(['one']);
    await session.rewind('four'.length + 5 + 1);
    expect(session.tokenIds).toHaveLength('one'.length + 4);
    expect(session.tokenIds.slice('one'.length)).toEqual(first.tokenIds.slice(0, 4));
    expect(session.messages).toEqual([{ role: 'user', content: 'one' }]);
  });

  test('copies, steps back and saves that it has not answered are made by the next one', async () => {
    const [leader, survivor] = [await open(), await open()];
    const session = survivor.engine.createSession();
    for (const text of ['one', 'two']) await collect(session.send(text));
    const saved = await session.save();
    let waiting = 0;
    machine.beforeCall = () => (++waiting, new Promise(() => {}));
    const forked = session.fork();
    const restored = survivor.engine.restoreSession(saved);
    await until(() => waiting === 2);
    const rewound = session.rewind({ turns: 1 });
    const savedLater = session.save();
    machine.beforeCall = async () => {};
    leader.kill();
    const sessions = [await forked, await restored];
    await rewound;
    sessions.push(session, await survivor.engine.restoreSession(await savedLater));
    const said = [['one', 'two'], ['one', 'two'], ['one'], ['one']];
    for (const [i, each] of sessions.entries())
      expect(essence(await collect(each.send('next')))).toEqual(
        essence(await undisturbed([...said[i]!, 'next'])),
      );
  });

  test('a session that is disposed of while nobody has the engine is so for all that waits for it', async () => {
    const [leader, survivor] = [await open(), await open()];
    const session = survivor.engine.createSession();
    await collect(session.send('x'));
    const loaded = holdLoads();
    leader.kill();
    await until(() => machine.loads.length === 2);
    const waiting = [session.fork(), session.save(), session.rewind(1)];
    const disposed = session.dispose();
    for (const call of waiting) await expect(call).rejects.toMatchObject({ code: 'disposed' });
    loaded();
    await disposed;
    await expect(session.fork()).rejects.toMatchObject({ code: 'disposed' });
    await expect(collect(session.send('y'))).rejects.toMatchObject({ code: 'disposed' });
    expect(survivor.scripted!.sessions.size).toBe(0);
  });

  test('a page can dispose of its engine although nobody has it yet', async () => {
    const [leader, survivor] = [await open(), await open()];
    const read = new Read(survivor.engine.createSession().send('x', { maxTokens: 9 }));
    await read.some(2);
    machine.loading = new Promise(() => {});
    leader.kill();
    await until(() => machine.loads.length === 2);
    const waiting = survivor.engine.tokenize('x');
    waiting.catch(() => {});
    await survivor.engine.dispose();
    expect(await read.rest()).toMatchObject({ finishReason: 'abort' });
    await expect(waiting).rejects.toMatchObject({ code: 'disposed' });
  });

  test('a worker that ends alone is replaced by its own page or by another', async () => {
    const [leader, other] = [await open(), await open()];
    const reads = [leader, other].map(({ engine }) => new Read(engine.createSession().send('x')));
    for (const read of reads) await read.some(2);
    leader.killWorker();
    for (const read of reads) expect(essence(await read.rest())).toEqual(essence(await undisturbed(['x'])));
    expect(machine.mostCopies).toBe(1);
  });

  test('a worker that ends again and again is given up', async () => {
    const tab = await open();
    machine.beforeToken = async () => tab.killWorker();
    await expect(collect(tab.engine.createSession().send('x'))).rejects.toMatchObject({
      code: 'worker-lost',
    });
    expect(machine.loads).toHaveLength(3);
    expect(tab.statuses.at(-1)).toBe('lost');
    await expect(tab.engine.tokenize('x')).rejects.toMatchObject({ code: 'worker-lost' });
    await tab.engine.dispose();
  });

  test.each([
    ['is another one by now', () => (machine.fingerprint = 'other'), /source has changed/],
    [
      'cannot be had',
      () => (machine.failure = new TernionError('download-failed', 'No server.')),
      /No server/,
    ],
  ])('and the model %s, answers end with an error that says so', async (_what, change, message) => {
    const [leader, survivor] = [await open(), await open()];
    const read = new Read(survivor.engine.createSession().send('x'));
    await read.some(1);
    change();
    leader.kill();
    await expect(read.rest()).rejects.toMatchObject({ code: 'worker-lost' });
    await expect(survivor.engine.tokenize('x')).rejects.toThrow(message);
  });
});

test('a tab that has the engine and is frozen does not let the others wait for ever', async () => {
  const leader = await open();
  const other = await new SharingTab(origin, machine).load({}, 300);
  const read = new Read(other.engine.createSession().send('x'));
  await read.some(1);
  leader.freeze();
  await expect(read.rest()).rejects.toMatchObject({ code: 'worker-lost' });
  await expect(other.engine.tokenize('x')).rejects.toThrow(/No tab has taken the engine over/);
  expect(other.statuses).toEqual(['recovering', 'lost']);
});

describe('a tab that leaves', () => {
  test('has its sessions freed when it vanishes; the others do not notice', async () => {
    const [leader, vanishing] = [await open(), await open()];
    const { sessions } = leader.scripted!;
    const reads = [leader, vanishing].map(({ engine }) => new Read(engine.createSession().send('x')));
    for (const read of reads) await read.some(2);
    expect(sessions.size).toBe(2);
    vanishing.kill();
    await until(() => sessions.size === 1);
    expect(essence(await reads[0]!.rest())).toEqual(essence(await undisturbed(['x'])));
    expect(leader.statuses).toEqual([]);
  });

  test('amid a restore leaves no session behind', async () => {
    const [leader, other] = [await open(), await open()];
    const { sessions } = leader.scripted!;
    const saved = await other.engine.createSession().save();
    let restore: (() => void) | undefined;
    machine.beforeCall = () => new Promise((resolve) => (restore = resolve));
    const restored = other.engine.restoreSession(saved);
    restored.catch(() => {});
    await until(() => restore !== undefined);
    await other.engine.dispose();
    restore!();
    await sleep(50);
    expect(sessions.size).toBe(0);
    await leader.engine.dispose();
  });

  test('ends its own sessions when it disposes of the engine, and frees the engine when it is the last', async () => {
    const [leader, other] = [await open(), await open()];
    const { sessions } = leader.scripted!;
    const reads = [leader, other].map(({ engine }) => new Read(engine.createSession().send('x')));
    for (const read of reads) await read.some(2);
    await leader.engine.dispose();
    expect(await reads[0]!.rest()).toMatchObject({ finishReason: 'abort' });
    // Whoever has the engine goes on serving it.
    expect(essence(await reads[1]!.rest())).toEqual(essence(await undisturbed(['x'])));
    expect([machine.loads.length, machine.copies, sessions.size]).toEqual([1, 1, 1]);
    await other.engine.dispose();
    expect(machine.copies).toBe(0);
    // And whoever comes then begins anew.
    const late = await open();
    expect(late.engine.info.sharing.here).toBe(true);
    expect([machine.loads.length, machine.copies]).toEqual([2, 1]);
  });

  test('and closes, after it disposed of the engine that it still served, hands it over', async () => {
    const [leader, other] = [await open(), await open()];
    await leader.engine.dispose();
    const read = new Read(other.engine.createSession().send('x'));
    await read.some(2);
    leader.kill();
    expect(essence(await read.rest())).toEqual(essence(await undisturbed(['x'])));
  });

  test('just when it is elected does not keep the others from being so', async () => {
    const [leader, elected, other] = [await open(), await open(), await open()];
    leader.kill();
    await elected.engine.dispose();
    expect(essence(await collect(other.engine.createSession().send('x')))).toEqual(
      essence(await undisturbed(['x'])),
    );
  });

  test('amid a load does not end that of the others', async () => {
    const loaded = holdLoads();
    const control = new AbortController();
    const [first, second] = await waitingTabs(2, control.signal);
    control.abort();
    await expect(first).rejects.toMatchObject({ code: 'aborted' });
    loaded();
    expect((await second!).engine.info.gpuBytes).toBe(1000);
    expect([machine.loads.length, machine.copies]).toEqual([1, 1]);
  });

  test('a load that fails fails for all who wait for it, and can be tried again', async () => {
    const loaded = holdLoads();
    const loads = await waitingTabs(2);
    machine.failure = new TernionError('corrupt-file', 'No model.');
    loaded();
    for (const load of loads) await expect(load).rejects.toMatchObject({ code: 'corrupt-file' });
    await open();
    expect(machine.copies).toBe(1);
  });
});
