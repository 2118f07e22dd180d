// Every argument of every public function, with every kind of value that may be given by mistake.
import { describe, expect, test } from 'vitest';
import { loadModel as loadInThread, planModel as planInThread } from '../../../src/boundary/in-thread';
import { deleteModel, loadModel, planModel } from '../../../src/boundary/page';
import type { ResponseFormat, ToolChoice } from '../../../src/engine/types';
import { TernionError } from '../../../src/errors';
import { collect } from '../../support/collect';
import { checkedRecorder, Through } from '../../support/recording-engine';
import { WRONG_VALUES, type WrongValue } from '../../support/wrong-values';

const engine = checkedRecorder();

type Call = (value: never) => Promise<unknown>;

/** What became of a call: it came through, or the code of its refusal; or it is none, and misuse has found a gap. */
async function outcomeOf(call: Call, value: unknown): Promise<string> {
  try {
    await call(value as never);
    return 'through';
  } catch (error) {
    // Loading and planning come to this point in a place without WebGPU.
    if (error instanceof Through || (error instanceof TernionError && error.code === 'webgpu-unavailable'))
      return 'through';
    return error instanceof TernionError ? error.code : `untyped: ${String(error)}`;
  }
}

/** All that is not refused with `invalid-argument`, and what becomes of it. */
async function notRefused(call: Call): Promise<Partial<Record<WrongValue, string>>> {
  const outcomes: Partial<Record<WrongValue, string>> = {};
  for (const [name, make] of Object.entries(WRONG_VALUES) as [WrongValue, () => unknown][]) {
    const outcome = await outcomeOf(call, make());
    if (outcome !== 'invalid-argument') outcomes[name] = outcome;
  }
  return outcomes;
}

// What each kind of argument takes of the values; everything else must be refused.
const STRING: WrongValue[] = ["''", "'1e3'"];
const TEXT: WrongValue[] = ["'1e3'"];
const NOTHING: WrongValue[] = [];
const FLAG: WrongValue[] = ['true'];
const FUNCTION: WrongValue[] = ['function', 'a hostile function'];
/** Objects of which nothing is read that is wrong; what they are for is not among them. */
const OBJECTS: WrongValue[] = [
  '{}',
  "{'': 1}",
  "{'1e3': 1}",
  '{x: null}',
  '{length: 1e8}',
  '{length: -1}',
  'an object in itself',
  'a throwing getter',
  'a throwing toString',
];
const JSON_OBJECTS: WrongValue[] = [
  '{}',
  "{'': 1}",
  "{'1e3': 1}",
  '{x: null}',
  '{length: 1e8}',
  '{length: -1}',
];

/** Name of the argument, a call with it, and what of the values is right there. */
type Row = [string, Call, readonly WrongValue[]];

const options = (
  call: (options: never) => Promise<unknown>,
  takes: Record<string, readonly WrongValue[]>,
): Row[] =>
  Object.entries(takes).map(([name, right]) => [
    `option ${name}`,
    (value) => call({ [name]: value } as never),
    right,
  ]);

const PLANNING = {
  signal: NOTHING,
  contextLength: NOTHING,
  memoryBudget: ['Infinity', '1.5', '1e300'],
  precision: NOTHING,
  headPrecision: NOTHING,
  kvCache: NOTHING,
  debug: STRING,
  headers: ['{}'],
  credentials: NOTHING,
  sha256: ['{}'],
  cache: FLAG,
  templateOptions: JSON_OBJECTS,
} satisfies Record<string, readonly WrongValue[]>;
const IN_THREAD = {
  chatTemplate: [...STRING, ...FUNCTION],
  device: FUNCTION,
  gpu: NOTHING,
  variants: JSON_OBJECTS,
};
const ON_PAGE = { chatTemplate: STRING, createWorker: FUNCTION };

