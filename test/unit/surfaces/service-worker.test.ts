// Requests to a page's own origin, from a service worker to a tab and back: who answers, how much runs ahead, what ends it.
import { afterEach, describe, expect, it } from 'vitest';
import type { Answer, Offer } from '../../../src/surfaces/service-worker';
import { FakeBrowser } from '../../support/fake-service-worker';
import { sleep, until } from '../../support/wait';

const CHAT = '/chat/v1/chat/completions';

/** An endless answer of numbered chunks, which counts what it made and notices its end. */
class Endless {
  made = 0;
  ended = 0;
  readonly asked: Request[] = [];

  constructor(private readonly name = '') {}

  readonly answer: Answer = (request) => {
    this.asked.push(request);
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void =>
      controller.enqueue(new TextEncoder().encode(`${this.name}${this.made++};`));
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      { pull, cancel: () => void this.ended++ },
      { highWaterMark: 0 },
    );
    return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  };
}

const texts = (...given: string[]): Answer => {
  return () => Promise.resolve(new Response(new Blob(given)));
};

const offers: Offer[] = [];
afterEach(async () => {
  await Promise.all(offers.splice(0).map((offer) => offer.withdraw()));
});

type Page = ReturnType<FakeBrowser['open']>;

async function offered(page: Page, answer: Answer, onOwner?: (owns: boolean) => void): Promise<Offer> {
  const offer = await page.offer(answer, onOwner);
  offers.push(offer);
  return offer;
}

async function read(
  response: Response,
  chunks: number,
): Promise<{ text: string; reader: ReadableStreamDefaultReader<Uint8Array> }> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let i = 0; i < chunks; i++) text += decoder.decode((await reader.read()).value);
  return { text, reader };
}

describe('a request', () => {
  it('is answered by the page that offers, with everything that belongs to it', async () => {
    const browser = new FakeBrowser();
    const page = browser.open();
    const requests: { method: string; url: string; body: string; key: string | null }[] = [];
    const { clientId } = await offered(page, async (request) => {
      const { method, url, headers } = request;
      requests.push({ method, url, body: await request.text(), key: headers.get('authorization') });
      return Response.json(
        { error: 'é' },
        { status: 418, statusText: 'Teapot', headers: { 'x-request-id': '7' } },
      );
    });
    const headers = { authorization: 'Bearer k' };
    const response = await browser.fetch(CHAT, { method: 'POST', body: '{"a":"é"}', headers });
    expect(response).toMatchObject({ status: 418, statusText: 'Teapot' });
    expect(response?.headers.get('x-request-id')).toBe('7');
    expect(response?.headers.get('x-ternion-client')).toBe(clientId);
    expect(await response?.json()).toEqual({ error: 'é' });
    const url = `https://app.example${CHAT}`;
    expect(requests).toEqual([{ method: 'POST', url, body: '{"a":"é"}', key: 'Bearer k' }]);
    expect(clientId).toBe(page.id);
    expect(browser.worker.serving.owner).toBe(page.id);
    await until(() => browser.worker.busy === 0);
  });

  it('for other paths is left alone', async () => {
    const browser = new FakeBrowser();
    await offered(browser.open(), texts('no'));
    expect(browser.fetch('/v1/models')).toBeUndefined();
    expect(browser.fetch('/chat/index.html')).toBeUndefined();
    expect(browser.fetch('https://other.example/chat/v1/models')).toBeUndefined();
    expect(await (await browser.fetch('/chat/v1/models'))?.text()).toBe('no');
    expect(browser.worker.claimed).toBe(true);
  });

  it('that is answered without a body, or not at all, ends', async () => {
    const browser = new FakeBrowser();
    let fails = false;
    await offered(browser.open(), async () => {
      if (fails) throw new Error('broken');
      return new Response(null, { status: 204 });
    });
    expect(await browser.fetch(CHAT)).toMatchObject({ status: 204, body: null });
    fails = true;
    const failed = await browser.fetch(CHAT);
    expect(failed?.status).toBe(500);
    expect(await failed?.json()).toMatchObject({ error: { message: 'Error: broken' } });
    await until(() => browser.worker.busy === 0);
  });

  it('runs no chunk ahead of its reader', async () => {
    const browser = new FakeBrowser();
    const endless = new Endless();
    await offered(browser.open(), endless.answer);
    const { text, reader } = await read((await browser.fetch(CHAT))!, 3);
    expect(text).toBe('0;1;2;');
    await sleep(20);
    expect(endless.made).toBe(3);
    await reader.cancel();
  });

  it('that its client leaves is over in the page, whether it is being read or not', async () => {
    const browser = new FakeBrowser();
    const endless = new Endless();
    await offered(browser.open(), endless.answer);
    const { reader } = await read((await browser.fetch(CHAT))!, 1);
    await reader.cancel();
    await until(() => endless.ended === 1);
    expect(endless.asked[0]?.signal.aborted).toBe(true);
    const unread = await browser.fetch(CHAT);
    await unread?.body?.cancel();
    await until(() => endless.ended === 2);
    // Some browsers tell the service worker of a client that leaves before there is a response.
    const client = new AbortController();
    let signal: AbortSignal | undefined;
    await offered(browser.pages[0]!, (request) => {
      signal = request.signal;
      return new Promise(() => {});
    });
    const pending = browser.fetch(CHAT, { signal: client.signal });
    await until(() => signal !== undefined);
    client.abort();
    expect((await pending)?.type).toBe('error');
    await until(() => signal?.aborted === true && browser.worker.busy === 0);
  });
});

