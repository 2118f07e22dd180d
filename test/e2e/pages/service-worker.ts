// A tab with a model that answers at the page's own origin, and the OpenAI client that knows only a URL.
import OpenAI from 'openai';
import type { Engine } from '../../../src/index';
import { loadOrConnect } from '../../../src/surfaces/connect';
import { createFetch } from '../../../src/surfaces/openai';
import { offer } from '../../../src/surfaces/service-worker';

const BASE_URL = new URL('v1', location.href).href;
const MESSAGES = [{ role: 'user' as const, content: 'Spell planet.' }];
const OPTIONS = { temperature: 1, seed: 7 };

let engine: Engine;
/** Requests whose clients have left. */
let left = 0;

/** Loads as `openai` has it: the least that it needs. */
const client = new OpenAI({
  baseURL: BASE_URL,
  apiKey: 'local',
  dangerouslyAllowBrowser: true,
  maxRetries: 0,
});

/** Its token ids are an extension, which its types do not have. */
const WITH_IDS = { return_token_ids: true };

async function controlled(): Promise<void> {
  const { serviceWorker } = navigator;
  await serviceWorker.register('./service-worker.worker.js', { type: 'module' });
  if (serviceWorker.controller) return;
  await new Promise((resolve) => serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
}

Object.assign(globalThis, {
  controlled,
  /** What a request gets while nobody offers. */
  async unanswered() {
    const response = await fetch(`${BASE_URL}/models`);
    return { status: response.status, body: (await response.json()) as unknown };
  },
  /** Loads the model and offers it; a server would be asked if it did not run here. */
  async load(url: string) {
    const placed = await loadOrConnect(url, { baseURL: 'http://127.0.0.1:9/v1' });
    if (placed.place !== 'local') throw placed.reason;
    engine = placed.engine;
    const answer = createFetch(engine, { sessions: 1 });
    const { clientId } = await offer((request) => {
      request.signal.addEventListener('abort', () => left++);
      return answer(request);
    });
    return clientId;
  },
  /** Offers without a model, to see who is asked. */
  async offerNothing() {
    return (await offer(() => Promise.resolve(Response.json({ data: [] })))).clientId;
  },
  async locally() {
    const { text, tokenIds } = await engine.createSession().complete(MESSAGES, OPTIONS);
    return { text, tokenIds };
  },
  /** The same by URL. */
  async byUrl() {
    const stream = await client.chat.completions.create({
      model: 'any',
      messages: MESSAGES,
      stream: true,
      ...OPTIONS,
      ...WITH_IDS,
    });
    const tokenIds: number[] = [];
    let text = '';
    for await (const { choices } of stream) {
      const [choice] = choices as ((typeof choices)[number] & { token_ids?: number[] })[];
      text += choice?.delta.content ?? '';
      tokenIds.push(...(choice?.token_ids ?? []));
    }
    return { text, tokenIds };
  },
  /** Leaves an answer that would take all of the context, after its first words; resolves to how many have left then. */
  async hangUp(endId: number) {
    const stream = await client.completions.create({
      model: 'any',
      prompt: 'a',
      max_tokens: 100_000,
      stream: true,
      logit_bias: { [endId]: -100 },
    });
    for await (const { choices } of stream) if (choices[0]?.text) break;
    while (left === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    return left;
  },
  /** Who answers. */
  async answering() {
    return (await fetch(`${BASE_URL}/models`)).headers.get('x-ternion-client');
  },
});