const GENERATING = {
  maxTokens: ['0'],
  temperature: ['0', '1.5'],
  topK: ['0'],
  topP: ['0'],
  minP: ['0'],
  repetitionPenalty: ['1.5'],
  frequencyPenalty: ['-1', '0', '1.5'],
  presencePenalty: ['-1', '0', '1.5'],
  logitBias: ['{}'],
  seed: ['-1', '0'],
  stop: ["'1e3'", '[]'],
  logprobs: ['0'],
  contextOverflow: NOTHING,
  beginsWith: ['[]'],
  responseFormat: NOTHING,
  tools: ['{}'],
  toolChoice: NOTHING,
  parallelToolCalls: FLAG,
  allowedTokens: NOTHING,
  bannedTokens: ['[]'],
  logitsProcessor: NOTHING,
  signal: NOTHING,
  chatTemplate: STRING,
  templateOptions: JSON_OBJECTS,
} satisfies Record<string, readonly WrongValue[]>;

const session = engine.createSession();
const MESSAGE = { role: 'assistant', content: 'x' };
const message =
  (name: string): Call =>
  (value) =>
    collect(session.generate([{ ...MESSAGE, [name]: value }]));

const format =
  (made: (value: never) => unknown): Call =>
  (value) =>
    collect(session.generate('x', { responseFormat: made(value) as ResponseFormat }));

const tools =
  (made: (value: never) => unknown, toolChoice?: ToolChoice): Call =>
  (value) =>
    collect(session.generate('x', { tools: made(value) as never, toolChoice }));

