// One engine in a page, and what stands in front of it for those who know other APIs.
import OpenAI from 'openai';
import { loadModel, type Engine } from '../../../src/index';
import { createFetch } from '../../../src/surfaces/openai';

/** What is compared of an answer. */
export interface Said {
  text: string;
  tokenIds: number[];
}

/** What is asked, whichever way. */
export interface Question {
  content: string;
  seed: number;
  maxTokens: number;
}

let engine: Engine;

/** A session's own answer, at temperature 1. */
async function ofSession({ content, seed, maxTokens }: Question): Promise<Said> {
  const said: Said = { text: '', tokenIds: [] };
  await using session = engine.createSession();
  const messages = [{ role: 'user', content }];
  for await (const { text, tokenIds } of session.generate(messages, { temperature: 1, seed, maxTokens })) {
    said.text += text;
    said.tokenIds.push(...tokenIds);
  }
  return said;
}

/** The same through the unmodified client of OpenAI, with vLLM's field for token ids. */
async function ofOpenAi({ content, seed, maxTokens }: Question): Promise<Said> {
  const client = new OpenAI({ fetch: createFetch(engine), apiKey: 'local', dangerouslyAllowBrowser: true });
  const request = {
    model: 'tiny',
    messages: [{ role: 'user' as const, content }],
    seed,
    max_tokens: maxTokens,
    stream: true as const,
    return_token_ids: true,
  };
  const said: Said = { text: '', tokenIds: [] };
  for await (const { choices } of await client.chat.completions.create(request)) {
    for (const choice of choices as ((typeof choices)[number] & { token_ids?: number[] })[]) {
      said.text += choice.delta.content ?? '';
      said.tokenIds.push(...(choice.token_ids ?? []));
    }
  }
  return said;
}

/** Through the client too: a reader who leaves after `count` chunks. Resolves when the engine has answered somebody else. */
async function leaveOpenAi(count: number): Promise<Said> {
  const client = new OpenAI({ fetch: createFetch(engine), apiKey: 'local', dangerouslyAllowBrowser: true });
  const messages = [{ role: 'user' as const, content: 'Tell me a story.' }];
  let read = 0;
  for await (const { choices } of await client.chat.completions.create({
    model: 'tiny',
    messages,
    stream: true,
  })) {
    if ((read += choices.length) >= count) break;
  }
  return ofSession({ content: 'What is 3 + 4?', seed: 1, maxTokens: 4 });
}

Object.assign(globalThis, {
  async load() {
    engine = await loadModel('/models/ternion-tiny-i2_s.gguf', { cache: false });
  },
  ofSession,
  ofOpenAi,
  leaveOpenAi,
  unload: () => engine.dispose(),
});
