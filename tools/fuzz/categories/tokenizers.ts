// Tokenizers: vocabularies that are made or damaged, and texts that have to come back as they went in.

import {
  StopMatcher,
  StreamingDetokenizer,
  Tokenizer,
  tokenizerSpecFromGguf,
  tokenizerSpecFromJson,
  type TokenizerSpec,
} from '../../../src/tokenizer';
import { byteOfCharacter } from '../../../src/tokenizer/byte-alphabet';
import { toWellFormed } from '../../../src/tokenizer/tokenizer';
import { sampleTexts } from '../../../test/support/sample-texts';
import { category, type Category } from '../category';
import type { Draw } from '../draw';
import { mutateJson, oddText } from '../mutate';
import { digest, lazily, repositoryFile } from './bases';

/** A vocabulary in one of the forms that files have it in, and texts. */
interface TokenizerCase {
  source:
    | { kind: 'gguf'; metadata: Record<string, unknown> }
    | { kind: 'json'; tokenizer: unknown; config: unknown };
  /** The vocabulary is a whole and sound one: every text comes back. */
  isSound: boolean;
  texts: string[];
  stop: string;
}

const FOLDER = 'test/fixtures/models/ternion-tiny-safetensors';
const CONTROL = ['<|begin|>', '<|end|>', '<|eot_id|>', '<|im_end|>'];
const PRE_TOKENIZERS = ['llama-bpe', 'qwen2', 'gpt-2', 'falcon', 'default', 'falcon3'];

/** The category of tokenizers. */
export function tokenizersCategory(): Category {
  const published = lazily(async () => ({
    tokenizer: await parsed('tokenizer.json'),
    config: await parsed('tokenizer_config.json'),
  }));
  return category<TokenizerCase>({
    name: 'tokenizers',
    share: 15,
    codes: ['corrupt-file', 'unsupported-tokenizer'],
    async generate(draw) {
      const { tokenizer, config } = await published();
      const rest = { texts: makeTexts(draw), stop: draw.pick(['a', 'the', '\n\n', '😀', 'ab', 'abab']) };
      switch (draw.below(6)) {
        case 0:
        case 1:
          return { ...rest, isSound: true, source: { kind: 'gguf', metadata: byteLevel(draw) } };
        case 2:
          return { ...rest, isSound: true, source: { kind: 'gguf', metadata: sentencePiece(draw) } };
        case 3:
          return { ...rest, isSound: false, source: { kind: 'gguf', metadata: damaged(draw) } };
        case 4:
          return { ...rest, isSound: true, source: { kind: 'json', tokenizer, config } };
        default: {
          const source = {
            kind: 'json',
            tokenizer: mutateJson(draw, tokenizer),
            config: mutateJson(draw, config),
          } as const;
          return { ...rest, isSound: false, source };
        }
      }
    },
    run: async (input) => digest(runTokenizer(input)),
    save: (input) => ({ 'input.json': JSON.stringify(input, null, 1) }),
  });
}

async function parsed(name: string): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await repositoryFile(`${FOLDER}/${name}`)));
}

function specOf({ source }: TokenizerCase): TokenizerSpec {
  if (source.kind === 'json') return tokenizerSpecFromJson(source.tokenizer, source.config);
  const metadata = new Map(Object.entries(source.metadata));
  return tokenizerSpecFromGguf((key) => metadata.get(key));
}

function runTokenizer(input: TokenizerCase): unknown {
  const spec = specOf(input);
  const tokenizer = new Tokenizer(spec);
  return input.texts.map((text) => {
    const ids = tokenizer.encode(text);
    checkIds(tokenizer, ids);
    if (input.isSound) checkRoundTrip(tokenizer, spec, text, ids);
    checkStreaming(tokenizer, ids, input.stop);
    return [ids, tokenizer.encode(text, { parseSpecial: true, addBos: true })];
  });
}

/** Plain text is made of tokens of the vocabulary, and never of control tokens. */
function checkIds(tokenizer: Tokenizer, ids: readonly number[]): void {
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.vocabularySize);
  if (wrong !== undefined) throw new Error(`${wrong} is no token of ${tokenizer.vocabularySize}`);
}