const FUNCTIONS: Record<string, Row[]> = {
  'loadModel of a page': [
    ['source', (value) => loadModel(value), NOTHING],
    ['options', (value) => loadModel('./x', value), OBJECTS],
    ...options((given) => loadModel('./x', given), {
      ...PLANNING,
      ...ON_PAGE,
      onProgress: FUNCTION,
      onStatus: FUNCTION,
      streamTransport: NOTHING,
      shared: FLAG,
      suspendWhenHidden: [...FLAG, '0', '1.5'],
      createGrammarWorker: FUNCTION,
    }),
  ],
  'planModel of a page': [
    ['source', (value) => planModel(value), NOTHING],
    ['options', (value) => planModel('./x', value), OBJECTS],
    ...options((given) => planModel('./x', given), { ...PLANNING, ...ON_PAGE }),
  ],
  'loadModel in this thread': [
    ['source', (value) => loadInThread(value), NOTHING],
    ['options', (value) => loadInThread('./x', value), OBJECTS],
    ...options((given) => loadInThread('./x', given), {
      ...PLANNING,
      ...IN_THREAD,
      onProgress: FUNCTION,
      onStatus: FUNCTION,
      tuning: FLAG,
      tuningStore: NOTHING,
      createGrammarWorker: FUNCTION,
    }),
  ],
  'planModel in this thread': [
    ['source', (value) => planInThread(value), NOTHING],
    ['options', (value) => planInThread('./x', value), OBJECTS],
    ...options((given) => planInThread('./x', given), { ...PLANNING, ...IN_THREAD }),
  ],
  deleteModel: [
    ['model', (value) => deleteModel(value), TEXT],
    ['signal', (value) => deleteModel('https://example.com/x', value), NOTHING],
  ],
  'engine.load': [
    ['source', (value) => engine.load(value), NOTHING],
    ['options', (value) => engine.load('./x', value), OBJECTS],
    ...options((given) => engine.load('./x', given), {
      ...PLANNING,
      chatTemplate: STRING,
      onProgress: FUNCTION,
      onStatus: FUNCTION,
    }),
  ],
  'engine.tokenize': [
    ['text', (value) => engine.tokenize(value), STRING],
    ['options', (value) => engine.tokenize('x', value), OBJECTS],
    ...options((given) => engine.tokenize('x', given), {
      addBos: FLAG,
      parseSpecial: FLAG,
      chatTemplate: STRING,
      templateOptions: JSON_OBJECTS,
    }),
  ],
  'engine.detokenize': [
    ['tokenIds', (value) => engine.detokenize(value), ['[]']],
    ['options', (value) => engine.detokenize([1], value), OBJECTS],
    ...options((given) => engine.detokenize([1], given), { renderSpecial: FLAG }),
  ],
  'engine.embed': [
    ['texts', (value) => engine.embed(value), [...STRING, '[]', "['']"]],
    ['options', (value) => engine.embed('x', value), OBJECTS],
    ...options((given) => engine.embed('x', given), { prefix: STRING, signal: NOTHING }),
  ],
  'engine.nextLogits': [['tokenIds', (value) => engine.nextLogits(value), NOTHING]],
  'engine.profile': [
    ['options', (value) => engine.profile(value), OBJECTS],
    ...options((given) => engine.profile(given), {
      tokens: NOTHING,
      context: ['0'],
      repeats: NOTHING,
    }),
  ],
  'session.generate': [
    ['prompt', (value) => collect(session.generate(value)), TEXT],
    ['tokenIds', (value) => collect(session.generate({ tokenIds: value })), NOTHING],
    ['message', (value) => collect(session.generate([value])), NOTHING],
    ['role', message('role'), TEXT],
    ['content', message('content'), [...STRING, '[]']],
    ['part', (value) => collect(session.generate([{ role: 'user', content: [value] }])), NOTHING],
    ['tool_calls', message('tool_calls'), NOTHING],
    ['call', (value) => message('tool_calls')([value] as never), NOTHING],
    [
      'arguments',
      (value) => message('tool_calls')([{ function: { name: 'f', arguments: value } }] as never),
      [...STRING, ...JSON_OBJECTS],
    ],
    ['tool_call_id', message('tool_call_id'), STRING],
    ['name', message('name'), STRING],
    ['reasoning_content', message('reasoning_content'), STRING],
    ['options', (value) => collect(session.generate('x', value)), OBJECTS],
    ['schema', format((value) => ({ type: 'json', schema: value })), [...FLAG, ...JSON_OBJECTS]],
    ['pattern', format((value) => ({ type: 'regex', pattern: value })), STRING],
    ['ebnf', format((value) => ({ type: 'grammar', ebnf: value })), TEXT],
    ['choices', format((value) => ({ type: 'choice', options: value })), NOTHING],
    ['choice', format((value) => ({ type: 'choice', options: [value] })), TEXT],
    ['tool', tools((value) => ({ f: value })), NOTHING],
    ['description', tools((value) => ({ f: { description: value, schema: true } })), STRING],
    ['schema of a tool', tools((value) => ({ f: { schema: value } })), [...FLAG, ...JSON_OBJECTS]],
    ['name of a choice', (value) => tools(() => ({ f: { schema: true } }), { name: value })(value), NOTHING],
    ['url', (value) => collect(session.generate('x', { logitsProcessor: { url: value } })), NOTHING],
    ...options((given) => collect(session.generate('x', given)), GENERATING),
  ],
  'session.send': [
    ['text', (value) => collect(session.send(value)), TEXT],
    ['options', (value) => collect(session.send('x', value)), OBJECTS],
    ...options((given) => collect(session.send('x', given)), GENERATING),
  ],
  'session.complete': [
    ['prompt', (value) => session.complete(value), TEXT],
    [
      'tokenIds to shorten',
      (value) => session.complete({ tokenIds: value }, { contextOverflow: 'truncate-middle' }),
      NOTHING,
    ],
    ['options', (value) => session.complete('x', value), OBJECTS],
    ...options((given) => session.complete('x', given), GENERATING),
  ],
  'session.rewind': [
    ['to', (value) => session.rewind(value), ['0']],
    ['turns', (value) => session.rewind({ turns: value }), ['0']],
  ],
  'engine.restoreSession': [['blob', (value) => engine.restoreSession(value), NOTHING]],
};

describe.each(Object.entries(FUNCTIONS))(
  '%s refuses with invalid-argument all but what is right',
  (_name, rows) => {
    test.each(rows)('%s', async (_argument, call, right) => {
      const expected = Object.fromEntries(right.map((name) => [name, 'through']));
      expect(await notRefused(call)).toEqual(expected);
    });
  },
);

test('there are thousands of such calls', () => {
  const rows = Object.values(FUNCTIONS).flat().length;
  expect(rows * Object.keys(WRONG_VALUES).length).toBeGreaterThan(3000);
});
