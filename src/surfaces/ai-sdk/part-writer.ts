// Writes an answer in the parts that a stream of the AI SDK has, chunk by chunk.

import type {
  JSONObject,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider';
import type { FinishReason, GenerateChunk, SampledLogprob, ToolCallPiece, Usage } from '../../engine/types';
import { argumentsOf, type CollectedCall } from '../collect-calls';
import type { ReadCall } from './call-options';

type Part = LanguageModelV4StreamPart;

/** What a stretch of deltas is of. */
type BlockKind = 'text' | 'reasoning';

/** How an answer is written. */
export interface PartOptions {
  modelId: string;
  /** Give every chunk as it came, too. */
  raw: boolean;
}

/** Knows which block is open, and which tokens have come that no part has told of yet. */
export class PartWriter {
  readonly #tokenIds: number[] = [];
  readonly #logprobs: SampledLogprob[] = [];
  /** Ids of tokens whose text has not come, if deltas carry ids. */
  #untold: number[] = [];
  #open: { kind: BlockKind; id: string } | undefined;
  #blocks = 0;
  /** The call whose arguments are coming. */
  #call: (CollectedCall & { index: number }) | undefined;
  /** Tokens that came before the first text: those of the reasoning and its marks. Undefined where there is none. */
  #reasoningTokens: number | undefined;
  #said = false;

  constructor(
    private readonly call: Pick<ReadCall, 'tokenIds' | 'warnings'>,
    private readonly options: PartOptions,
  ) {}

  /** What comes before the first chunk. */
  begin(): Part[] {
    const { modelId } = this.options;
    return [
      { type: 'stream-start', warnings: this.call.warnings },
      { type: 'response-metadata', id: crypto.randomUUID(), timestamp: new Date(), modelId },
    ];
  }

  /** What a chunk adds; nothing, where its text is not final yet. */
  write(chunk: GenerateChunk): Part[] {
    const { tokenIds, logprobs = [], reasoning = '', text, toolCalls = [], finishReason, usage } = chunk;
    this.#tokenIds.push(...tokenIds);
    this.#logprobs.push(...logprobs);
    if (this.call.tokenIds) this.#untold.push(...tokenIds);
    this.#countReasoning(chunk);
    const parts: Part[] = this.options.raw ? [{ type: 'raw', rawValue: chunk }] : [];
    parts.push(...this.#delta('reasoning', reasoning), ...this.#delta('text', text));
    for (const piece of toolCalls) parts.push(...this.#callPiece(piece));
    if (finishReason && usage) parts.push(...this.#finish(finishReason, usage));
    return parts;
  }

  #countReasoning({ reasoning, text, toolCalls, tokenIds }: GenerateChunk): void {
    if (reasoning !== undefined) this.#reasoningTokens ??= this.#tokenIds.length - tokenIds.length;
    this.#said ||= text !== '' || toolCalls !== undefined;
    if (this.#reasoningTokens !== undefined && !this.#said) this.#reasoningTokens = this.#tokenIds.length;
  }

  #delta(kind: BlockKind, delta: string): Part[] {
    if (delta === '') return [];
    const begun = this.#open?.kind === kind ? [] : [...this.#close(), this.#begin(kind)];
    const { id } = this.#open!;
    return [...begun, { type: `${kind}-delta`, id, delta, ...this.#tell() }];
  }

  #begin(kind: BlockKind): Part {
    const id = String(this.#blocks++);
    this.#open = { kind, id };
    return { type: `${kind}-start`, id };
  }

  /** Ends the open block, or the call under way. The ids that are still untold go with it. */
  #close(): Part[] {
    if (this.#call) return this.#endCall(this.#call);
    if (!this.#open) return [];
    const { kind, id } = this.#open;
    this.#open = undefined;
    return [{ type: `${kind}-end`, id, ...this.#tell() }];
  }

  #callPiece({ index, id = crypto.randomUUID(), name = '', argumentsText: delta }: ToolCallPiece): Part[] {
    const parts: Part[] = [];
    let call = this.#call;
    if (call?.index !== index) {
      parts.push(...this.#close(), { type: 'tool-input-start', id, toolName: name });
      call = { index, id, name, argumentsText: '' };
      this.#call = call;
    }
    call.argumentsText += delta;
    if (delta !== '') parts.push({ type: 'tool-input-delta', id: call.id, delta, ...this.#tell() });
    return parts;
  }

  /** A call that was cut ends too, but nobody is asked to run it. */
  #endCall(call: CollectedCall): Part[] {
    this.#call = undefined;
    const { id, name: toolName, argumentsText: input } = call;
    const parts: Part[] = [{ type: 'tool-input-end', id, ...this.#tell() }];
    if (argumentsOf(call)) parts.push({ type: 'tool-call', toolCallId: id, toolName, input });
    return parts;
  }

  #finish(finishReason: FinishReason, usage: Usage): Part[] {
    const parts = this.#close();
    const metadata: JSONObject = {
      tokenIds: [...this.#tokenIds],
      ...(this.#logprobs.length > 0 && { logprobs: this.#logprobs.map(plain) }),
    };
    parts.push({
      type: 'finish',
      finishReason: unified(finishReason),
      usage: this.#usage(usage),
      providerMetadata: { ternion: metadata },
    });
    return parts;
  }

  #usage(usage: Usage): LanguageModelV4Usage {
    const { promptTokens, cachedTokens, completionTokens } = usage;
    const reasoning = this.#reasoningTokens ?? 0;
    return {
      inputTokens: {
        total: promptTokens,
        noCache: promptTokens - cachedTokens,
        cacheRead: cachedTokens,
        cacheWrite: undefined,
      },
      outputTokens: { total: completionTokens, text: completionTokens - reasoning, reasoning },
      raw: { ...usage },
    };
  }

  /** The ids that have come since the last part that told of some. */
  #tell(): { providerMetadata?: SharedV4ProviderMetadata } {
    if (this.#untold.length === 0) return {};
    const tokenIds = this.#untold;
    this.#untold = [];
    return { providerMetadata: { ternion: { tokenIds } } };
  }
}

function unified(raw: FinishReason): LanguageModelV4FinishReason {
  // An abort of the caller's is an error before it comes here: this is the end of the engine or of the session.
  return { unified: raw === 'abort' ? 'interrupted' : raw, raw };
}

function plain({ alternatives, ...sampled }: SampledLogprob): JSONObject {
  return { ...sampled, alternatives: alternatives.map((each) => ({ ...each })) };
}
