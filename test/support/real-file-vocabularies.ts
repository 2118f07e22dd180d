// Vocabularies laid out as those of real model files: the published ones where a package has them, else the same marks at the
// same ids around tokens of Llama 3. Each with an encoder that shares nothing with ours but the cutting of words.
import { Tokenizer as Independent } from '@huggingface/tokenizers';
import llama from 'llama-tokenizer-js';
import { TokenType } from '../../src/tokenizer/spec';
import { numbers, text, texts, type GgufValue } from './gguf-writer';
import { llama3Merges, llama3Tokens } from './llama3-vocabulary';
import { gpt2Vocabulary, readQwenJson } from './tiktoken-vocabularies';

const LLAMA3_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const QWEN_WORDS = LLAMA3_WORDS.replace('\\p{N}{1,3}', '\\p{N}');
const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const {
  normal: TEXT,
  unknown: UNKNOWN,
  control: CONTROL,
  userDefined: USER_DEFINED,
  unused: UNUSED,
  byte: BYTE,
} = TokenType;

/** A vocabulary, as a file has it. */
export interface FileVocabulary {
  tokens: readonly string[];
  /** `tokenizer.ggml.…` but for the ids of special tokens. */
  metadata: [string, GgufValue][];
  /** The tokenizer.json of a byte-level one, which is made when it is asked for. */
  json?: () => object;
  /** The ids of `text`, the marks written in it recognised. */
  encode: (text: string) => number[];
}

/** Byte-level BPE. `pre` is left out of the metadata if undefined. */
function byteLevel(
  tokens: readonly string[],
  types: readonly number[],
  merges: readonly string[],
  words: string,
  ignoreMerges: boolean,
  pre?: string,
): FileVocabulary {
  const json = once(() => jsonOf(tokens, types, merges, words, ignoreMerges));
  const independent = once(() => new Independent(json(), {}));
  return {
    tokens,
    metadata: [
      ['tokenizer.ggml.model', text('gpt2')],
      ...(pre === undefined ? [] : [['tokenizer.ggml.pre', text(pre)] satisfies [string, GgufValue]]),
      ['tokenizer.ggml.tokens', texts(tokens)],
      ['tokenizer.ggml.token_type', numbers('i32', types)],
      ['tokenizer.ggml.merges', texts(merges)],
    ],
    json,
    encode: (line) => independent().encode(line, { add_special_tokens: false }).ids,
  };
}

/** The tokenizer.json of a byte-level vocabulary. */
function jsonOf(
  tokens: readonly string[],
  types: readonly number[],
  merges: readonly string[],
  words: string,
  ignoreMerges: boolean,
): object {
  const isAdded = (id: number): boolean => types[id] === CONTROL || types[id] === USER_DEFINED;
  return {
    version: '1.0',
    added_tokens: tokens.flatMap((content, id) =>
      isAdded(id) ? [{ id, content, special: types[id] === CONTROL, normalized: false }] : [],
    ),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: words }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.flatMap((token, id) => (isAdded(id) ? [] : [[token, id]]))),
      merges,
      ignore_merges: ignoreMerges,
      unk_token: null,
      byte_fallback: false,
    },
  };
}

/** Llama 3, 128,256 tokens. `write` is how the file has a control token. */
export function llama3(pre?: string, write = (token: string): string => token): FileVocabulary {
  const tokens = llama3Tokens();
  const types = tokens.map((_, id): number => (id < 128_000 ? TEXT : CONTROL));
  const merges = llama3Merges();
  const stored = tokens.map((token, id) => (id < 128_000 ? token : write(token)));
  const sound = byteLevel(tokens, types, merges, LLAMA3_WORDS, true, pre);
  return {
    ...byteLevel(stored, types, merges, LLAMA3_WORDS, true, pre),
    encode: sound.encode,
    json: sound.json,
  };
}

const FALCON_MARKS = [
  ...['TITLE', 'ABSTRACT', 'INTRODUCTION', 'SUMMARY', 'COMMENT', 'ANSWER', 'QUESTION', 'DOMAIN'],
  ...['PREFIX', 'SUFFIX', 'MIDDLE'],
].map((name) => `>>${name}<<`);

