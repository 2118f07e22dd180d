// The worker for grammars in real browsers: it starts, compiles and masks, and says so where a page forbids WebAssembly.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inBrowsers } from '../support/browsers';
import { servePages, type Served } from '../support/serve';

const PAGE = 'test/e2e/pages/grammar.html';
/** Without 'wasm-unsafe-eval'. The worker's script is a Blob, which has the policy of its page. */
const STRICT = "default-src 'self'; script-src 'self'; worker-src blob:";

describe('a grammar worker', () => {
  let open: Served;
  let strict: Served;
  beforeAll(async () => {
    open = await servePages();
    strict = await servePages({ 'content-security-policy': STRICT });
  });
  afterAll(async () => {
    await open.close();
    await strict.close();
  });

  inBrowsers((openPage) => {
    it('compiles a grammar once, and follows answers through it', async () => {
      const page = await openPage(open.url + PAGE);
      const step = { first: 'h'.charCodeAt(0), forced: 'el', ended: false, compiled: 1 };
      expect(await page.call('step', 'root ::= "hello" | "help"')).toEqual(step);
      expect(await page.call('step', 'root ::= "hello" | "help"')).toEqual(step);
      expect(page.errors).toEqual([]);
      await page.close();
    });

    it.each([
      ['is broken', 'root ::= foo', /Rule "foo" is not defined/],
      ['is nested too deep', `root ::= ${'('.repeat(200_000)}"a"${')'.repeat(200_000)}`, /nested too deep/],
    ])('refuses a grammar that %s, and goes on', async (_, ebnf, words) => {
      const page = await openPage(open.url + PAGE);
      expect(await page.call('refusal', ebnf)).toEqual({
        code: 'invalid-argument',
        message: expect.stringMatching(words) as string,
      });
      expect(await page.call('step', 'root ::= "yes"')).toMatchObject({ forced: 'es' });
      await page.close();
    });

    it("names 'wasm-unsafe-eval' where a page forbids WebAssembly", async () => {
      const page = await openPage(strict.url + PAGE);
      expect(await page.call('refusal', 'root ::= "a"')).toEqual({
        code: 'unsupported-feature',
        message: expect.stringMatching(/'wasm-unsafe-eval'/) as string,
      });
      await page.close();
    });
  });
});
