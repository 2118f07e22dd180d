// An answer as it grows: sampled tokens in, text that is final out, until an end token or a stop string.

import type { SampledToken } from '../inference/samplers';
import {
  CALL_MARKS,
  createTextDecoder,
  ReasoningSplitter,
  StopMatcher,
  StreamingDetokenizer,
  type ChatFormat,
  type ReasoningFormat,
  type Tokenizer,
  type ToolCallStream,
} from '../tokenizer';
import type { ResolvedOptions } from './sampling';
import type { CompleteToolCall, GenerateChunk, SampledLogprob, TokenLogprob } from './types';

/** What one token adds to an answer. */
export type AnswerPiece = Pick<GenerateChunk, 'text' | 'reasoning' | 'toolCalls' | 'tokenIds' | 'logprobs'>;
/** The part of it that is final text. */
export type AnswerText = Pick<AnswerPiece, 'text' | 'reasoning' | 'toolCalls'>;

/** What is taken apart in an answer. */
export interface AnswerParts {
  /** How it shows its reasoning; undefined if that is text like any other. */
  reasoning?: ReasoningFormat | undefined;
  /** What finds its calls of tools; undefined if it may call none. */
  calls?: ToolCallStream | undefined;
  /** What the ids of its calls begin with. Default 'call'. */
  callIdPrefix?: string;
}

/** The text and tokens of an answer as they come. */
export class Answer {
  readonly tokenIds: number[] = [];
  /** The end token or the stop string that has come. */
  stopReason: string | number | undefined;
  readonly #detokenizer: StreamingDetokenizer;
  readonly #stops: StopMatcher;
  readonly #reasoning: ReasoningSplitter | undefined;
  readonly #tools: ToolCallStream | undefined;
  readonly #callIdPrefix: string;
  /** Tokens that came without a choice. */
  forcedTokens = 0;
  #cut = false;

  constructor(
    private readonly chat: ChatFormat,
    options: Pick<ResolvedOptions, 'stop'>,
    { reasoning, calls, callIdPrefix = 'call' }: AnswerParts = {},
  ) {
    this.#detokenizer = new StreamingDetokenizer(chat.tokenizer);
    this.#stops = new StopMatcher(options.stop);
    this.#reasoning = reasoning && new ReasoningSplitter(reasoning);
    this.#tools = calls;
    this.#callIdPrefix = callIdPrefix;
  }

  /** The calls of tools that are whole. */
  get calls(): CompleteToolCall[] {
    return (this.#tools?.calls ?? []).map((call) => ({
      id: this.#callId(call.index),
      name: call.name,
      arguments: call.arguments,
    }));
  }

  /** Adds a sampled token. */
  push(sampled: SampledToken): AnswerPiece {
    const { token } = sampled;
    this.tokenIds.push(token);
    if (sampled.forced) this.forcedTokens++;
    const counted = { tokenIds: [token], ...withLogprobs(this.chat.tokenizer, sampled) };
    if (this.chat.endIds.has(token)) {
      this.stopReason = token;
      return { text: '', ...counted };
    }
    const { text, reasoning } = this.#final(this.#textOf(token));
    return { ...this.#pieceOf(text, reasoning), ...counted };
  }

  /** What was held back and is final now that nothing more comes. */
  flush(): AnswerText {
    if (this.#cut) return this.#pieceOf('', '', true);
    const { text, reasoning } = this.#final(this.#detokenizer.flush());
    const held = this.#reasoning?.flush() ?? { text: '', reasoning: '' };
    const rest = this.#cut ? '' : this.#stops.push(held.text).text + this.#stops.flush();
    return this.#pieceOf(text + rest, reasoning + held.reasoning, true);
  }

  /** A mark of the reasoning, or of a call, may be a control token, which has no text otherwise. */
  #textOf(token: number): string {
    const mark = this.#reasoning?.expected;
    const { tokenizer } = this.chat;
    if (tokenizer.isSpecial(token)) {
      const text = tokenizer.tokenText(token);
      if (text === mark || (this.#tools && (text === CALL_MARKS.open || text === CALL_MARKS.close)))
        return text;
    }
    return this.#detokenizer.push(token);
  }

  /** Takes text that is final as to its characters. Stop strings are looked for in what is no reasoning. */
  #final(all: string): { text: string; reasoning: string } {
    const { text, reasoning } = this.#reasoning?.push(all) ?? { text: all, reasoning: '' };
    const { text: final, stop } = this.#stops.push(text);
    this.#cut ||= stop !== undefined;
    this.stopReason ??= stop;
    return { text: final, reasoning };
  }

  /** Takes the calls of tools out of text that is final. */
  #pieceOf(all: string, reasoning: string, isLast = false): AnswerText {
    const parts = this.#tools
      ? [this.#tools.push(all), ...(isLast ? [this.#tools.flush()] : [])]
      : [{ text: all, calls: [] }];
    const text = parts.map((part) => part.text).join('');
    const toolCalls = parts
      .flatMap(({ calls }) => calls)
      .map((call) => (call.name === undefined ? call : { ...call, id: this.#callId(call.index) }));
    return { text, ...(reasoning !== '' && { reasoning }), ...(toolCalls.length > 0 && { toolCalls }) };
  }

  #callId(index: number): string {
    return `${this.#callIdPrefix}_${index}`;
  }
}

function withLogprobs(
  tokenizer: Tokenizer,
  { token, logprobs }: SampledToken,
): { logprobs?: SampledLogprob[] } {
  if (!logprobs) return {};
  const described = (tokenId: number, logprob: number): TokenLogprob => {
    const bytes = tokenizer.tokenBytes(tokenId);
    const text = createTextDecoder().decode(bytes);
    return { tokenId, text, logprob, ...(text.includes('\ufffd') && { bytes: [...bytes] }) };
  };
  const alternatives = logprobs.likeliest.map((each) => described(each.token, each.logprob));
  return { logprobs: [{ ...described(token, logprobs.own), alternatives }] };
}
