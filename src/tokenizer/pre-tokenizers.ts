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
    matches: (tokens) => /^(<\|begin_of_text\|>)+$/.test(tokens[128000] ?? ''),
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
