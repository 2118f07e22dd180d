// Arguments: what a page may pass by mistake to a generation, a prompt, a chat template's options or an embedding.

import { encodeTexts } from '../../../src/engine/embedding';
import { encodePrompt } from '../../../src/engine/encode-prompt';
import { resolveOptions } from '../../../src/engine/sampling';
import { chatTemplate } from '../../../src/boundary/in-thread';
import { plainOptions } from '../../../src/boundary/answer-shapes';
import { generateOptions } from '../../../src/boundary/options';
import { prompt as promptReader, tokenIds, type ModelLimits } from '../../../src/boundary/prompts';
import { argument as read, list, options, text } from '../../../src/boundary/read';
import { architectures } from '../../../src/model/architectures';
import { openModel } from '../../../src/model/open-model';
import { bytesSource } from '../../../src/files/byte-source';
import { filesAtHand } from '../../../src/files/model-files';
import { ChatFormat, chatTemplateOf, Tokenizer } from '../../../src/tokenizer';
import { category, type Category } from '../category';
import type { Draw } from '../draw';
import { oddJson, oddNumber, oddText } from '../mutate';
import { digest, lazily, repositoryFile } from './bases';

/** Which resolver gets what. */
interface ArgumentsCase {
  target: keyof typeof TARGETS;
  argument: unknown;
}

function limitsOf({ vocabularySize }: Tokenizer): ModelLimits {
  return { vocabularySize, contextLength: 4096 };
}

/** What reads the arguments of the public entries, and what goes on with them: one entry is all that another takes. */
const TARGETS = {
  async generateOptions(given: unknown, { tokenizer }: ChatFormat): Promise<unknown> {
    const own = options(generateOptions(limitsOf(tokenizer), chatTemplate), given);
    const { logitsProcessor, ...plain } = await plainOptions(own);
    const { sampler, ...rest } = resolveOptions(plain, tokenizer.vocabularySize);
    const { seed, ...figures } = sampler;
    return [
      figures,
      { ...rest, logitBias: [...rest.logitBias] },
      typeof logitsProcessor,
      own.seed !== undefined && seed,
    ];
  },
  async chatOptions(given: unknown, chat: ChatFormat): Promise<unknown> {
    const own = options(generateOptions(limitsOf(chat.tokenizer), chatTemplate), given);
    return (await chat.with(own)).render([{ role: 'user', content: 'Hello' }]);
  },
  prompt(given: unknown, chat: ChatFormat): unknown {
    return encodePrompt(read(promptReader(limitsOf(chat.tokenizer)), given, 'prompt'), chat, []).ids;
  },
  tokenIds(given: unknown, { tokenizer }: ChatFormat): unknown {
    return [...read(tokenIds(tokenizer.vocabularySize), given, 'tokenIds')];
  },
  texts(given: unknown, { tokenizer }: ChatFormat): unknown {
    const texts = read(list(text(), { most: 2 ** 20, wanted: 'texts' }), given, 'texts');
    return encodeTexts(tokenizer, texts, '', 100);
  },
};

/** The category of arguments. */
export function argumentsCategory(): Category {
  const format = lazily(makeFormat);
  return category<ArgumentsCase>({
    name: 'arguments',
    share: 10,
    codes: ['invalid-argument', 'template-failed', 'context-overflow'],
    generate(draw) {
      const target = draw.pick(Object.keys(TARGETS) as (keyof typeof TARGETS)[]);
      return { target, argument: argumentFor(draw, target) };
    },
    run: async ({ target, argument }) => digest(await TARGETS[target](argument, await format())),
    save: ({ target, argument }) => ({ 'input.txt': `${target}: ${shown(argument, 4)}\n` }),
    varies: (message) => message.includes('it takes too long'),
  });
}

async function makeFormat(): Promise<ChatFormat> {
  const bytes = bytesSource(await repositoryFile('public/models/ternion-tiny-i2_s.gguf'));
  const { tokenizer, config } = await openModel(filesAtHand([{ name: 'model.gguf', bytes }]), architectures);
  return new ChatFormat(new Tokenizer(tokenizer), await chatTemplateOf(tokenizer, config.architecture));
}

function argumentFor(draw: Draw, target: ArgumentsCase['target']): unknown {
  switch (target) {
    case 'generateOptions':
      return fields(draw, GENERATE_FIELDS);
    case 'chatOptions':
      return fields(draw, CHAT_FIELDS);
    case 'prompt':
      return draw.chance(0.3) ? oddValue(draw) : prompt(draw);
    case 'tokenIds':
      return draw.chance(0.5)
        ? oddValue(draw)
        : draw.many(0, 9, () => (draw.chance(0.8) ? draw.below(1600) : oddValue(draw)));
    case 'texts':
      return draw.chance(0.5)
        ? oddValue(draw)
        : draw.many(0, 4, () => (draw.chance(0.8) ? oddText(draw) : oddValue(draw)));
  }
}

type Field = (draw: Draw) => unknown;