describe('tabs', () => {
  it('are asked in the order in which they offered, and hear whether they are', async () => {
    const browser = new FakeBrowser();
    const [first, second] = [browser.open(), browser.open()];
    const heard: string[] = [];
    const a = await offered(first, texts('a'), (owns) => heard.push(`a ${owns}`));
    await sleep(2);
    const b = await offered(second, texts('b'), (owns) => heard.push(`b ${owns}`));
    await until(() => a.owns);
    expect(b.owns).toBe(false);
    expect(await (await browser.fetch(CHAT))?.text()).toBe('a');
    await a.withdraw();
    await until(() => b.owns);
    expect(await (await browser.fetch(CHAT))?.text()).toBe('b');
    expect(heard).toEqual(['a true', 'a false', 'b true']);
    expect(browser.worker.serving.owner).toBe(second.id);
  });

  it.each([true, false])('take over from one that closes (Web Locks: %s)', async (locks) => {
    const browser = new FakeBrowser({}, locks);
    const [first, second] = [browser.open(), browser.open()];
    await first.offer(texts('a'));
    await sleep(2);
    await offered(second, texts('b'));
    expect(await (await browser.fetch(CHAT))?.text()).toBe('a');
    first.close();
    const response = await browser.fetch(CHAT);
    expect(await response?.text()).toBe('b');
    expect(response?.headers.get('x-ternion-client')).toBe(second.id);
  });

  it('take over what one that closes had not begun to answer; what it had begun fails', async () => {
    const browser = new FakeBrowser();
    const [first, second] = [browser.open(), browser.open()];
    const endless = new Endless();
    let asked = 0;
    await first.offer((request) => (asked++ === 0 ? endless.answer(request) : new Promise(() => {})));
    await sleep(2);
    await offered(second, texts('b'));
    const { reader } = await read((await browser.fetch(CHAT))!, 1);
    const waiting = browser.fetch(CHAT);
    await until(() => asked === 2);
    const rest = reader.read();
    first.close();
    await expect(rest.then(() => reader.read())).rejects.toThrow('The tab that answered was closed.');
    expect(await (await waiting)?.text()).toBe('b');
    await until(() => browser.worker.busy === 0);
  });

  it('that withdraw still answer what they were asked', async () => {
    const browser = new FakeBrowser({ waitMs: 20 });
    const endless = new Endless();
    const offer = await browser.open().offer(endless.answer);
    const { reader } = await read((await browser.fetch(CHAT))!, 1);
    const withdrawn = offer.withdraw();
    await until(() => browser.worker.serving.owner === undefined);
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('1;');
    expect((await browser.fetch(CHAT))?.status).toBe(503);
    await reader.cancel();
    await withdrawn;
  });
});

describe('where nobody answers', () => {
  it('a request waits as long as it is told to, and then says what is missing', async () => {
    const browser = new FakeBrowser({ waitMs: 20 });
    const began = performance.now();
    const response = await browser.fetch(CHAT);
    expect(performance.now() - began).toBeGreaterThan(15);
    expect(response?.status).toBe(503);
    expect(response?.headers.get('x-should-retry')).toBe('false');
    expect(await response?.json()).toMatchObject({
      error: { code: 'no_offer', message: expect.stringMatching(/offer\(\)/) as string },
    });
  });

  it('a request is answered by a page that offers meanwhile', async () => {
    const browser = new FakeBrowser();
    const response = browser.fetch(CHAT);
    await offered(browser.open(), texts('late'));
    expect(await (await response)?.text()).toBe('late');
  });
});

describe('a service worker that is stopped', () => {
  it('finds its pages again when it is started, and asks the same one', async () => {
    const browser = new FakeBrowser();
    const [first, second] = [browser.open(), browser.open()];
    const a = await offered(first, texts('a'));
    await sleep(2);
    await offered(second, texts('b'));
    browser.stopWorker();
    expect(browser.worker.serving.owner).toBeUndefined();
    // Whichever of them offers first.
    expect(await (await browser.fetch(CHAT))?.text()).toMatch(/^[ab]$/);
    await until(() => browser.worker.serving.owner === first.id);
    expect(await (await browser.fetch(CHAT))?.text()).toBe('a');
    expect(a.owns).toBe(true);
  });

  it('ends what it was being answered: nobody reads it any more', async () => {
    const browser = new FakeBrowser();
    const endless = new Endless();
    await offered(browser.open(), endless.answer);
    await read((await browser.fetch(CHAT))!, 1);
    browser.stopWorker();
    await until(() => endless.ended === 1);
  });

  it('is followed by another one, to which pages offer when it takes control', async () => {
    const browser = new FakeBrowser({ waitMs: 0 });
    const page = browser.open();
    await offered(page, texts('a'));
    browser.stopWorker();
    page.controllerChanges();
    await until(() => browser.worker.serving.owner === page.id);
    expect(await (await browser.fetch(CHAT))?.text()).toBe('a');
  });
});
