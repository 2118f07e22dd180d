// A real llama-server over `ternion/connect`: what it answered when it was recorded, asked again.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TernionError } from '../../../src/surfaces/connect';
import { type TemplateMessage } from '../../../src/tokenizer/chat-template';
import { answered, answerOf, exchangesOf, whole, type Ask } from '../../support/recorded-server';
import { call, loading, locked, words } from '../../support/server-questions';
import { textOf } from '../../support/server-recordings';
import { jinjaTemplate } from '../../support/templates';

const TEMPLATE = new URL('../../fixtures/servers/llama-server/template.jinja', import.meta.url);

/** What `/apply-template` is asked. */
interface ApplyTemplate {
  messages: TemplateMessage[];
  tools?: object[];
  chat_template_kwargs: Record<string, unknown>;
}

// The ids are those of tools/record-server/scripted-model.ts: of a byte the byte, of its words those from 256 on, in order.
const BYTES = { seven: 55, space: 32, smile: [240, 159, 153, 130], a: [208, 176] };
const [THINK, ADD, THOUGHT, D] = [256, 258, 259, 260];
const WORDS = [261, 59, 263, 46, 265, 33];
const END = 268;
/** Three tokens end within the smile, and one within the а. */
const ENDING_CHARACTERS = [THINK, ADD, THOUGHT, BYTES.seven, BYTES.space, BYTES.smile[3], D, BYTES.a[1], END];
const ALL = [THINK, ADD, THOUGHT, BYTES.seven, BYTES.space, ...BYTES.smile, D, ...BYTES.a, END];

describe('llama-server', () => {
  it('is recognised, with its model and the context that it was started with', async () => {
    expect(await answered(words.kindOfServer)).toEqual({
      kind: 'llama-server',
      baseURL: 'http://recorded/v1',
      model: 'scripted',
      contextLength: 512,
    });
  });

  it('streams a chat with the reasoning apart, without the ids of tokens that end within a character', async () => {
    const chunks = whole(await answered(words.chat));
    expect(chunks).toMatchObject({ text: '7 🙂 да', reasoning: 'Add.', finishReason: 'stop' });
    expect(chunks.tokenIds).toEqual(ENDING_CHARACTERS);
    expect(chunks.usage).toMatchObject({
      promptTokens: 34,
      completionTokens: ALL.length,
      missingTokenIds: 4,
      stopReason: END,
    });
  });

  it('gives all ids of a whole answer', async () => {
    const answer = await answered(words.wholeChat);
    expect(answer).toMatchObject({ text: '7 🙂 да', reasoning: 'Add.', tokenIds: ALL, finishReason: 'stop' });
    expect(answer.usage).toMatchObject({ completionTokens: ALL.length, missingTokenIds: 0, stopReason: END });
  });

  it('says how much of a second turn it had evaluated before', async () => {
    const { chunks, messages } = await answered(words.secondTurn);
    const { usage } = whole(chunks);
    // All of the first prompt; of the answer nothing, as its words are tokens of the script and are read back byte by byte.
    expect(usage).toMatchObject({ promptTokens: 95, cachedTokens: 34 });
    const said = { role: 'assistant', content: '7 🙂 да', reasoning_content: 'Add.' };
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    expect(messages.filter(({ role }) => role === 'assistant')).toEqual([said, said]);
  });

  it('gives the template its variables', async () => {
    const answer = await answered(words.templateVariables);
    expect(answer).toMatchObject({
      text: '',
      reasoning: 'Add.',
      tokenIds: [THINK, ADD],
      finishReason: 'length',
    });
    expect(exchangesOf(words.templateVariables).map(textOf)[0]).toContain('Answer in German.');
  });

  it('continues a text, and the ids of that text', async () => {
    const expected = { text: ' two; three.STOP!', tokenIds: [...WORDS, END], finishReason: 'stop' };
    expect(whole(await answered(words.text))).toMatchObject(expected);
    expect(await answered(words.ids)).toMatchObject(expected);
  });

  it('follows every option that is said to it', async () => {
    expect(await answered(words.everyOption)).toMatchObject({ finishReason: 'length' });
    const { generation_settings: understood } = JSON.parse(answerOf(words.everyOption)) as Record<
      string,
      unknown
    >;
    // Its own word of what it sampled with.
    expect(understood).toMatchObject({
      n_predict: 4,
      temperature: 0.5,
      top_k: 5,
      top_p: 0.75,
      min_p: 0.125,
      seed: 7,
      repeat_penalty: 1.25,
      repeat_last_n: 2 ** 20,
      frequency_penalty: 0.5,
      presence_penalty: 0.25,
      logit_bias: [
        { token: 5, bias: -2 },
        { token: 6, bias: -100 },
      ],
      stop: ['?'],
    });
  });

  it('ends at a stop string, at the most tokens, and where the context is full', async () => {
    const stopped = { text: ' two; three.', finishReason: 'stop', usage: { stopReason: 'STO' } };
    expect(whole(await answered(words.stopString))).toMatchObject(stopped);
    expect(await answered(words.stopStringInAWhole)).toMatchObject(stopped);
    const cut = whole(await answered(words.mostTokens));
    expect(cut).toMatchObject({ text: ' two; three', tokenIds: WORDS.slice(0, 3), finishReason: 'length' });
    const full = await answered(words.fullContext);
    expect(full.finishReason).toBe('length');
    expect((full.usage.promptTokens ?? 0) + full.tokenIds!.length).toBe(512);
  });

  it('says log-probabilities and alternatives with their ids', async () => {
    const { logprobs } = whole(await answered(words.logprobs));
    expect(logprobs.map(({ tokenId }) => tokenId)).toEqual([...WORDS, END]);
    // The head's weights are 1 and 0.9, and the norm makes √320 of a one-hot row: ln(1 + e^-1.789) = 0.155.
    expect(logprobs[0]).toMatchObject({ text: ' two', logprob: expect.closeTo(-0.155, 3) as number });
    expect(logprobs[0]?.alternatives).toEqual([
      { tokenId: 261, text: ' two', logprob: expect.closeTo(-0.155, 3) as number },
      { tokenId: 262, text: ' deux', logprob: expect.closeTo(-1.941, 3) as number },
    ]);
    expect(logprobs.every(({ alternatives }) => alternatives.length === 2)).toBe(true);
    const all = (await answered(words.wholeLogprobs)).logprobs ?? [];
    // Here too it says nothing of tokens that end within a character.
    expect(all.map(({ tokenId }) => tokenId)).toEqual(ENDING_CHARACTERS);
    expect(all.every(({ alternatives }) => alternatives.length === 0)).toBe(true);
  });

  it('gives a token that it held back its own text, though the text itself comes later', async () => {
    const chunks = await answered(words.heldBack);
    const { text, logprobs } = whole(chunks);
    expect(text).toBe(' two; three.STOP!');
    expect(logprobs.map(({ text }) => text)).toEqual([' two', ';', ' three', '.', 'STOP', '!', '']);
    expect(chunks.find(({ tokenIds }) => tokenIds?.includes(265))?.text).toBe('');
  });
});

