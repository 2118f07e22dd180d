// The language model that the AI SDK sees: every call becomes one generation.

import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
} from '@ai-sdk/provider';
import type { Engine } from '../../engine/types';
import { CallReader } from './call-reader';
import { readCall } from './call-options';
import { collectParts } from './collect-parts';
import { PartWriter } from './part-writer';
import { SessionLease } from './session-lease';

/** What calls need of an engine. */
export type TernionEngine = Pick<Engine, 'info' | 'createSession'>;

/** How the model presents itself. */
export interface TernionModelOptions {
  /** What `model.modelId` and the responses say. Default: the name that the model's files give it. */
  modelId?: string;
}

/**
 * The model of `engine` for `streamText`, `generateText` and the rest of the AI SDK. The engine stays the caller's, who
 * disposes of it. Calls that overlap get a session each; one session is kept between calls, so that a conversation that is
 * sent whole every time is evaluated only where it is new.
 *
 * No failure is retried: what the AI SDK would do again, the engine does by itself.
 */
export function createTernion(engine: TernionEngine, options: TernionModelOptions = {}): LanguageModelV4 {
  return new TernionLanguageModel(engine, options.modelId);
}

class TernionLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = 'v4';
  readonly provider = 'ternion';
  /** The model takes no files, so none is handed to it by its address. */
  readonly supportedUrls = {};
  readonly #sessions: SessionLease;

  constructor(
    private readonly engine: TernionEngine,
    private readonly givenId: string | undefined,
  ) {
    this.#sessions = new SessionLease(engine);
  }

  get modelId(): string {
    return this.givenId ?? this.engine.info.name;
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    // What is raw in an answer is for those who stream.
    const { stream } = await this.doStream({ ...options, includeRawChunks: false });
    return collectParts(stream);
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const call = readCall(options, this.engine.info);
    const { abortSignal } = options;
    if (abortSignal?.aborted) throw abortSignal.reason;
    const writer = new PartWriter(call, { modelId: this.modelId, raw: options.includeRawChunks ?? false });
    return { stream: partsOf(new CallReader(this.#sessions, call), writer, abortSignal) };
  }
}

/** The parts of an answer, made as they are read. */
function partsOf(
  reader: CallReader,
  writer: PartWriter,
  signal: AbortSignal | undefined,
): ReadableStream<LanguageModelV4StreamPart> {
  let left = false;
  const next = async (): Promise<LanguageModelV4StreamPart[] | undefined> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      // As `fetch` would: an answer that was aborted is a failure, whatever came of it.
      if (value.finishReason === 'abort') throwReason(signal);
      const parts = writer.write(value);
      if (parts.length > 0) return parts;
    }
  };
  return new ReadableStream({
    start(controller) {
      for (const part of writer.begin()) controller.enqueue(part);
    },
    async pull(controller) {
      try {
        const parts = await next();
        if (left) return;
        for (const part of parts ?? []) controller.enqueue(part);
        if (parts) return;
        reader.end();
        controller.close();
      } catch (error) {
        reader.end();
        // An abort fails the stream, as it fails a fetch. What goes wrong otherwise is told in the stream.
        if (signal?.aborted) return controller.error(signal.reason);
        controller.enqueue({ type: 'error', error });
        controller.close();
      }
    },
    async cancel(reason) {
      left = true;
      await reader.cancel(reason);
    },
  });
}

function throwReason(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason;
}