/** Falcon3's 131,072 tokens: eleven marks, the end at 11, then text. `untold`: all types are 1, and there is no `pre`. */
export function falcon3(untold = false): FileVocabulary {
  const words = llama3Tokens().slice(0, 128_000);
  const begin = [...FALCON_MARKS, '<|endoftext|>'];
  const unused = Array.from({ length: 131_072 - begin.length - words.length }, (_, i) => `>>UNUSED_${i}<<`);
  const tokens = [...begin, ...words, ...unused];
  const types = tokens.map((_, id): number =>
    id >= begin.length && id < begin.length + words.length ? TEXT : CONTROL,
  );
  const merges = llama3Merges();
  const told = byteLevel(tokens, types, merges, LLAMA3_WORDS, true, 'falcon3');
  if (!untold) return told;
  const { metadata } = byteLevel(
    tokens,
    types.map(() => TEXT),
    merges,
    LLAMA3_WORDS,
    true,
  );
  return { ...told, metadata };
}

/** Falcon-E's 32,768 tokens: marks first, the end of text at 11. */
export function falconE(): FileVocabulary {
  const named: Record<number, string> = {
    11: '<|end_of_text|>',
    17: '<|begin_of_text|>',
    227: '<|im_start|>',
    228: '<|im_end|>',
  };
  const marks = Array.from({ length: 512 }, (_, id) => named[id] ?? `>>UNUSED_${id}<<`);
  const words = llama3Tokens().slice(0, 32_768 - marks.length);
  const known = new Set(words);
  const merges = llama3Merges().filter((pair) => {
    const [left = '', right = ''] = pair.split(' ');
    return known.has(left) && known.has(right) && known.has(left + right);
  });
  const types: number[] = [...marks.map(() => CONTROL), ...words.map(() => TEXT)];
  return byteLevel([...marks, ...words], types, merges, LLAMA3_WORDS, true, 'falcon_e');
}

/** Qwen3's 151,669 tokens: those of Qwen 2.5 and four more; `padded` to the 151,936 rows of its embedding. */
export function qwen3(padded = false): FileVocabulary {
  const { model, added_tokens: added } = readQwenJson();
  const words = Object.entries(model.vocab).sort(([, a], [, b]) => a - b);
  const more = ['<tool_response>', '</tool_response>', '<think>', '</think>'];
  const unused = Array.from({ length: padded ? 151_936 - 151_669 : 0 }, (_, i) => `[PAD${151_669 + i}]`);
  const tokens = [
    ...words.map(([token]) => token),
    ...added.map(({ content }) => content),
    ...more,
    ...unused,
  ];
  const types: number[] = [
    ...words.map(() => TEXT),
    ...added.map(({ special }) => (special ? CONTROL : USER_DEFINED)),
    ...more.map(() => USER_DEFINED),
    ...unused.map(() => UNUSED),
  ];
  const merges = model.merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')));
  return byteLevel(tokens, types, merges, QWEN_WORDS, false, 'qwen2');
}

/** GPT-2's vocabulary, under another name for the same words. */
export function gpt2(pre: string): FileVocabulary {
  const { metadata, independent } = gpt2Vocabulary();
  independent.free();
  const read = <T>(key: string): T => metadata.get(`tokenizer.ggml.${key}`) as T;
  return byteLevel(read('tokens'), read('token_type'), read('merges'), GPT2_WORDS, false, pre);
}

/** The SentencePiece vocabulary of Llama 2 with two more tokens: that of bitnet_b1_58-large and -3B. */
export function llama2(): FileVocabulary {
  const tokens = [...llama.vocabById, '<pad>', '<extra>'];
  const types = tokens.map((_, id): number =>
    id === 0 ? UNKNOWN : id < 3 ? CONTROL : id < 259 ? BYTE : id < 32_000 ? TEXT : USER_DEFINED,
  );
  const scores = tokens.map((token, id) =>
    id < 259 || id >= 32_000 ? 0 : /^\u2581{2,}$/.test(token) ? -1e9 : 259 - id,
  );
  return {
    tokens,
    metadata: [
      ['tokenizer.ggml.model', text('llama')],
      ['tokenizer.ggml.pre', text('default')],
      ['tokenizer.ggml.tokens', texts(tokens)],
      ['tokenizer.ggml.scores', numbers('f32', scores)],
      ['tokenizer.ggml.token_type', numbers('i32', types)],
    ],
    encode: (line) => llama.encode(line, true, true),
  };
}

/** A vocabulary for files that are refused before it matters. */
export function smallest(): FileVocabulary {
  return byteLevel(['a', 'b', '<|end|>'], [TEXT, TEXT, CONTROL], [], GPT2_WORDS, false, 'gpt-2');
}

/** `make`, once. */
export function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}
