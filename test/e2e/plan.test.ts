// Whether a model fits, asked in real browsers: the plan is made in a worker, and loading does what the plan says.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ModelPlan } from '../../src/plan/plan-model';
import type { ModelInfo } from '../../src/engine/types';
import { inBrowsers, type TestPage } from '../support/browsers';
import { servePages, type Served } from '../support/serve';

const MODEL = '/models/ternion-tiny-i2_s.gguf';

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers((open) => {
  let page: TestPage;
  beforeAll(async () => {
    page = await open(`${server.url}test/e2e/pages/plan.html`);
  });
  afterAll(async () => {
    expect(page.errors).toEqual([]);
    await page.close();
  });

  it('says that the embedded model fits, as loading it then shows, and that it needs no download after that', async () => {
    const plan = await page.call<ModelPlan>('plan', MODEL, { cache: false });
    expect(plan).toMatchObject({ verdict: 'fits', model: { name: 'Ternion Tiny', contextLength: 1024 } });
    expect(plan.download.missing).toBe(plan.download.total);
    expect(plan.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(128 << 20);
    expect(plan.storage!.quota).toBeGreaterThan(0);
    const info = await page.call<ModelInfo>('load', MODEL);
    expect(info.contextLength).toBe(plan.model!.contextLength);
    // Without a session there is no KV cache yet. Uniforms, of a few words each, are not planned.
    const { total, kvCache } = plan.model!.gpuBytes;
    expect(info.gpuBytes).toBeGreaterThanOrEqual(total - kvCache);
    expect(info.gpuBytes).toBeLessThan((total - kvCache) * 1.01);
    // Now it is in the cache.
    const { download } = await page.call<ModelPlan>('plan', MODEL);
    expect(download).toMatchObject({ missing: 0, cached: true });
  });

  it('says with which budget it does not fit, and loading refuses with the same numbers', async () => {
    const options = { memoryBudget: 1e6, cache: false };
    const plan = await page.call<ModelPlan>('plan', MODEL, options);
    expect(plan).toMatchObject({ verdict: 'does-not-fit', code: 'out-of-memory' });
    const refused = await page.call<{ code: string; message: string }>('load', MODEL, options);
    expect(refused.code).toBe('out-of-memory');
    expect(refused.message).toContain(plan.reason);
  });

  it('says what is no model, what is not there, and that it was aborted', async () => {
    const plan = await page.call<ModelPlan>('planBytes', Array(64).fill(7));
    expect(plan).toMatchObject({ verdict: 'not-supported', code: 'unsupported-format' });
    expect(await page.call('refusedPlan', '/models/none.gguf')).toBe('download-failed');
    expect(await page.call('abortedPlan', MODEL)).toBe('aborted');
  });
});
