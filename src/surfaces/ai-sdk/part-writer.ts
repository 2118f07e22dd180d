// Writes an answer in the parts that a stream of the AI SDK has, chunk by chunk.

import type {
  JSONObject,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider';
import type { FinishReason, GenerateChunk, SampledLogprob, Usage } from '../../engine/types';
import { toolCallParser, type FoundCall, type ToolCallParser } from '../../tokenizer/tool-calls';
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
  readonly #calls: ToolCallParser | undefined;
  readonly #tokenIds: number[] = [];
  readonly #logprobs: SampledLogprob[] = [];
  /** Ids of tokens whose text has not come, if deltas carry ids. */
  #untold: number[] = [];
  #open: { kind: BlockKind; id: string } | undefined;
  #blocks = 0;
  #called = false;
  /** Tokens that came before the first text: those of the reasoning and its marks. Undefined where there is none. */
  #reasoningTokens: number | undefined;
  #said = false;

  constructor(
    private readonly call: Pick<ReadCall, 'tools' | 'tokenIds' | 'warnings'>,
    private readonly options: PartOptions,
  ) {
    this.#calls = call.tools && toolCallParser(call.tools.format, call.tools.names);
  }

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
    const { tokenIds, logprobs = [], reasoning = '', text, finishReason, usage } = chunk;
    this.#tokenIds.push(...tokenIds);
    this.#logprobs.push(...logprobs);
    if (this.call.tokenIds) this.#untold.push(...tokenIds);
    this.#countReasoning(chunk);
    const parts: Part[] = this.options.raw ? [{ type: 'raw', rawValue: chunk }] : [];
    parts.push(...this.#delta('reasoning', reasoning), ...this.#say(text));
    if (finishReason && usage) parts.push(...this.#finish(finishReason, usage));
    return parts;
  }

  #countReasoning({ reasoning, text, tokenIds }: GenerateChunk): void {
    if (reasoning !== undefined) this.#reasoningTokens ??= this.#tokenIds.length - tokenIds.length;
    this.#said ||= text !== '';
    if (this.#reasoningTokens !== undefined && !this.#said) this.#reasoningTokens = this.#tokenIds.length;
  }

  /** Text of the answer, in which there may be calls. */
  #say(text: string): Part[] {
    if (!this.#calls) return this.#delta('text', text);
    const { text: final, calls } = this.#calls.push(text);
    return [...this.#delta('text', final), ...calls.flatMap((call) => this.#toolCall(call))];
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

  /** Ends the open block. The ids that are still untold go with it. */
  #close(): Part[] {
    if (!this.#open) return [];
    const { kind, id } = this.#open;
    this.#open = undefined;
    return [{ type: `${kind}-end`, id, ...this.#tell() }];
  }

  #toolCall({ name, arguments: given }: FoundCall): Part[] {
    this.#called = true;
    const id = crypto.randomUUID();
    const input = JSON.stringify(given);
    return [
      ...this.#close(),
      { type: 'tool-input-start', id, toolName: name },
      { type: 'tool-input-delta', id, delta: input, ...this.#tell() },
      { type: 'tool-input-end', id },
      { type: 'tool-call', toolCallId: id, toolName: name, input },
    ];
  }

  #finish(finishReason: FinishReason, usage: Usage): Part[] {
    const { text, calls } = this.#calls?.flush() ?? { text: '', calls: [] };
    const parts = [
      ...this.#delta('text', text),
      ...calls.flatMap((call) => this.#toolCall(call)),
      ...this.#close(),
    ];
    const metadata: JSONObject = {
      tokenIds: [...this.#tokenIds],
      ...(this.#logprobs.length > 0 && { logprobs: this.#logprobs.map(plain) }),
    };
    parts.push({
      type: 'finish',
      finishReason: this.#unified(finishReason),
      usage: this.#usage(usage),
      providerMetadata: { ternion: metadata },
    });
    return parts;
  }

  #unified(raw: FinishReason): LanguageModelV4FinishReason {
    // An abort of the caller's is an error before it comes here: this is the end of the engine or of the session.
    if (raw === 'abort') return { unified: 'interrupted', raw };
    return { unified: raw === 'stop' && this.#called ? 'tool-calls' : raw, raw };
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

function plain({ alternatives, ...sampled }: SampledLogprob): JSONObject {
  return { ...sampled, alternatives: alternatives.map((each) => ({ ...each })) };
}
