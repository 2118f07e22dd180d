// One engine for two tabs, in real browsers: the model is on the GPU once, and closing the tab that has it costs no token.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ModelInfo } from '../../src/engine/types';
import { inBrowsers } from '../support/browsers';
import type { GoldenPrompt } from '../support/golden';
import { servePages, type Served } from '../support/serve';

const MODEL = '/models/ternion-tiny-i2_s.gguf';
const prompts = JSON.parse(
  readFileSync(new URL('../fixtures/prompts.json', import.meta.url), 'utf8'),
) as GoldenPrompt[];
const STORY = prompts.find(({ messages }) => messages[0]!.content === 'Tell me a story.')!.promptIds;
const GREEDY = { maxTokens: 40 };
const SEEDED = { maxTokens: 40, temperature: 1, seed: 7, repetitionPenalty: 1.1 };
/** Its grammar is followed in a worker of the tab that has the engine, and again in one of the next. */
const SHAPED = {
  maxTokens: 60,
  temperature: 1,
  seed: 3,
  responseFormat: {
    type: 'json',
    schema: { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 5, maxItems: 5 },
  },
};

interface Answered {
  ids: number[];
  ms: number;
}

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers((open) => {
  it('two tabs have one copy; when the one that has it is closed amid streams, they go on in the other', async () => {
    const url = `${server.url}test/e2e/pages/shared.html`;
    const leader = await open(url);
    const other = await leader.openTab(url);
    const { gpuBytes, sharing } = await leader.call<ModelInfo>('load', MODEL);
    expect(sharing).toEqual({ shared: true, here: true });
    expect(await other.call('load', MODEL)).toMatchObject({
      gpuBytes,
      sharing: { shared: true, here: false },
      codePaths: { stream: 'broadcast-channel' },
    });
    expect([await leader.call('workers'), await other.call('workers')]).toEqual([1, 0]);

    const greedy = await leader.call<Answered>('answer', STORY, GREEDY);
    const seeded = await leader.call<Answered>('answer', STORY, SEEDED);
    expect(seeded.ids).not.toEqual(greedy.ids);
    const shaped = await other.call<Answered>('answer', STORY, SHAPED);
    expect(shaped.ids.length).toBeGreaterThan(15);
    const said = await other.call<number[]>('keep', STORY, { maxTokens: 10 });
    expect(said).toEqual([...STORY, ...greedy.ids.slice(0, 10)]);
    // Both tabs have an answer under way, one of them three.
    await leader.call('begin', STORY, GREEDY, 3);
    await other.call('begin', STORY, GREEDY, 5);
    await other.call('begin', STORY, SEEDED, 7);
    await other.call('begin', STORY, SHAPED, 9);
    await leader.close();
    expect(await other.call('goOn')).toEqual([greedy.ids, seeded.ids, shaped.ids]);
    expect(await other.call('statuses')).toEqual(['recovering', 'ready']);
    expect(await other.call('info')).toMatchObject({ sharing: { shared: true, here: true } });
    expect(await other.call('workers')).toBe(1);
    expect((await other.call<Answered>('answer', STORY, GREEDY)).ids).toEqual(greedy.ids);
    // What was copied and saved in the tab that is gone goes on in this one.
    const next = greedy.ids.slice(10, 20);
    expect(await other.call('goOnKept', said, { maxTokens: 10 })).toEqual([next, next]);

    // A tab that joins now finds it here; it stays when its page does not need it any more, and goes with the last one.
    const late = await other.openTab(url);
    expect(await late.call('load', MODEL)).toMatchObject({ sharing: { here: false } });
    await other.call('dispose');
    expect((await late.call<Answered>('answer', STORY, GREEDY)).ids).toEqual(greedy.ids);
    expect(await late.call('workers')).toBe(0);
    await late.call('dispose');
    expect(await late.call('loadWithoutLocks', MODEL)).toMatchObject({
      shared: false,
      reason: expect.stringContaining('Web Locks') as unknown,
    });
    expect([...other.errors, ...late.errors]).toEqual([]);
    await Promise.all([other.close(), late.close()]);
  });
});
