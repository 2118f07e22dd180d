// Proof that the browsers, the server and the pages work together: WebGPU in a page and in a module worker.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inBrowsers } from '../support/browsers';
import { DOT_EXPECTED } from '../support/dot4i8';
import { servePages, type Served } from '../support/serve';

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers((open) => {
  it.for(['inPage', 'inWorker'])('computes with dot4I8Packed: %s', async (where) => {
    const page = await open(`${server.url}test/e2e/pages/smoke.html`);
    expect(await page.call<number>(where)).toBe(DOT_EXPECTED);
    expect(page.errors).toEqual([]);
    await page.close();
  });
});
