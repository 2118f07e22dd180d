// Answers of a given shape from a page: its engine is in a worker, grammars are in another one, and values are read on the page.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer, ChatMessage, RunResult } from '../../src/index';
import { inBrowsers } from '../support/browsers';
import { xorshift } from '../support/random';
import { servePages, type Served } from '../support/serve';

/** What the page's `runWeather` gives. */
interface WeatherRun extends RunResult {
  executed: object[];
  messages: ChatMessage[];
}

const PAGE = 'test/e2e/pages/shapes.html';
const MODEL = '/models/ternion-tiny-i2_s.gguf';

describe('a page asks for answers of a given shape', () => {
  let server: Served;
  beforeAll(async () => {
    server = await servePages();
  });
  afterAll(() => server.close());

  inBrowsers((openPage) => {
    it('and gets them, in the words of its own options', async () => {
      const page = await openPage(server.url + PAGE);
      await page.call('load', MODEL);
      const greedy = await page.call<Answer<[string, boolean]>>('askForCapital', {});
      expect(greedy.parsed).toEqual(Object.values(JSON.parse(greedy.text) as object));
      expect(['Lima', 'Oslo']).toContain(greedy.parsed?.[0]);
      expect(greedy.usage.forcedTokens).toBeGreaterThan(0);
      const varied = await page.call<typeof greedy>('askForCapital', { temperature: 1.5, seed: 2 });
      expect(['Lima', 'Oslo']).toContain(varied.parsed?.[0]);

      const tools = {
        capital: { schema: { type: 'object', properties: { of: { enum: ['Peru'] } }, required: ['of'] } },
      };
      const chatTemplate =
        '{% if tools %}<tool_call>{% endif %}{% for message in messages %}User: {{ message.content }}<|eot_id|>{% endfor %}Assistant: ';
      const called = await page.call<Answer>('ask', {
        tools,
        chatTemplate,
        toolChoice: 'required',
        parallelToolCalls: false,
      });
      expect(called).toMatchObject({
        finishReason: 'tool-calls',
        text: '',
        toolCalls: [{ name: 'capital', arguments: { of: 'Peru' } }],
      });

      const processed = await page.call<Answer>('ask', {
        maxTokens: 3,
        logitsProcessor: { url: './favour-ids.js' },
      });
      const { promptTokens } = processed.usage;
      expect(processed.tokenIds).toEqual([0, 1, 2].map((i) => 100 + ((promptTokens + i) % 7)));
      const missing = await page.call('refusal', { logitsProcessor: { url: '/nowhere.js' } });
      expect(missing).toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining('/nowhere.js') as string,
      });
      const sent = await page.call('refusalOfFunction');
      expect(sent).toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining('cannot be sent') as string,
      });
      const not = { responseFormat: { type: 'json', schema: { not: { type: 'string' } } } };
      expect(await page.call('refusal', not)).toMatchObject({ code: 'unsupported-feature' });
      await page.call('dispose');
      await page.close();
    });

    // The embedded model adds numbers, and was taught nothing of tools: so the template tells it the result as a sum, and the schema
    // leaves the drawn city alone to be asked for.
    it('and has a tool of its own called for a city, whose answer the model says', async () => {
      const page = await openPage(server.url + PAGE);
      await page.call('load', MODEL);
      const draw = xorshift(Date.now());
      const cities = ['Lima', 'Oslo', 'Tokyo', 'Cairo', 'Rome'];
      const city = cities[Math.floor(draw() * cities.length)] ?? 'Lima';
      const degrees = 10 + Math.floor(draw() * 20);
      const { text, steps, executed, messages } = await page.call<WeatherRun>('runWeather', city, degrees);
      // So it answers for each of these cities and numbers.
      expect(text).toBe(`${degrees} + 0 = ${degrees}`);
      expect(executed).toEqual([{ city }]);
      expect(steps).toHaveLength(2);
      expect(steps[0]).toMatchObject({
        answer: { finishReason: 'tool-calls', toolCalls: [{ name: 'weather', arguments: { city } }] },
        results: [{ name: 'weather', arguments: { city }, result: degrees }],
      });
      expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
      await page.call('dispose');
      expect(page.errors).toEqual([]);
      await page.close();
    });
  });
});
