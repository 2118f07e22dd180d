// Reads the tokenizer out of GGUF metadata (`tokenizer.ggml.*`).
import { preTokenizerNamed, preTokenizerNameOf, type PreTokenizer } from './pre-tokenizers';
import { checkSpec, corrupt, TokenType, unsupported, withControlTypes, type TokenizerSpec } from './spec';

/** Looks up one metadata value by its whole key; undefined where the file has none. */
export type MetadataGetter = (key: string) => unknown;

const PREFIX = 'tokenizer.ggml.';
const END_KEYS = ['eos_token_id', 'eot_token_id', 'eom_token_id'];

/**
 * The tokenizer that GGUF metadata describe. Defaults are those of llama.cpp.
 *
 * @throws TernionError `corrupt-file` where keys are missing or contradict each other, `unsupported-tokenizer` for a
 *   tokenizer model or pre-tokenizer that is not known.
 */
export function tokenizerSpecFromGguf(get: MetadataGetter): TokenizerSpec {
  const model = readString(get, 'model');
  if (model === undefined) throw corrupt(`the key ${PREFIX}model is missing`);
  if (model !== 'gpt2' && model !== 'llama') throw unsupported(`the tokenizer model "${model}"`);
  const base = readCommon(get);
  const spec = model === 'gpt2' ? byteLevelSpec(get, base) : sentencePieceSpec(get, base);
  return checkSpec(spec);
}

type CommonSpec = Pick<
  TokenizerSpec,
  'tokens' | 'tokenTypes' | 'bosId' | 'eosId' | 'unknownId' | 'endIds' | 'chatTemplate'
>;

function readCommon(get: MetadataGetter): CommonSpec {
  const tokens = readStrings(get, 'tokens');
  if (!tokens) throw corrupt(`the key ${PREFIX}tokens is missing`);
  const bosId = readId(get, 'bos_token_id');
  const endIds = END_KEYS.map((key) => readId(get, key)).filter((id) => id !== undefined);
  const tokenTypes = readTokenTypes(get, tokens, [bosId, ...endIds]);
  const template = get('tokenizer.chat_template');
  return {
    tokens: repairControlTokens(tokens, tokenTypes),
    tokenTypes,
    bosId,
    eosId: readId(get, 'eos_token_id'),
    unknownId: readId(get, 'unknown_token_id'),
    endIds,
    chatTemplate: typeof template === 'string' ? template : undefined,
  };
}

function byteLevelSpec(get: MetadataGetter, base: CommonSpec): TokenizerSpec {
  const merges = readStrings(get, 'merges');
  if (!merges) throw corrupt(`the key ${PREFIX}merges is missing`);
  const [preTokenizer, rules] = readPreTokenizer(get, base.tokens);
  return {
    ...base,
    model: 'gpt2',
    merges,
    scores: [],
    preTokenizer,
    wordPatterns: rules.wordPatterns,
    ignoreMerges: rules.ignoreMerges,
    addBos: readBoolean(get, 'add_bos_token') ?? (rules.addBos && base.bosId !== undefined),
    addSpacePrefix: false,
  };
}

function sentencePieceSpec(get: MetadataGetter, base: CommonSpec): TokenizerSpec {
  const scores = readNumbers(get, 'scores');
  if (!scores) throw corrupt(`the key ${PREFIX}scores is missing`);
  return {
    ...base,
    // What Llama's own vocabulary has, and the files of its time leave unsaid.
    bosId: base.bosId ?? 1,
    eosId: base.eosId ?? 2,
    unknownId: base.unknownId ?? 0,
    endIds: base.eosId === undefined ? [2, ...base.endIds] : base.endIds,
    model: 'llama',
    merges: [],
    scores,
    wordPatterns: [],
    ignoreMerges: false,
    addBos: readBoolean(get, 'add_bos_token') ?? true,
    addSpacePrefix: readBoolean(get, 'add_space_prefix') ?? true,
  };
}

function readPreTokenizer(get: MetadataGetter, tokens: readonly string[]): [string, PreTokenizer] {
  const given = readString(get, 'pre') ?? 'default';
  const name = given === 'default' ? preTokenizerNameOf(tokens) : given;
  const rules = preTokenizerNamed(name);
  if (!rules) throw unsupported(`the pre-tokenizer "${name}"`);
  return [name, rules];
}

function readTokenTypes(
  get: MetadataGetter,
  tokens: readonly string[],
  named: readonly (number | undefined)[],
): ArrayLike<number> {
  const given = readNumbers(get, 'token_type') ?? tokens.map((): number => TokenType.normal);
  return withControlTypes(given, tokens, named);
}

/**
 * Converters have written every control token of Llama 3 with a begin-of-text in front (`<|begin_of_text|><|eot_id|>`):
 * bitnet.cpp's files of Llama3-8B-1.58 are such. No sound vocabulary has a token of that form.
 */
function repairControlTokens(tokens: string[], types: ArrayLike<number>): string[] {
  const doubled = '<|begin_of_text|><';
  return tokens.map((text, id) =>
    types[id] === TokenType.control && text.startsWith(doubled) ? text.slice(doubled.length - 1) : text,
  );
}

function readString(get: MetadataGetter, key: string): string | undefined {
  const value = get(PREFIX + key);
  if (value === undefined || typeof value === 'string') return value;
  throw corrupt(`${PREFIX}${key} is no string`);
}

function readBoolean(get: MetadataGetter, key: string): boolean | undefined {
  const value = get(PREFIX + key);
  if (value === undefined || typeof value === 'boolean') return value;
  throw corrupt(`${PREFIX}${key} is neither true nor false`);
}

function readId(get: MetadataGetter, key: string): number | undefined {
  const value = get(PREFIX + key);
  if (value === undefined) return undefined;
  // Writers have used the largest uint32, that is -1, for "none".
  const id = typeof value === 'bigint' ? Number(value) : value;
  if (id === 0xffffffff || id === -1) return undefined;
  if (typeof id === 'number') return id;
  throw corrupt(`${PREFIX}${key} is no number`);
}

function readStrings(get: MetadataGetter, key: string): string[] | undefined {
  const value = get(PREFIX + key);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  throw corrupt(`${PREFIX}${key} is no list of strings`);
}

function readNumbers(get: MetadataGetter, key: string): ArrayLike<number> | undefined {
  const value = get(PREFIX + key);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item): item is number => typeof item === 'number')) return value;
  if (isNumberArray(value)) return value;
  throw corrupt(`${PREFIX}${key} is no list of numbers`);
}

function isNumberArray(value: unknown): value is Float32Array {
  return ArrayBuffer.isView(value) && 'length' in value && typeof Reflect.get(value, 0) !== 'bigint';
}
