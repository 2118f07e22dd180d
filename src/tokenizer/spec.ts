// What a tokenizer is made of, whatever file it came from: the one shape that the readers fill and `Tokenizer` takes.
import { TernionError } from '../errors';

/** The token types of GGUF (`tokenizer.ggml.token_type`). */
export const TokenType = {
  normal: 1,
  unknown: 2,
  /** Has a meaning and no text: begin of text, end of turn, … */
  control: 3,
  /** Text that is one token wherever it stands. */
  userDefined: 4,
  /** A row of the embedding that no text uses. */
  unused: 5,
  /** One byte, written `<0x0A>`: what SentencePiece falls back to. */
  byte: 6,
} as const;

/** Whether tokens of a type are what plain text is made of. Those of other types come of no spelling. */
export function isTextType(type: number | undefined): boolean {
  return type === TokenType.normal || type === TokenType.userDefined || type === 0;
}

/** A tokenizer as data. `tokenizerSpecFromGguf` and `tokenizerSpecFromJson` make one and have checked it. */
export interface TokenizerSpec {
  /** `gpt2`: byte-level BPE by merge ranks. `llama`: SentencePiece, merging by piece scores, with byte fallback. */
  model: 'gpt2' | 'llama';
  /** The text of each id: in the byte-level alphabet for `gpt2`, with ▁ for a space for `llama`. */
  tokens: readonly string[];
  /** A `TokenType` for each id. */
  tokenTypes: ArrayLike<number>;
  /** `gpt2` only: pairs to merge, best first, each as `left right`. */
  merges: readonly string[];
  /** `llama` only: a score for each id; the best-scored piece is merged first. */
  scores: ArrayLike<number>;
  /** `gpt2` only: the name of the rules in GGUF; undefined for those of a tokenizer.json, which are spelled out there. */
  preTokenizer?: string;
  /** `gpt2` only: regular expressions that cut text into words, applied one after the other. */
  wordPatterns: readonly string[];
  /** `gpt2` only: a word that is itself a token is that token, whatever its merges would give. */
  ignoreMerges: boolean;
  /** Unicode normalisation of text before it is encoded, where the model wants one. */
  normalization?: 'NFC' | 'NFD' | 'NFKC' | 'NFKD';
  bosId?: number;
  eosId?: number;
  unknownId?: number;
  /** Every id that the metadata names as an end: of sequence, of turn, of message. */
  endIds: readonly number[];
  /** A prompt begins with `bosId`. */
  addBos: boolean;
  /** Texts to be embedded end with `eosId`. Prompts to be continued never do. */
  addEos: boolean;
  /** `llama` only: text is encoded with a space in front. */
  addSpacePrefix: boolean;
  /** The Jinja source of the model's chat template, if it has one. */
  chatTemplate?: string;
  /** That of the template for conversations with tools, where the model has one of its own for them. */
  toolTemplate?: string;
  /** What was decided against the file's word, or without one: whole sentences for people. */
  adjustments: readonly string[];
}

/** Names under which vocabularies keep tokens that end an answer; they count where they are control tokens. */
export const WELL_KNOWN_END_TOKENS: readonly string[] = [
  '<|eot_id|>',
  '<|eom_id|>',
  '<|im_end|>',
  '<|end_of_text|>',
  '<|endoftext|>',
  '<|end|>',
  '<end_of_turn>',
  '<|end_of_turn|>',
  '<turn|>',
  '<EOT>',
  '</s>',
];

/** The template that bitnet.cpp's converter writes into every file. No model was trained with it: BitNet 2B4T loops. */
const PLACEHOLDER_TEMPLATE = 'BITNETAssistant';

/** `source`, unless it is a placeholder; then undefined, and `adjustments` says so. */
export function withoutPlaceholder(source: string | undefined, adjustments: string[]): string | undefined {
  if (!source?.includes(PLACEHOLDER_TEMPLATE)) return source;
  adjustments.push(
    `The chat template of the file is a converter's placeholder (it says '${PLACEHOLDER_TEMPLATE}'): ` +
      'that of the model family is used.',
  );
  return undefined;
}

/**
 * The types of all tokens, put right. What the files name as begin or end (`named`) is a control token whatever a
 * converter has made of it, and so is a token with the name of an end, if it is user-defined or nothing but a mark:
 * `<|im_end|>` is no text of anyone's, while a normal `</s>` may be HTML.
 */
export function withControlTypes(
  types: ArrayLike<number>,
  tokens: readonly string[],
  named: readonly (number | undefined)[],
): number[] {
  const ends = new Set(WELL_KNOWN_END_TOKENS);
  const isNamed = new Set(named);
  return Array.from(types, (type, id) => {
    const text = tokens[id] ?? '';
    const isMark = ends.has(text) && (type === TokenType.userDefined || /^<\|.*\|>$/.test(text));
    return isMark || isNamed.has(id) ? TokenType.control : type;
  });
}

/**
 * Checks what all readers must get right, and throws `corrupt-file` where it is not: one type for each token, ids within
 * the vocabulary, a begin-of-text token where one is to be added, no special token of an absurd length.
 */
export function checkSpec(spec: TokenizerSpec): TokenizerSpec {
  const count = spec.tokens.length;
  if (count === 0) throw corrupt('the vocabulary is empty');
  requireLength('token types', spec.tokenTypes.length, count);
  if (spec.model === 'llama') requireLength('scores', spec.scores.length, count);
  const ids = { bos: spec.bosId, eos: spec.eosId, unknown: spec.unknownId };
  for (const [name, id] of Object.entries(ids)) requireInVocabulary(name, id, count);
  for (const id of spec.endIds) requireInVocabulary('end', id, count);
  spec.tokens.forEach((text, id) => requireShort(text, id, spec.tokenTypes[id]));
  if (spec.addBos && spec.bosId === undefined) throw corrupt('it wants a begin-of-text token and has none');
  return spec;
}

/** A `corrupt-file` error about the tokenizer. */
export function corrupt(what: string): TernionError {
  return new TernionError('corrupt-file', `The tokenizer of this file cannot be right: ${shortened(what)}.`);
}

/** An `unsupported-tokenizer` error. */
export function unsupported(what: string): TernionError {
  return new TernionError('unsupported-tokenizer', `This tokenizer is not supported: ${shortened(what)}.`);
}

/** What a message quotes may be as long as the file. */
function shortened(what: string): string {
  return what.length > MAX_QUOTED ? `${what.slice(0, MAX_QUOTED)}…` : what;
}

const MAX_QUOTED = 300;

function requireLength(what: string, length: number, count: number): void {
  if (length !== count) throw corrupt(`${count} tokens but ${length} ${what}`);
}

/** Special tokens are looked for at every character of a text; the longest known have some fifty. */
const MAX_SPECIAL_LENGTH = 256;

function requireShort(text: string, id: number, type: number | undefined): void {
  const isSpecial =
    type === TokenType.control || type === TokenType.unknown || type === TokenType.userDefined;
  if (!isSpecial || text.length <= MAX_SPECIAL_LENGTH) return;
  throw corrupt(
    `the special token ${id} has ${text.length} characters, more than the ${MAX_SPECIAL_LENGTH} that one may have`,
  );
}

function requireInVocabulary(name: string, id: number | undefined, count: number): void {
  if (id === undefined || (Number.isInteger(id) && id >= 0 && id < count)) return;
  throw corrupt(`the ${name} token has id ${id}, and there are ${count} tokens`);
}