function checkRoundTrip(
  tokenizer: Tokenizer,
  spec: TokenizerSpec,
  text: string,
  ids: readonly number[],
): void {
  const control = ids.find((id) => tokenizer.isSpecial(id));
  if (control !== undefined)
    throw new Error(`plain text became the control token ${tokenizer.tokenText(control)}`);
  const back = tokenizer.decode(ids, { trimSpacePrefix: true });
  // SentencePiece writes a space as ▁, so it cannot tell one from the other.
  const sent = spec.model === 'llama' ? toWellFormed(text).replaceAll('▁', ' ') : toWellFormed(text);
  if (back !== sent) throw new Error(`${JSON.stringify(text)} came back as ${JSON.stringify(back)}`);
}

/** Text that comes token by token is the text that comes at once, and ends before the first stop string. */
function checkStreaming(tokenizer: Tokenizer, ids: readonly number[], stop: string): void {
  const whole = tokenizer.decode(ids);
  const detokenizer = new StreamingDetokenizer(tokenizer);
  const pieces = [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
  if (pieces.join('') !== whole) throw new Error(`streamed: ${pieces.join('')}; at once: ${whole}`);
  const matcher = new StopMatcher(stop);
  const stopped = pieces.map((piece) => matcher.push(piece).text).join('') + matcher.flush();
  if (stopped !== whole.split(stop)[0]) throw new Error(`stopped at ${stop}: ${stopped}; at once: ${whole}`);
}

function makeTexts(draw: Draw): string[] {
  const texts = sampleTexts(draw.between(1, 4), draw.below(1e6));
  if (draw.chance(0.3)) texts.push(draw.pick(CONTROL) + oddText(draw) + draw.pick(texts));
  // Long ones without a place to cut: what merges them must not take time in the square of their length.
  if (draw.chance(0.1))
    texts.push(draw.pick(['a', 'ab', ' ', '\n', '😀', 'é', '0']).repeat(draw.between(1, 10_000)));
  return texts;
}

/** A byte-level vocabulary with merges that make longer tokens of those before. */
function byteLevel(draw: Draw): Record<string, unknown> {
  const tokens = [...byteOfCharacter().keys()];
  const merges: string[] = [];
  const common = [...'etaoinshrdlu \u0120.,0123'].filter((each) => each !== ' ');
  for (let left = draw.below(200); left > 0; left--) {
    const part = (): string => (draw.chance(0.5) ? draw.pick(common) : draw.pick(tokens));
    const [a, b] = [part(), part()];
    if (tokens.includes(a + b) || a.length + b.length > 30) continue;
    tokens.push(a + b);
    merges.push(`${a} ${b}`);
  }
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': draw.pick(PRE_TOKENIZERS),
    'tokenizer.ggml.merges': merges,
    ...withControl(
      tokens,
      tokens.map(() => 1),
    ),
  };
}

/** A SentencePiece vocabulary: bytes, characters, and pieces with scores. */
function sentencePiece(draw: Draw): Record<string, unknown> {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const pieces = new Set<string>(['▁', ...'abcdefghijklmnopqrstuvwxyz']);
  for (let left = draw.below(200); left > 0; left--) {
    const all = [...pieces];
    const piece = draw.pick(all) + draw.pick(all);
    if (piece.length <= 16) pieces.add(piece);
  }
  const tokens = ['<unk>', ...bytes, ...pieces];
  const types = tokens.map((_, id) => (id === 0 ? 2 : id <= 256 ? 6 : 1));
  const all = withControl(tokens, types);
  return {
    ...all,
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.scores': all['tokenizer.ggml.tokens'].map(() => -draw.below(50)),
    'tokenizer.ggml.unknown_token_id': 0,
    'tokenizer.ggml.add_space_prefix': draw.chance(0.5),
  };
}

function withControl(
  tokens: readonly string[],
  types: readonly number[],
): Record<string, unknown> & { 'tokenizer.ggml.tokens': string[] } {
  return {
    'tokenizer.ggml.tokens': [...tokens, ...CONTROL],
    'tokenizer.ggml.token_type': [...types, ...CONTROL.map(() => 3)],
    'tokenizer.ggml.bos_token_id': tokens.length,
    'tokenizer.ggml.eos_token_id': tokens.length + 1,
  };
}

/** A sound vocabulary of either kind with one to three values that are others. */
function damaged(draw: Draw): Record<string, unknown> {
  const sound = draw.chance(0.5) ? byteLevel(draw) : sentencePiece(draw);
  // Of metadata there is always a table; what the keys are and what they hold is not sure.
  const mutated = mutateJson(draw, sound);
  return typeof mutated === 'object' && mutated !== null ? { ...mutated } : {};
}
