// Answers of a given shape from a page: its engine is in a worker, grammars are in another one, and values are read on the page.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../src/index';
import { inBrowsers } from '../support/browsers';
import { serveSources, type Served } from '../support/serve';

const PAGE = 'test/e2e/pages/shapes.html';
const MODEL = '/models/ternion-tiny-i2_s.gguf';

describe('a page asks for answers of a given shape', () => {
  let server: Served;
  beforeAll(async () => {
    server = await serveSources();
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
        logitsProcessor: { url: './favour-ids.ts' },
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
      const not = { responseFormat: { type: 'json', schema: { not: {} } } };
      expect(await page.call('refusal', not)).toMatchObject({ code: 'unsupported-feature' });
      await page.call('dispose');
      await page.close();
    });
  });
});
