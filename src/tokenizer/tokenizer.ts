// Text to ids and back, for every model of the project.
import { TernionError } from '../errors';
import { byteOfCharacter, bytesOfToken } from './byte-alphabet';
import { createByteLevelBpe, type TextModel } from './byte-level-bpe';
import { byteOfByteToken, createSentencePiece, SPACE_MARK } from './sentencepiece';
import { SpecialTokens, type Piece } from './special-tokens';
import { TokenType, WELL_KNOWN_END_TOKENS, type TokenizerSpec } from './spec';

/** How `Tokenizer.encode` treats what is not plain text. */
export interface EncodeOptions {
  /** Put the begin-of-text token in front, if the model has one. Default false. */
  addBos?: boolean;
  /** Recognise special tokens (control tokens) written in the text. Default false: they are text like any other. */
  parseSpecial?: boolean;
}

/** How `Tokenizer.decode` treats what is not plain text. */
export interface DecodeOptions {
  /** Write special tokens (control tokens) out. Default false: they have no text. */
  renderSpecial?: boolean;
  /**
   * Take off the space that SentencePiece models put in front of what they encode, so that decoding gives back the text
   * that was encoded. Default false: a continuation may well begin with a space of its own.
   */
  trimSpacePrefix?: boolean;
}

/** Bytes as text: replacement characters for invalid sequences as `TextDecoder` gives them; a byte order mark is kept. */
export function createTextDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}

/**
 * Text with each unpaired surrogate replaced by U+FFFD, as `TextEncoder` would. With the `u` flag the class matches
 * unpaired surrogates only.
 */
export function toWellFormed(text: string): string {
  return text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD');
}

/**
 * A vocabulary with its rules. Plain text never becomes a control token, however it is written; control tokens come from
 * `addBos`, or from text that is parsed with `parseSpecial`. User-defined tokens are always recognised.
 */
export class Tokenizer {
  /** Tokens in the vocabulary. */
  readonly vocabularySize: number;
  /** The begin-of-text token, if there is one. */
  readonly bosId: number | undefined;
  /** The end-of-sequence token, if there is one. */
  readonly eosId: number | undefined;
  /** Prompts begin with `bosId`. */
  readonly addBos: boolean;
  /** Texts to be embedded end with `eosId`. */
  readonly addEos: boolean;
  /** Tokens that end an answer. */
  readonly endIds: ReadonlySet<number>;
  readonly #spec: TokenizerSpec;
  readonly #model: TextModel;
  readonly #byteOfCharacter = byteOfCharacter();
  readonly #control: SpecialTokens;
  readonly #userDefined: SpecialTokens;
  readonly #all: SpecialTokens;

  /**
   * @param spec a checked spec, as `tokenizerSpecFromGguf` and `tokenizerSpecFromJson` give it.
   * @throws TernionError `corrupt-file` if the vocabulary cannot be built.
   */
  constructor(spec: TokenizerSpec) {
    this.#spec = spec;
    this.vocabularySize = spec.tokens.length;
    this.bosId = spec.bosId;
    this.eosId = spec.eosId;
    this.addBos = spec.addBos;
    this.addEos = spec.addEos;
    this.endIds = findEndIds(spec);
    this.#model = createModel(spec);
    const control = tokensOfTypes(spec, TokenType.control, TokenType.unknown);
    const userDefined = tokensOfTypes(spec, TokenType.userDefined);
    this.#control = new SpecialTokens(control);
    this.#userDefined = new SpecialTokens(userDefined);
    this.#all = new SpecialTokens([...control, ...userDefined]);
  }

