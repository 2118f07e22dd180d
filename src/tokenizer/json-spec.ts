// Reads the tokenizer out of the JSON files that stand beside safetensors: tokenizer.json and tokenizer_config.json.
import { GPT2_WORD_PATTERN, knownWordPattern } from './pre-tokenizers';
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

type Json = Record<string, unknown>;

/** What is asked for beside the two files of the tokenizer. */
export interface JsonSpecExtras {
  /** generation_config.json, parsed: it may name more tokens that end an answer. */
  generationConfig?: unknown;
  /** Rows of the model's embedding, which are often more than there are tokens; the missing ones become unused tokens. */
  vocabularySize?: number;
}

/** Unicode's punctuation, and ASCII's symbols with it, as the `Punctuation` pre-tokenizer means it. */
const PUNCTUATION = '[\\p{P}\\x21-\\x2F\\x3A-\\x40\\x5B-\\x60\\x7B-\\x7E]';
/** Each step takes its time for every text; published files have seven at most. */
const MAX_STEPS = 16;
const NORMALIZATIONS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;

/**
 * The tokenizer that the parsed files describe: byte-level BPE, or SentencePiece BPE with byte fallback.
 *
 * @throws TernionError `corrupt-file` where the files miss something or contradict themselves, `unsupported-tokenizer`
 *   for anything that would have to be guessed.
 */
export function tokenizerSpecFromJson(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  extras: JsonSpecExtras = {},
): TokenizerSpec {
  const file = objectAt(tokenizerJson, 'tokenizer.json');
  const model = objectAt(file.model, 'its model');
  if (model.type !== 'BPE' && model.type !== undefined)
    throw unsupported(`the tokenizer model "${nameOf(model.type)}"`);
  const isSentencePiece = model.byte_fallback === true;
  const vocabulary = readVocabulary(file, model, extras.vocabularySize ?? 0);
  if (isSentencePiece) markBytes(vocabulary, model.unk_token);
  const merges = readMerges(model.merges);
  const common = readConfig(file, vocabulary.ids, objectAt(tokenizerConfig, 'tokenizer_config.json'), extras);
  return checkSpec({
    tokens: vocabulary.tokens,
    tokenTypes: withControlTypes(vocabulary.types, vocabulary.tokens, [common.bosId, ...common.endIds]),
    ...common,
    ...(isSentencePiece ? sentencePieceRules(file, merges, vocabulary) : byteLevelRules(file, model, merges)),
  });
}

interface Vocabulary {
  tokens: string[];
  types: number[];
  ids: Map<string, number>;
}

function readVocabulary(file: Json, model: Json, size: number): Vocabulary {
  const entries = Object.entries(objectAt(model.vocab, 'its vocabulary'));
  const added = listAt(file.added_tokens ?? [], 'added_tokens').map((item) =>
    objectAt(item, 'an added token'),
  );
  const tokens: string[] = [];
  const types: number[] = [];
  // Some vocabularies have holes, but an id far beyond their number would make a small file a long list of them.
  const end = Math.max(size, 2 * (entries.length + added.length) + MAX_HOLES);
  const put = (text: unknown, id: unknown, type: number): void => {
    if (typeof text !== 'string' || !isId(id, end))
      throw corrupt(`its vocabulary has an entry ${String(text)}: ${String(id)}`);
    tokens[id] = text;
    types[id] = type;
  };
  for (const [text, id] of entries) put(text, id, TokenType.normal);
  for (const { content, id, special } of added) {
    put(content, id, special === true ? TokenType.control : TokenType.userDefined);
  }
  for (let id = 0; id < Math.max(size, tokens.length); id++) {
    if (tokens[id] === undefined) put(`[UNUSED_${id}]`, id, TokenType.unused);
  }
  return { tokens, types, ids: new Map(tokens.map((text, id) => [text, id])) };
}

const MAX_HOLES = 1 << 16;

function isId(id: unknown, end: number): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < end;
}

function markBytes({ tokens, types }: Vocabulary, unknown: unknown): void {
  tokens.forEach((text, id) => {
    if (byteOfByteToken(text) !== undefined) types[id] = TokenType.byte;
    else if (text === unknown) types[id] = TokenType.unknown;
  });
}