describe('llama-server, held to a shape,', () => {
  it('writes JSON by a schema', async () => {
    expect(JSON.parse(whole(await answered(words.json)).text)).toEqual({ n: 7 });
    expect((await answered(words.wholeJson)).parsed).toEqual({ n: 7 });
  });

  it('chooses, and follows a grammar', async () => {
    expect(['a "b"', 'c\\d\n']).toContain((await answered(words.choice)).text);
    expect(whole(await answered(words.grammar)).text).toBe('7 🙂 да');
  });

  it('refuses what it cannot compile', async () => {
    for (const ask of [words.wrongGrammar, words.wrongSchema])
      expect(await answered(ask)).toMatchObject({ code: 'invalid-argument' });
  });
});

describe('llama-server, told of tools,', () => {
  const toolCall = { name: 'add', arguments: { n: 7 } };

  it('writes a call, which is found in its text', async () => {
    const { text, toolCalls, finishReason } = whole(await answered(call.call));
    expect({ text, finishReason }).toEqual({ text: 'Wait.\n', finishReason: 'tool-calls' });
    expect(JSON.parse(toolCalls.map(({ argumentsText }) => argumentsText).join(''))).toEqual({ n: 7 });
    expect((await answered(call.wholeCall)).toolCalls).toMatchObject([toolCall]);
  });

  it('calls on its OpenAI path too', async () => {
    for (const ask of [call.openAiCall, call.openAiForcedCall]) {
      const { text, toolCalls, finishReason, usage } = whole(await answered(ask));
      expect({ text: text.trim(), finishReason }).toEqual({ text: 'Wait.', finishReason: 'tool-calls' });
      expect(toolCalls[0]).toMatchObject({ index: 0, name: 'add', id: expect.stringMatching(/./) as string });
      expect(JSON.parse(toolCalls.map(({ argumentsText }) => argumentsText).join(''))).toEqual({ n: 7 });
      expect(usage?.completionTokens).toBe(9);
    }
  });
});

