// What a server is asked to be recorded, through `ternion/connect`; the tests ask the same of the recording.
import { connect } from '../../src/surfaces/connect/connect';
import type {
  ConnectOptions,
  RemoteChunk,
  RemoteGenerateOptions,
  RemoteSession,
} from '../../src/surfaces/connect/types';
import type { Prompt } from '../../src/engine/types';
import { sleep } from './wait';

/** Where the server is. A question is recorded under the name of its function. */
export type Where = Pick<ConnectOptions, 'baseURL' | 'fetch'>;

const CHAT = [{ role: 'user', content: 'What is 3 + 4?' }];
/** The scripted model looks at the last character: it continues the first with words, and answers the second as it does a chat. */
const TEXT = 'one,';
const LINE = 'one\n';
const SCHEMA = {
  type: 'object',
  properties: { n: { type: 'integer' } },
  required: ['n'],
  additionalProperties: false,
};
const TOOLS = { add: { description: 'Adds.', schema: SCHEMA } };

const once = { maxRetries: 0, model: 'scripted' } as const;

async function llama(where: Where): Promise<RemoteSession> {
  return (await connect({ ...where, ...once, server: 'llama-server' })).createSession();
}

async function plain(where: Where): Promise<RemoteSession> {
  return (await connect({ ...where, ...once, server: 'openai' })).createSession();
}

async function chunksOf(stream: ReadableStream<RemoteChunk>): Promise<RemoteChunk[]> {
  const chunks: RemoteChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const streamed = async (
  session: Promise<RemoteSession>,
  prompt: Prompt,
  options?: RemoteGenerateOptions,
): Promise<RemoteChunk[]> => chunksOf((await session).generate(prompt, options));

const failure = (answer: Promise<unknown>): Promise<Error | undefined> =>
  answer.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error('What was thrown is no error.')),
  );

/** Of a llama-server that has the scripted model `words`, and a context of 512 tokens. */
export const words = {
  kindOfServer: async (where: Where) => (await connect({ ...where, maxRetries: 0 })).info,
  chat: (where: Where) => streamed(llama(where), CHAT),
  wholeChat: async (where: Where) => (await llama(where)).complete(CHAT),
  secondTurn: async (where: Where) => {
    const session = await llama(where);
    await chunksOf(session.send('What is 3 + 4?'));
    const chunks = await chunksOf(session.send('Again.'));
    return { chunks, messages: session.messages };
  },
  templateVariables: async (where: Where) =>
    (await llama(where)).complete(CHAT, { templateOptions: { lang: 'German' }, maxTokens: 2 }),
  text: (where: Where) => streamed(llama(where), TEXT),
  ids: async (where: Where) => (await llama(where)).complete({ tokenIds: [111, 110, 101, 44] }),
  logprobs: (where: Where) => streamed(llama(where), TEXT, { logprobs: 2 }),
  wholeLogprobs: async (where: Where) => (await llama(where)).complete(LINE, { logprobs: 0 }),
  /** What may become a stop string is held back, and given out when it has not. */
  heldBack: (where: Where) => streamed(llama(where), TEXT, { logprobs: 0, stop: 'STOP!!' }),
  stopString: (where: Where) => streamed(llama(where), TEXT, { stop: 'STO' }),
  stopStringInAWhole: async (where: Where) => (await llama(where)).complete(TEXT, { stop: ['STO'] }),
  mostTokens: (where: Where) => streamed(llama(where), TEXT, { maxTokens: 3 }),
  everyOption: async (where: Where) =>
    (await llama(where)).complete(TEXT, {
      maxTokens: 4,
      temperature: 0.5,
      topK: 5,
      topP: 0.75,
      minP: 0.125,
      seed: 7,
      repetitionPenalty: 1.25,
      frequencyPenalty: 0.5,
      presencePenalty: 0.25,
      logitBias: { 5: -2 },
      bannedTokens: [6],
      stop: ['?'],
    }),
  json: (where: Where) => streamed(llama(where), LINE, { responseFormat: { type: 'json', schema: SCHEMA } }),
  wholeJson: async (where: Where) =>
    (await llama(where)).complete(LINE, { responseFormat: { type: 'json', schema: SCHEMA } }),
  choice: async (where: Where) =>
    (await llama(where)).complete(TEXT, { responseFormat: { type: 'choice', options: ['a "b"', 'c\\d\n'] } }),
  grammar: (where: Where) =>
    streamed(llama(where), LINE, { responseFormat: { type: 'grammar', ebnf: 'root ::= "7 🙂 да"' } }),
  fullContext: async (where: Where) =>
    (await llama(where)).complete(TEXT, { responseFormat: { type: 'grammar', ebnf: 'root ::= "7"+' } }),
  tooLong: async (where: Where) => failure((await llama(where)).complete('7'.repeat(600))),
  tooLongStreamed: (where: Where) => failure(streamed(llama(where), '7'.repeat(600))),
  wrongGrammar: (where: Where) =>
    failure(streamed(llama(where), TEXT, { responseFormat: { type: 'grammar', ebnf: 'root ::= none' } })),
  wrongSchema: (where: Where) =>
    failure(streamed(llama(where), TEXT, { responseFormat: { type: 'json', schema: { type: 'nothing' } } })),
  noSuchPath: (where: Where) =>
    failure(connect({ ...where, maxRetries: 0, baseURL: String(where.baseURL).replace('/v1', '/other/v1') })),
  openAiChat: (where: Where) => streamed(plain(where), CHAT),
  openAiText: (where: Where) => streamed(plain(where), TEXT, { maxTokens: 4, logprobs: 2 }),
  openAiLogprobs: (where: Where) => streamed(plain(where), CHAT, { logprobs: 1 }),
  openAiJson: async (where: Where) =>
    (await plain(where)).complete(CHAT, { responseFormat: { type: 'json', schema: SCHEMA } }),
  openAiTooLong: (where: Where) => failure(streamed(plain(where), '7'.repeat(600))),
};

/** Of one that has the scripted model `call`. */
export const call = {
  call: (where: Where) => streamed(llama(where), CHAT, { tools: TOOLS }),
  wholeCall: async (where: Where) => (await llama(where)).complete(CHAT, { tools: TOOLS }),
  afterTheCall: async (where: Where) => {
    const toolCalls = [{ id: 'c1', function: { name: 'add', arguments: { n: 7 } } }];
    const conversation = [
      ...CHAT,
      { role: 'assistant', content: 'Wait.', tool_calls: toolCalls },
      { role: 'tool', content: '7', tool_call_id: 'c1' },
    ];
    return (await llama(where)).complete(conversation, { tools: TOOLS, maxTokens: 1 });
  },
  openAiCall: (where: Where) => streamed(plain(where), CHAT, { tools: TOOLS }),
  openAiForcedCall: (where: Where) =>
    streamed(plain(where), CHAT, { tools: TOOLS, toolChoice: { name: 'add' }, parallelToolCalls: false }),
};

/** Of one that was started with `--api-key`, which is not given. */
export const locked = {
  withoutKey: (where: Where) => failure(connect({ ...where, maxRetries: 0 })),
  answerWithoutKey: (where: Where) => failure(streamed(llama(where), TEXT)),
};

/** Of one that has just been started: asked until it answers. */
export const loading = {
  notYet: async (where: Where) => {
    for (;;) {
      const error = await failure(streamed(llama(where), TEXT));
      if (error === undefined)
        throw new Error('The model was loaded before it could be asked. Start the server again.');
      if (!/cannot be reached/.test(error.message)) return error;
      await sleep(1);
    }
  },
};

export const GROUPS = { words, call, locked, loading };
