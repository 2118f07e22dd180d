// The pre-tokenizers by name: how byte-level BPE cuts text into words before it merges within them.

/** How a family of vocabularies cuts text into words. */
export interface PreTokenizer {
  /** Regular expressions, each applied to the pieces that the one before left. What they do not match stays a piece. */
  readonly wordPatterns: readonly string[];
  /** A word that is itself a token is that token. */
  readonly ignoreMerges: boolean;
  /** The models of this family begin their prompts with the begin-of-text token unless the file says otherwise. */
  readonly addBos: boolean;
}

const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const SPACES_AND_MARKS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const THREE_DIGITS = '[0-9][0-9][0-9]';

/** Numbers in groups of up to three digits. */
const LLAMA3: PreTokenizer = {
  wordPatterns: [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${SPACES_AND_MARKS}`],
  ignoreMerges: true,
  addBos: true,
};

/** As Llama 3, but digit by digit. */
const QWEN2: PreTokenizer = {
  wordPatterns: [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${SPACES_AND_MARKS}`],
  ignoreMerges: false,
  addBos: false,
};

const GPT_2: PreTokenizer = { wordPatterns: [GPT2], ignoreMerges: false, addBos: false };

const FALCON: PreTokenizer = {
  wordPatterns: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', GPT2, THREE_DIGITS],
  ignoreMerges: false,
  addBos: false,
};

const DEFAULT: PreTokenizer = {
  wordPatterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', THREE_DIGITS],
  ignoreMerges: false,
  addBos: false,
};

/** The pre-tokenizers by their name in GGUF (`tokenizer.ggml.pre`); names in one line mean the same rules in llama.cpp. */
const BY_NAME: ReadonlyMap<string, PreTokenizer> = new Map([
  // falcon_e is the name in the files of Falcon-E, which llama.cpp calls falcon-h1.
  ...named(LLAMA3, 'llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'falcon-h1', 'falcon_e'),
  ...named(QWEN2, 'qwen2', 'deepseek-r1-qwen'),
  ...named(GPT_2, 'gpt-2', 'olmo', 'gpt-neox', 'mpt', 'phi-2'),
  ...named(FALCON, 'falcon'),
  ...named(DEFAULT, 'default'),
]);

/** The pre-tokenizer of that name, or undefined if this version does not know it. */
export function preTokenizerNamed(name: string): PreTokenizer | undefined {
  return BY_NAME.get(name);
}

/** The word pattern of GPT-2, which the `ByteLevel` pre-tokenizer of a tokenizer.json applies by itself. */
export const GPT2_WORD_PATTERN = GPT2;

/** How files write the contractions: without regard to case, which JavaScript cannot say for a part of a pattern. */
const ANY_CASE = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const WORD = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const CAPITALISED = `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+`;
const CAPITALS = `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*`;
const MARKS_AND_SLASHES = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const ASCII_MARKS = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]';

/** The patterns that `Split` steps of published tokenizer.json files have, as these files write them. */
const PUBLISHED_PATTERNS: readonly string[] = [
  GPT2,
  // Llama 3, Falcon3, Granite, LFM2
  `${ANY_CASE}|${WORD}|\\p{N}{1,3}|${SPACES_AND_MARKS}`,
  // Qwen 2, 2.5 and 3
  `${ANY_CASE}|${WORD}|\\p{N}|${SPACES_AND_MARKS}`,
  // Qwen3.5
  `${ANY_CASE}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  // MiniCPM5, after `\p{N}{1,3}`
  `${ANY_CASE}|${WORD}|\\p{N}+|${SPACES_AND_MARKS}`,
  // gpt-oss and others with the vocabulary o200k
  `${CAPITALISED}${ANY_CASE}?|${CAPITALS}${ANY_CASE}?|\\p{N}{1,3}|${MARKS_AND_SLASHES}`,
  // Mistral's later ones, Nemotron
  `${CAPITALISED}|${CAPITALS}|\\p{N}|${MARKS_AND_SLASHES}`,
  // DeepSeek V3 and R1
  `${ASCII_MARKS}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  '[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+',
  '\\p{N}{1,3}',
  // DeepSeek Coder
  '[\\r\\n]',
  '\\s?\\p{L}+',
  '\\s?\\p{P}+',
  '[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+',
  // Falcon, and plain ways to set digits apart
  '[0-9][0-9][0-9]',
  '[0-9]',
  '\\d',
  '\\p{N}',
  '\\p{N}+',
];

const KNOWN_PATTERNS: ReadonlySet<string> = new Set(PUBLISHED_PATTERNS);

/**
 * A pattern of a file as one of JavaScript's, or undefined if no published file is known to have it. Patterns come from
 * files that anyone may have made, and JavaScript's take time without bounds for some (`(?:a+)+b`). Those that are known
 * take time in proportion to the text.
 */
export function knownWordPattern(pattern: string): string | undefined {
  // Some files have the characters themselves where others have escapes.
  const written = pattern.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
  return KNOWN_PATTERNS.has(written) ? written.replaceAll(ANY_CASE, CONTRACTIONS) : undefined;
}

/** A vocabulary that can be told by its tokens alone, and the rules that it was made with. */
interface KnownVocabulary {
  /** Whose it is, for people. */
  readonly of: string;
  readonly preTokenizer: string;
  readonly matches: (tokens: readonly string[]) => boolean;
}

const isFalcon = (tokens: readonly string[]): boolean =>
  tokens[0] === '>>TITLE<<' && tokens[11] === '<|endoftext|>';

const KNOWN_VOCABULARIES: readonly KnownVocabulary[] = [
  {
    of: 'Llama 3',
    preTokenizer: 'llama-bpe',
    matches: (tokens) => tokens[128000] === '<|begin_of_text|>',
  },
  { of: 'Qwen 2', preTokenizer: 'qwen2', matches: (tokens) => tokens[151643] === '<|endoftext|>' },
  // The first Falcon has the same first tokens; the sizes tell them apart.
  {
    of: 'Falcon3',
    preTokenizer: 'falcon3',
    matches: (tokens) => isFalcon(tokens) && tokens.length >= 131_072,
  },
  { of: 'Falcon', preTokenizer: 'falcon', matches: (tokens) => isFalcon(tokens) && tokens.length < 131_072 },
];

/**
 * What a vocabulary is that comes without a pre-tokenizer's name (or with `default`, which converters write when they do
 * not know): the official BitNet b1.58 files are such. Undefined if nothing in it is certain.
 */
export function knownVocabulary(
  tokens: readonly string[],
): Pick<KnownVocabulary, 'of' | 'preTokenizer'> | undefined {
  return KNOWN_VOCABULARIES.find(({ matches }) => matches(tokens));
}

function named(rules: PreTokenizer, ...names: string[]): [string, PreTokenizer][] {
  return names.map((name) => [name, rules]);
}
