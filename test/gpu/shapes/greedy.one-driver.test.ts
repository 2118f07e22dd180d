// Greedy answers of a given shape against the logits themselves: each token is the best of those that the grammar allows after the
// tokens before it, or one of those that nothing else could have stood in the place of.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineHost } from '../../../src/engine/engine-host';
import type { PlainFormat } from '../../../src/engine/types';
import { ThreadedGrammars, type GrammarVocabulary } from '../../../src/grammar/service';
import { grammarTokens } from '../../../src/engine/grammar-guide';
import { architectures } from '../../../src/model/architectures';
import { openModel } from '../../../src/model/open-model';
import { Tokenizer } from '../../../src/tokenizer';
import { optimiseKernels } from '../../support/dawn';
import { inProcess } from '../../support/grammar-threads';
import { fixtureFiles } from '../../support/model-files';
import { shapedEngine } from '../../support/shaped-engine';

optimiseKernels();

const QUESTIONS = [
  'What is the capital of Peru?',
  'Count from 3 to 9.',
  'Spell planet.',
  'Who are you?',
  'What is the opposite of loud?',
  'My name is Ravi.',
  'Tell me a story.',
  'What is 3 + 4?',
  'I like maps.',
  'Say hello in Japanese.',
];

const FORMATS: Record<string, PlainFormat> = {
  'an object': {
    type: 'json',
    schema: {
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 10 },
        kind: { enum: ['city', 'word', 'number'] },
        sure: { type: 'boolean' },
      },
      required: ['name', 'sure'],
    },
  },
  'an array': {
    type: 'json',
    schema: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 120 }, minItems: 2, maxItems: 4 },
  },
  'a regular expression': { type: 'regex', pattern: '[A-Za-z]{2,8}( [a-z]{1,8}){1,3}[.!]' },
  'a choice': {
    type: 'choice',
    options: ['Lima', 'quiet', 'planet', 'Ravi', 'maps', 'I am a model', 'I am a fox', 'こんにちは'],
  },
  'a grammar': { type: 'grammar', ebnf: 'root ::= part (", " part)*\npart ::= [0-9]+ | [a-z]{1,6}' },
};

let engine: EngineHost;
let vocabulary: GrammarVocabulary;
const service = new ThreadedGrammars(inProcess);

beforeAll(async () => {
  // One head for `nextLogits` and for generations.
  engine = await shapedEngine({ headPrecision: 'f16' });
  const { tokenizer: spec } = await openModel(
    fixtureFiles('public/models/ternion-tiny-i2_s.gguf'),
    architectures,
  );
  const tokens = grammarTokens(new Tokenizer(spec));
  const endIds = await Promise.all(
    ['<|end_of_text|>', '<|eot_id|>'].map(
      async (text) => (await engine.tokenize(text, { parseSpecial: true }))[0] ?? 0,
    ),
  );
  vocabulary = { tokens: () => tokens, endIds };
});
afterAll(async () => {
  service.dispose();
  await engine.dispose();
});

/** The likeliest of the tokens in `mask`. */
function best(logits: Float32Array, mask: Uint32Array): number {
  let found = -1;
  logits.forEach((logit, id) => {
    const isAllowed = (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
    if (isAllowed && (found < 0 || logit > (logits[found] ?? 0))) found = id;
  });
  return found;
}

describe.each(Object.entries(FORMATS))('%s', (_, format) => {
  it.each(QUESTIONS)('%s', async (question) => {
    const messages = [{ role: 'user', content: question }];
    const prompt = await engine.tokenize(messages);
    const session = engine.createSession();
    const { tokenIds } = await session.complete(messages, { responseFormat: format, maxTokens: 24 });
    await session.dispose();
    const state = await service.follow(vocabulary, { format });
    // Text that must come, and tokens of it that have.
    let forced = { text: '', from: 0 };
    for (const [i, id] of tokenIds.entries()) {
      const before = tokenIds.slice(0, i);
      const step = await state.after(before);
      expect(((step.mask[id >> 5] ?? 0) >>> (id & 31)) & 1, `token ${i} is allowed`).toBe(1);
      const since = await engine.detokenize(before.slice(forced.from));
      const isWithin =
        forced.text !== '' && forced.text.startsWith(since) && since.length < forced.text.length;
      if (!isWithin) forced = { text: step.forced, from: i };
      const said = (await engine.detokenize(tokenIds.slice(forced.from, i + 1))) || ' ';
      const isForced = step.ended || (forced.text !== '' && forced.text.startsWith(said));
      const isBest = best(await engine.nextLogits([...prompt, ...before]), step.mask) === id;
      expect(isForced || isBest, `token ${i} (${id}) is the best of those allowed`).toBe(true);
    }
    state.release();
  });
});