/** Merges as `left right` strings or as pairs, in either case given back as pairs. */
function readMerges(value: unknown): [string, string][] {
  return listAt(value, 'merges').map((item) => {
    const pair: unknown[] = typeof item === 'string' ? item.split(' ', 3) : Array.isArray(item) ? item : [];
    const [left, right] = pair;
    if (pair.length === 2 && typeof left === 'string' && typeof right === 'string') return [left, right];
    throw corrupt(`one of its merges is ${JSON.stringify(item)}`);
  });
}

type Rules = Pick<
  TokenizerSpec,
  'model' | 'merges' | 'scores' | 'wordPatterns' | 'ignoreMerges' | 'normalization' | 'addSpacePrefix'
>;

function byteLevelRules(file: Json, model: Json, merges: [string, string][]): Rules {
  return {
    model: 'gpt2',
    merges: merges.map((pair) => pair.join(' ')),
    scores: [],
    wordPatterns: readWordPatterns(file.pre_tokenizer),
    ignoreMerges: model.ignore_merges === true,
    normalization: readNormalization(file.normalizer),
    addSpacePrefix: false,
  };
}

/** Ranks of merges become scores of the pieces that they make: these files were converted the other way round. */
function sentencePieceRules(file: Json, merges: [string, string][], { tokens, ids }: Vocabulary): Rules {
  const scores = tokens.map(() => -Infinity);
  merges.forEach(([left, right], rank) => {
    const id = ids.get(left + right);
    if (id === undefined) throw corrupt(`there is no token for the merge of "${left}" and "${right}"`);
    if (scores[id] === -Infinity) scores[id] = -rank;
  });
  return {
    model: 'llama',
    merges: [],
    scores,
    wordPatterns: [],
    ignoreMerges: false,
    addSpacePrefix: readSpacePrefix(file),
  };
}

function readSpacePrefix(file: Json): boolean {
  const steps = [
    ...sequence(file.normalizer, 'normalizers'),
    ...sequence(file.pre_tokenizer, 'pretokenizers'),
  ];
  for (const step of steps) {
    const isKnown = step.type === 'Prepend' || step.type === 'Metaspace' || replacesSpaces(step);
    if (!isKnown) throw unsupported(`the step "${nameOf(step.type)}" of a SentencePiece tokenizer`);
  }
  return steps.some((step) => {
    if (step.type !== 'Metaspace') return step.type === 'Prepend';
    return step.prepend_scheme === undefined
      ? step.add_prefix_space !== false
      : step.prepend_scheme !== 'never';
  });
}

function replacesSpaces(step: Json): boolean {
  return (
    step.type === 'Replace' && objectAt(step.pattern, 'a pattern').String === ' ' && step.content === '\u2581'
  );
}

function readWordPatterns(preTokenizer: unknown): string[] {
  const steps = sequence(preTokenizer, 'pretokenizers');
  if (steps.length > MAX_STEPS) throw unsupported(`a pre-tokenizer of ${steps.length} steps`);
  const byteLevel = steps.pop();
  if (byteLevel?.type !== 'ByteLevel') throw unsupported('a pre-tokenizer that does not end with ByteLevel');
  if (byteLevel.add_prefix_space === true) throw unsupported('ByteLevel with a space put in front');
  const patterns = steps.map(wordPattern);
  return byteLevel.use_regex === false ? patterns : [...patterns, GPT2_WORD_PATTERN];
}

function wordPattern(step: Json): string {
  if (step.type === 'Split') return splitPattern(step);
  if (step.type === 'Digits') return step.individual_digits === true ? '\\p{N}' : '\\p{N}+';
  if (step.type === 'Punctuation' && step.behavior === 'Contiguous') return `${PUNCTUATION}+`;
  if (step.type === 'Punctuation' && (step.behavior ?? 'Isolated') === 'Isolated') return PUNCTUATION;
  throw unsupported(`the pre-tokenizer "${nameOf(step.type)}"`);
}

function splitPattern(step: Json): string {
  const pattern = objectAt(step.pattern, 'a pattern').Regex;
  // An inverted split that removes what it splits at keeps the matches, which is to isolate them.
  const isolates = step.behavior === 'Isolated' || (step.behavior === 'Removed' && step.invert === true);
  const known = typeof pattern === 'string' && isolates ? knownWordPattern(pattern) : undefined;
  if (known !== undefined) return known;
  throw unsupported(
    `a pre-tokenizer that splits by ${JSON.stringify(step.pattern)}, behavior "${nameOf(step.behavior)}"`,
  );
}

