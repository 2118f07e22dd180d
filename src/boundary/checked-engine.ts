// The engine and the sessions that callers hold: what they give is read here, and the engine behind gets data of our own.

import type {
  Answer,
  ChatMessage,
  DetokenizeOptions,
  EmbedOptions,
  Engine,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  ProfileOptions,
  Prompt,
  Session,
  StepProfile,
  TokenizeOptions,
} from '../engine/types';
import type { ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import {
  detokenizeOptions,
  embedOptions,
  generateOptions,
  profileOptions,
  rewindTo,
  tokenizeOptions,
  type TemplateReader,
} from './options';
import {
  prompt,
  promptToShorten,
  sentText,
  tokenizable,
  tokenIds,
  tokensOfContext,
  type ModelLimits,
} from './prompts';
import { argument, list, options, text, type Read } from './read';
import { modelSource, savedSession } from './sources';

/** An engine that loads with `Options`. */
interface EngineBehind<Options extends ModelOptions> extends Engine {
  load(source: ModelSource, options?: Options): Promise<void>;
}

/** What depends on the thread that an engine is in. */
export interface EngineReaders<Options> {
  loadOptions: Read<Options>;
  chatTemplate: TemplateReader;
}

/** Texts of one call of `embed`. */
const texts = list(text(), { most: 2 ** 20, wanted: 'a string or a list of strings' });

/** An engine of which every argument is read once, before the engine behind it gets it. Rejects with `invalid-argument`. */
export class CheckedEngine<Options extends ModelOptions = ModelOptions> implements Engine {
  constructor(
    private readonly inner: EngineBehind<Options>,
    private readonly readers: EngineReaders<Options>,
  ) {}

  get info(): ModelInfo {
    return this.inner.info;
  }

  async load(source: ModelSource, given?: Options): Promise<void> {
    const read = argument(modelSource, source, 'source');
    return this.inner.load(read, options(this.readers.loadOptions, given));
  }

  async tokenize(given: string | readonly ChatMessage[], how?: TokenizeOptions): Promise<number[]> {
    const read = options(tokenizeOptions(this.readers.chatTemplate), how);
    return this.inner.tokenize(argument(tokenizable, given, 'input'), read);
  }

  async detokenize(ids: ArrayLike<number>, how?: DetokenizeOptions): Promise<string> {
    const read = argument(tokenIds(this.info.vocabularySize), ids, 'tokenIds');
    return this.inner.detokenize(read, options(detokenizeOptions, how));
  }

  async embed(given: string | readonly string[], how?: EmbedOptions): Promise<Float32Array[]> {
    const read = argument(texts, typeof given === 'string' ? [given] : given, 'texts');
    return this.inner.embed(read, options(embedOptions, how));
  }

  async nextLogits(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.inner.nextLogits(argument(tokensOfContext(this.info), ids, 'tokenIds'));
  }

  async profile(how?: ProfileOptions): Promise<StepProfile | undefined> {
    return this.inner.profile(options(profileOptions(this.info), how));
  }

  suspend(): Promise<void> {
    return this.inner.suspend();
  }

  resume(): Promise<void> {
    return this.inner.resume();
  }

  createSession(): Session {
    return new CheckedSession(this.inner.createSession(), this.info, this.readers.chatTemplate);
  }

  async restoreSession(given: Blob): Promise<Session> {
    const session = await this.inner.restoreSession(argument(savedSession, given, 'blob'));
    return new CheckedSession(session, this.info, this.readers.chatTemplate);
  }

  dispose(): Promise<void> {
    return this.inner.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** A session of which every argument is read when a method is called. Its streams fail with `invalid-argument`. */
export class CheckedSession implements Session {
  readonly #options: Read<GenerateOptions>;

  constructor(
    private readonly inner: Session,
    private readonly limits: ModelLimits,
    private readonly chatTemplate: TemplateReader,
  ) {
    this.#options = generateOptions(limits, chatTemplate);
  }

  get tokenIds(): readonly number[] {
    return this.inner.tokenIds;
  }

  get messages(): readonly ChatMessage[] {
    return this.inner.messages;
  }

  generate(given: Prompt, how?: GenerateOptions): ReadableStream<GenerateChunk> {
    return streamOf(() => this.inner.generate(...this.#read(given, how)));
  }

  send(given: string, how?: GenerateOptions): ReadableStream<GenerateChunk> {
    return streamOf(() => {
      const read = argument(sentText, given, 'text');
      return this.inner.send(read, options(this.#options, how));
    });
  }

  async complete(given: Prompt, how?: GenerateOptions): Promise<Answer> {
    return this.inner.complete(...this.#read(given, how));
  }

  async fork(): Promise<Session> {
    return new CheckedSession(await this.inner.fork(), this.limits, this.chatTemplate);
  }

  async rewind(to: number | { turns: number }): Promise<void> {
    return this.inner.rewind(argument(rewindTo, to, 'to'));
  }

  save(): Promise<Blob> {
    return this.inner.save();
  }

  dispose(): Promise<void> {
    return this.inner.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** The options first: they decide how long a prompt can be. */
  #read(given: Prompt, how: GenerateOptions | undefined): [Prompt, GenerateOptions] {
    const read = options(this.#options, how);
    const isShortened = read.contextOverflow === 'truncate-middle';
    const reader = isShortened ? promptToShorten(this.limits) : prompt(this.limits);
    return [argument(reader, given, 'prompt'), read];
  }
}

/** The stream that `make` makes; if it throws, one that fails with the error. */
function streamOf(make: () => ReadableStream<GenerateChunk>): ReadableStream<GenerateChunk> {
  try {
    return make();
  } catch (error) {
    return new ReadableStream({ start: (controller) => controller.error(error) });
  }
}
