// Reads the tokenizer out of GGUF metadata (`tokenizer.ggml.*`).
import { knownVocabulary, preTokenizerNamed, type PreTokenizer } from './pre-tokenizers';
import { byteOfByteToken } from './sentencepiece';
import {
  checkSpec,
  corrupt,
  TokenType,
  unsupported,
  withControlTypes,
  withoutPlaceholder,
  type TokenizerSpec,
} from './spec';

/** Looks up one metadata value by its whole key; undefined where the file has none. */
export type MetadataGetter = (key: string) => unknown;

const PREFIX = 'tokenizer.ggml.';
const END_KEYS = ['eos_token_id', 'eot_token_id', 'eom_token_id'];
/** Lists of further ends, which some converters write for models with several. */
const END_LIST_KEYS = ['eos_token_ids', 'eog_token_ids'];

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

interface CommonSpec extends Pick<
  TokenizerSpec,
  | 'tokens'
  | 'tokenTypes'
  | 'bosId'
  | 'eosId'
  | 'unknownId'
  | 'endIds'
  | 'chatTemplate'
  | 'toolTemplate'
  | 'addEos'
> {
  /** Grows as the file is read. */
  adjustments: string[];
}

function readCommon(get: MetadataGetter): CommonSpec {
  const adjustments: string[] = [];
  const stored = readStrings(get, 'tokens');
  if (!stored) throw corrupt(`the key ${PREFIX}tokens is missing`);
  const tokens = repairControlTokens(stored, adjustments);
  const bosId = readId(get, 'bos_token_id');
  const endIds = readEnds(get);
  return {
    tokens,
    tokenTypes: readTokenTypes(get, tokens, [bosId, ...endIds], adjustments),
    bosId,
    eosId: readId(get, 'eos_token_id'),
    unknownId: readId(get, 'unknown_token_id'),
    endIds,
    chatTemplate: withoutPlaceholder(readTemplate(get, 'tokenizer.chat_template'), adjustments),
    toolTemplate: readTemplate(get, 'tokenizer.chat_template.tool_use'),
    addEos: readBoolean(get, 'add_eos_token') ?? false,
    adjustments,
  };
}

function readEnds(get: MetadataGetter): number[] {
  const single = END_KEYS.map((key) => readId(get, key)).filter((id) => id !== undefined);
  const listed = END_LIST_KEYS.flatMap((key) => Array.from(readNumbers(get, key) ?? []));
  return [...new Set([...single, ...listed])];
}

function readTemplate(get: MetadataGetter, key: string): string | undefined {
  const template = get(key);
  return typeof template === 'string' ? template : undefined;
}

function byteLevelSpec(get: MetadataGetter, base: CommonSpec): TokenizerSpec {
  const merges = readStrings(get, 'merges');
  if (!merges) throw corrupt(`the key ${PREFIX}merges is missing`);
  const [preTokenizer, rules] = readPreTokenizer(get, base);
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

function readPreTokenizer(
  get: MetadataGetter,
  { tokens, adjustments }: Pick<CommonSpec, 'tokens' | 'adjustments'>,
): [string, PreTokenizer] {
  const given = readString(get, 'pre');
  const name = given === undefined || given === 'default' ? unnamed(given, tokens, adjustments) : given;
  const rules = preTokenizerNamed(name);
  if (!rules) throw unsupported(`the pre-tokenizer "${name}"`);
  return [name, rules];
}

/** The pre-tokenizer of a file that names none, or `default`: that of its vocabulary, or else llama.cpp's default. */
function unnamed(given: string | undefined, tokens: readonly string[], adjustments: string[]): string {
  const known = knownVocabulary(tokens);
  if (known) {
    adjustments.push(
      `The file names no pre-tokenizer; its vocabulary is that of ${known.of}, whose rules ` +
        `(${known.preTokenizer}) are used.`,
    );
    return known.preTokenizer;
  }
  if (given === undefined) {
    adjustments.push(
      'The file names no pre-tokenizer, and its vocabulary is none that is known: ' +
        'text is cut by the default rules of llama.cpp, which need not be those of the model.',
    );
  }
  return 'default';
}

function readTokenTypes(
  get: MetadataGetter,
  tokens: readonly string[],
  named: readonly (number | undefined)[],
  adjustments: string[],
): ArrayLike<number> {
  const given = readNumbers(get, 'token_type') ?? tokens.map((): number => TokenType.normal);
  const isUntold = Array.from(given).every((type) => type === TokenType.normal);
  const types = isUntold && given.length === tokens.length ? tokens.map(typeByText) : given;
  if (types !== given && Array.from(types).some((type) => type !== TokenType.normal)) {
    adjustments.push(
      'The file calls all tokens plain text: those that are written as marks (<|…|>, >>…<<, <0x…>) are taken as what they look like.',
    );
  }
  return withControlTypes(types, tokens, named);
}

/** What a token is by its looks, for files that do not say. Old converters wrote the Falcon3 models so. */
function typeByText(text: string): number {
  if (/^(<\|[^|<>]+\|>|>>[A-Z][A-Z0-9_]*<<)$/.test(text)) return TokenType.control;
  return byteOfByteToken(text) === undefined ? TokenType.normal : TokenType.byte;
}

const DOUBLED = '<|begin_of_text|><|';

/**
 * Converters have written every control token of Llama 3 with a begin-of-text in front (`<|begin_of_text|><|eot_id|>`):
 * bitnet.cpp's files of Llama3-8B-1.58 are such. No sound vocabulary has a token of that form.
 */
function repairControlTokens(tokens: readonly string[], adjustments: string[]): string[] {
  const repaired = tokens.map((text) => (text.startsWith(DOUBLED) ? text.slice(DOUBLED.length - 2) : text));
  const count = repaired.filter((text, id) => text !== tokens[id]).length;
  if (count > 0) {
    adjustments.push(
      `${count} control tokens are written with a second '<|begin_of_text|>', which is taken off.`,
    );
  }
  return repaired;
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