function readNormalization(normalizer: unknown): TokenizerSpec['normalization'] {
  const steps = sequence(normalizer, 'normalizers');
  const found = NORMALIZATIONS.find((name) => name === steps[0]?.type);
  if (steps.length > 1 || (steps.length === 1 && !found))
    throw unsupported(`the normalizer ${JSON.stringify(normalizer)}`);
  return found;
}

function readConfig(
  file: Json,
  ids: ReadonlyMap<string, number>,
  config: Json,
  extras: JsonSpecExtras,
): Pick<
  TokenizerSpec,
  | 'bosId'
  | 'eosId'
  | 'unknownId'
  | 'endIds'
  | 'addBos'
  | 'chatTemplate'
  | 'toolTemplate'
  | 'addEos'
  | 'adjustments'
> {
  const adjustments: string[] = [];
  const [bosId, eosId, unknownId] = ['bos_token', 'eos_token', 'unk_token'].map((key) =>
    namedToken(config, key, ids),
  );
  const ends = [eosId, ...generationEnds(extras.generationConfig)].filter((id) => id !== undefined);
  const addBos =
    typeof config.add_bos_token === 'boolean' ? config.add_bos_token : startsWithBos(file, config);
  return {
    bosId,
    eosId,
    unknownId,
    endIds: [...new Set(ends)],
    addBos: addBos && bosId !== undefined,
    chatTemplate: withoutPlaceholder(readTemplate(config.chat_template, 'default'), adjustments),
    addEos: config.add_eos_token === true && eosId !== undefined,
    toolTemplate: namedTemplate(config.chat_template, 'tool_use'),
    adjustments,
  };
}

function namedToken(config: Json, key: string, ids: ReadonlyMap<string, number>): number | undefined {
  const text = textOfToken(config[key]);
  if (text === undefined) return undefined;
  const id = ids.get(text);
  if (id === undefined) throw corrupt(`its ${key} "${text}" is not in the vocabulary`);
  return id;
}

function textOfToken(value: unknown): string | undefined {
  if (typeof value === 'object' && value !== null && 'content' in value) return textOfToken(value.content);
  return typeof value === 'string' ? value : undefined;
}

function generationEnds(generationConfig: unknown): number[] {
  if (generationConfig === undefined || generationConfig === null) return [];
  const value = objectAt(generationConfig, 'generation_config.json').eos_token_id;
  return [value].flat().filter((id): id is number => typeof id === 'number');
}

/** Whether the post-processor puts the begin-of-text token in front. */
function startsWithBos(file: Json, config: Json): boolean {
  const bos = textOfToken(config.bos_token);
  for (const step of sequence(file.post_processor, 'processors')) {
    if (step.type !== 'TemplateProcessing') continue;
    const [first] = listAt(step.single, 'a template');
    const special = objectAt(first, 'a template').SpecialToken;
    return special !== undefined && objectAt(special, 'a template').id === bos;
  }
  return false;
}

/** A template, or the one called `name` of several. Where none is, the first will do. */
function readTemplate(value: unknown, name: string): string | undefined {
  if (typeof value === 'string') return value;
  return namedTemplate(value, name) ?? templateIn(Array.isArray(value) ? value[0] : undefined);
}

function namedTemplate(value: unknown, name: string): string | undefined {
  if (!Array.isArray(value)) return undefined;
  return templateIn(value.find((item) => objectAt(item, 'a chat template').name === name));
}

function templateIn(item: unknown): string | undefined {
  const template = item === undefined ? undefined : objectAt(item, 'a chat template').template;
  return typeof template === 'string' ? template : undefined;
}

/** The steps of a component, which may be none, one, or a `Sequence` of them. */
function sequence(component: unknown, key: string): Json[] {
  if (component === undefined || component === null) return [];
  const step = objectAt(component, 'a component');
  return step.type === 'Sequence' ? listAt(step[key], key).flatMap((inner) => sequence(inner, key)) : [step];
}

function objectAt(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw corrupt(`${what} is missing or no object`);
}

function listAt(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw corrupt(`${what} is missing or no list`);
}

function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