describe('llama-server as one of the kind `openai`', () => {
  it('streams a chat with reasoning and usage, and without ids', async () => {
    const chunks = await answered(words.openAiChat);
    expect(chunks.every(({ tokenIds }) => tokenIds === undefined)).toBe(true);
    const { text, reasoning, finishReason, usage } = whole(chunks);
    expect({ text, reasoning: reasoning.trim(), finishReason }).toEqual({
      text: '7 🙂 да',
      reasoning: 'Add.',
      finishReason: 'stop',
    });
    expect(usage).toMatchObject({ promptTokens: 34, completionTokens: ALL.length });
  });

  it('continues a text, and says log-probabilities in the shape of a chat on both paths', async () => {
    const continued = whole(await answered(words.openAiText));
    expect(continued).toMatchObject({ text: ' two; three.', finishReason: 'length' });
    expect(continued.logprobs.map(({ text }) => text)).toEqual([' two', ';', ' three', '.']);
    expect(continued.logprobs[0]?.alternatives.map(({ text }) => text)).toEqual([' two', ' deux']);
    const chat = whole(await answered(words.openAiLogprobs));
    expect(chat.logprobs.map(({ text }) => text)).toEqual([
      '<think>\n',
      'Add.',
      '\n</think>\n\n',
      '7',
      ' ',
      '🙂',
      ' д',
      'а',
    ]);
  });

  it('is held to a schema', async () => {
    expect((await answered(words.openAiJson)).parsed).toEqual({ n: 7 });
  });
});

const RENDERED: Ask<unknown>[] = [
  words.chat,
  words.secondTurn,
  words.templateVariables,
  call.call,
  call.afterTheCall,
];

it.each(RENDERED.map((ask) => [ask.name, ask] as const))(
  'llama-server makes the prompt of messages that their template makes here: %s',
  async (_, ask) => {
    await answered(ask);
    const template = jinjaTemplate(readFileSync(TEMPLATE, 'utf8'));
    const rendered = exchangesOf(ask).filter(({ path }) => path === '/apply-template');
    expect(rendered.length).toBeGreaterThan(0);
    for (const exchange of rendered) {
      const { messages, tools, chat_template_kwargs: variables } = exchange.body as ApplyTemplate;
      const prompt = template.render(messages.map(withArguments), {
        addGenerationPrompt: true,
        bosToken: '<|start|>',
        eosToken: '<|im_end|>',
        variables: { ...variables, ...(tools && { tools }) },
      });
      expect(JSON.parse(textOf(exchange))).toEqual({ prompt });
    }
  },
);

/** Arguments of calls go over HTTP as text, and are an object again before the template sees them. */
function withArguments({ tool_calls: calls, ...message }: TemplateMessage): TemplateMessage {
  if (!calls) return message;
  const parsed = calls.map((each) => {
    const { name, arguments: given } = each.function;
    const object = typeof given === 'string' ? (JSON.parse(given) as Record<string, unknown>) : given;
    return { ...each, function: { name, arguments: object } };
  });
  return { ...message, tool_calls: parsed };
}

describe('what llama-server refuses', () => {
  it.each<[string, Ask<unknown>, string, RegExp]>([
    ['a prompt that is too long', words.tooLong, 'context-overflow', /601 tokens/],
    ['one in a stream', words.tooLongStreamed, 'context-overflow', /512 tokens/],
    ['one on its OpenAI path', words.openAiTooLong, 'context-overflow', /601 tokens/],
    ['a path that it has not', words.noSuchPath, 'server-failed', /404: File Not Found/],
    ['a list of models without its key', locked.withoutKey, 'server-failed', /401: Invalid API Key/],
    ['an answer without its key', locked.answerWithoutKey, 'server-failed', /401: Invalid API Key/],
    ['an answer while its model is being loaded', loading.notYet, 'server-failed', /503: Loading model/],
  ])('%s is an error in its own words', async (_, ask, code, message) => {
    const error = await answered(ask);
    expect(error).toBeInstanceOf(TernionError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});