const GENERATE_FIELDS: Record<string, Field> = {
  maxTokens: (draw) => draw.below(1000),
  temperature: (draw) => draw.fraction() * 2,
  topK: (draw) => draw.below(100),
  topP: (draw) => draw.fraction(),
  minP: (draw) => draw.fraction(),
  repetitionPenalty: (draw) => 0.5 + draw.fraction(),
  frequencyPenalty: (draw) => draw.fraction() - 0.5,
  presencePenalty: (draw) => draw.fraction() - 0.5,
  logitBias: (draw) => Object.fromEntries(draw.many(0, 4, () => [draw.below(1700), oddNumber(draw)])),
  seed: (draw) => draw.below(2 ** 32),
  stop: (draw) => draw.many(0, 3, () => oddText(draw)),
  responseFormat: (draw) => formatFor(draw),
  tools: (draw) => Object.fromEntries(draw.many(0, 3, () => [oddText(draw), toolFor(draw)])),
  toolChoice: (draw) => draw.pick<unknown>(['auto', 'none', 'required', { name: oddText(draw) }]),
  parallelToolCalls: (draw) => draw.chance(0.5),
  allowedTokens: (draw) => draw.many(0, 9, () => draw.below(1700)),
  bannedTokens: (draw) => draw.many(0, 9, () => draw.below(1700)),
  beginsWith: (draw) => draw.many(0, 9, () => draw.below(1700)),
  logitsProcessor: (draw) => ({ url: draw.chance(0.5) ? 'https://example.com/a.js' : oddText(draw) }),
};

function formatFor(draw: Draw): unknown {
  return draw.pick<() => unknown>([
    () => ({ type: 'json', schema: oddJson(draw, 4) }),
    () => ({ type: 'regex', pattern: oddText(draw) }),
    () => ({ type: 'grammar', ebnf: oddText(draw) }),
    () => ({ type: 'choice', options: draw.many(0, 4, () => oddText(draw)) }),
  ])();
}

function toolFor(draw: Draw): unknown {
  return { description: oddText(draw), schema: draw.chance(0.5) ? oddJson(draw, 4) : { type: 'object' } };
}

const CHAT_FIELDS: Record<string, Field> = {
  chatTemplate: (draw) =>
    draw.pick<unknown>(['{{ messages[0].content }}', '{% if %}', () => 'x', () => 5, oddText(draw)]),
  templateOptions: (draw) => draw.pick([oddJson(draw, 4), { tools: oddJson(draw) }, { messages: 1 }]),
};

/** Some of the fields, each as it should be or as it should not. */
function fields(draw: Draw, makers: Readonly<Record<string, Field>>): Record<string, unknown> {
  const chosen = Object.entries(makers).filter(() => draw.chance(0.4));
  return Object.fromEntries(
    chosen.map(([name, make]) => [name, draw.chance(0.7) ? make(draw) : oddValue(draw)]),
  );
}

function prompt(draw: Draw): unknown {
  return draw.pick<() => unknown>([
    () => oddText(draw),
    () => ({ tokenIds: draw.many(0, 9, () => draw.below(1600)) }),
    () => ({ tokenIds: oddValue(draw) }),
    () => draw.many(0, 4, () => message(draw)),
  ])();
}

function message(draw: Draw): unknown {
  const good = { role: draw.pick(['user', 'assistant', 'system', 'tool']), content: oddText(draw) };
  if (draw.chance(0.5)) return good;
  const keys = ['role', 'content', 'tool_calls', 'tool_call_id', 'name', 'reasoning_content', 'extra'];
  return { ...good, [draw.pick(keys)]: draw.chance(0.5) ? oddValue(draw) : toolCalls(draw) };
}

function toolCalls(draw: Draw): unknown {
  return draw.many(0, 2, () => ({
    id: oddText(draw),
    function: { name: oddText(draw), arguments: oddJson(draw) },
  }));
}

/** A value of any type that JavaScript has. */
function oddValue(draw: Draw): unknown {
  return draw.pick<() => unknown>([
    () => oddJson(draw, 3),
    () => oddNumber(draw),
    () => oddText(draw),
    () => draw.pick([undefined, null, NaN, Infinity, -Infinity, 5n, true]),
    () =>
      draw.pick([
        Symbol('odd'),
        () => 1,
        class {},
        new Date(0),
        /a/,
        new Map([[1, 2]]),
        new Set(),
        Promise.resolve(1),
      ]),
    () =>
      draw.pick([
        new Uint8Array(5),
        new Float32Array([0.5, NaN]),
        new Int32Array([1, 2]),
        new BigInt64Array(2),
        new ArrayBuffer(8),
      ]),
    () =>
      draw.pick<unknown>([
        { length: 3 },
        { length: 1e9 },
        { length: -1 },
        { length: 2 ** 53 },
        { length: '3' },
        { length: NaN },
      ]),
    () =>
      draw.pick<unknown>([
        Object.create(null),
        { toString: 5 },
        { valueOf: () => 1 },
        new Array<number>(3),
        Object.assign(new Array<number>(2), { 1: 1 }),
      ]),
    () => nested(draw.pick([50, 99, 150, 5000])),
  ])();
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let left = depth; left > 0; left--) value = { a: value };
  return value;
}

/** A value for people, so many levels deep. */
function shown(value: unknown, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null)
    return typeof value === 'symbol' ? 'a symbol' : `${String(value)}`;
  if (depth === 0) return '…';
  const entries = Object.entries(value).slice(0, 20);
  const kind = (Object.getPrototypeOf(value) as object | null)?.constructor?.name ?? 'without prototype';
  return `${kind} {${entries.map(([key, each]) => `${key}: ${shown(each, depth - 1)}`).join(', ')}}`;
}