  /** The ids of `text`. Unpaired surrogates count as U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const ids = options.addBos && this.bosId !== undefined ? [this.bosId] : [];
    const special = options.parseSpecial ? this.#all : this.#userDefined;
    for (const piece of special.split(this.#normalize(text))) {
      if ('id' in piece) ids.push(piece.id);
      else for (const id of this.#model.encode(piece.text)) ids.push(id);
    }
    return ids;
  }

  /** The text of `ids`: that of all their bytes in a row. Ids outside the vocabulary are `invalid-argument`. */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const decoder = createTextDecoder();
    let text = '';
    for (const id of Array.from(ids)) text += decoder.decode(this.bytes(id, options), { stream: true });
    text += decoder.decode();
    return options.trimSpacePrefix && this.#spec.addSpacePrefix && text.startsWith(' ')
      ? text.slice(1)
      : text;
  }

  /** The bytes that `id` adds to a text: those of the token, or none for a control token that is not to be rendered. */
  bytes(id: number, options: Pick<DecodeOptions, 'renderSpecial'> = {}): Uint8Array<ArrayBuffer> {
    return this.isSpecial(id) && !options.renderSpecial ? new Uint8Array() : this.tokenBytes(id);
  }

  /** The bytes of a token's own text, control tokens included. They need not be valid UTF-8 by themselves. */
  tokenBytes(id: number): Uint8Array<ArrayBuffer> {
    const text = this.tokenText(id);
    switch (this.#spec.tokenTypes[id]) {
      case TokenType.control:
      case TokenType.unknown:
      case TokenType.userDefined:
        return new TextEncoder().encode(text);
      case TokenType.byte:
        return Uint8Array.of(byteOfByteToken(text) ?? 0x3f);
      case TokenType.unused:
        return new Uint8Array();
      default:
        return this.#spec.model === 'gpt2'
          ? bytesOfToken(text, this.#byteOfCharacter)
          : new TextEncoder().encode(text.replaceAll(SPACE_MARK, ' '));
    }
  }

  /** A token as the vocabulary writes it. */
  tokenText(id: number): string {
    const text = this.#spec.tokens[id];
    if (text === undefined) throw outsideVocabulary(id, this.vocabularySize);
    return text;
  }

  /** The id of the control token with exactly this text, if there is one. */
  specialId(text: string): number | undefined {
    const [only, ...more] = this.#control.split(text);
    return only && 'id' in only && more.length === 0 ? only.id : undefined;
  }

  /** Whether `id` is a control token (or the unknown token): it has a meaning, and no text. */
  isSpecial(id: number): boolean {
    const type = this.#spec.tokenTypes[id];
    if (type === undefined) throw outsideVocabulary(id, this.vocabularySize);
    return type === TokenType.control || type === TokenType.unknown;
  }

  /** Cuts `text` at the control tokens written in it. */
  splitSpecial(text: string): Piece[] {
    return this.#control.split(text);
  }

  /** Where a tail of `text` that may yet become a control token begins; the length of `text` if it has none. */
  openSpecialTail(text: string): number {
    return this.#control.openTail(text);
  }

  #normalize(text: string): string {
    const wellFormed = toWellFormed(text);
    return this.#spec.normalization ? wellFormed.normalize(this.#spec.normalization) : wellFormed;
  }
}

function createModel(spec: TokenizerSpec): TextModel {
  try {
    return spec.model === 'gpt2' ? createByteLevelBpe(spec) : createSentencePiece(spec);
  } catch (cause) {
    throw new TernionError('corrupt-file', 'The vocabulary of this file cannot be used.', { cause });
  }
}

function tokensOfTypes(spec: TokenizerSpec, ...types: number[]): [string, number][] {
  const wanted = new Set(types);
  return spec.tokens.flatMap((text, id): [string, number][] =>
    wanted.has(spec.tokenTypes[id]!) ? [[text, id]] : [],
  );
}

function findEndIds(spec: TokenizerSpec): ReadonlySet<number> {
  const wellKnown = new Set(WELL_KNOWN_END_TOKENS);
  const byName = tokensOfTypes(spec, TokenType.control).filter(([text]) => wellKnown.has(text));
  return new Set([...spec.endIds, ...byName.map(([, id]) => id)]);
}

function outsideVocabulary(id: number, size: number): TernionError {
  return new TernionError('invalid-argument', `There is no token ${id}: the vocabulary has ${size} tokens.`);
}
