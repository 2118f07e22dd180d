// The engine and the sessions that callers hold: what they give is read here, and the engine behind gets data of our own.

import type {
  AnySchema,
  Answer,
  AnswerStream,
  ChatMessage,
  CoreEngine,
  CoreSession,
  DetokenizeOptions,
  EmbedOptions,
  Engine,
  GenerateOptions,
  ModelInfo,
  ProfileOptions,
  Prompt,
  RunOptions,
  RunResult,
  Session,
  SessionOptions,
  StepProfile,
  TokenizeOptions,
} from '../engine/types';
import { wholeAnswer } from '../engine/whole-answer';
import type { ModelOptions } from '../plan/load-options';
import { heard } from '../plan/load-progress';
import type { ModelSource } from '../storage/sources/model-source';
import { answerWith, askedStream, notHeldHere } from './asked';
import type { ProcessorReader, ReadOptions } from './answer-shapes';
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
  sessionStart,
  tokenizable,
  tokenIds,
  tokensOfContext,
  type ModelLimits,
} from './prompts';
import { argument, list, options, text, type Read } from './read';
import { runTools } from './run-tools';
import { modelSource, savedSession } from './sources';

/** An engine that loads with `Options`. */
interface EngineBehind<Options extends ModelOptions> extends CoreEngine {
  load(source: ModelSource, options?: Options): Promise<void>;
}

/** What depends on the thread that an engine is in: in another one there are no functions of the caller's. */
export interface PlaceReaders {
  chatTemplate: TemplateReader;
  /** Default: modules at addresses only. */
  logitsProcessor?: ProcessorReader | undefined;
}

/** What is read of the calls of an engine. */
export interface EngineReaders<Options> extends PlaceReaders {
  loadOptions: Read<Options>;
}

/** Texts of one call of `embed`. */
const texts = list(text(), { most: 2 ** 20, wanted: 'a string or a list of strings' });

/** An engine of which every argument is read once, before the engine behind it gets it. Rejects with `invalid-argument`. */
export class CheckedEngine<Options extends ModelOptions = ModelOptions> implements Engine {
  /** A function, and no private field: whoever wraps the engine in a Proxy, as stores of frameworks do, calls with that. */
  private readonly inner: () => EngineBehind<Options>;

  constructor(
    inner: EngineBehind<Options>,
    private readonly readers: EngineReaders<Options>,
  ) {
    this.inner = () => inner;
  }

  get info(): ModelInfo {
    return this.inner().info;
  }

  async load(source: ModelSource, given?: Options): Promise<void> {
    const read = argument(modelSource, source, 'source');
    const how = options(this.readers.loadOptions, given);
    const load = (onProgress?: Options['onProgress']): Promise<void> =>
      this.inner().load(read, onProgress ? { ...how, onProgress } : how);
    return heard(how.onProgress, load);
  }

  async tokenize(given: string | readonly ChatMessage[], how?: TokenizeOptions): Promise<number[]> {
    const read = options(tokenizeOptions(this.readers.chatTemplate), how);
    return this.inner().tokenize(argument(tokenizable, given, 'input'), read);
  }

  async detokenize(ids: ArrayLike<number>, how?: DetokenizeOptions): Promise<string> {
    const read = argument(tokenIds(this.info.vocabularySize), ids, 'tokenIds');
    return this.inner().detokenize(read, options(detokenizeOptions, how));
  }

  async embed(given: string | readonly string[], how?: EmbedOptions): Promise<Float32Array[]> {
    const read = argument(texts, typeof given === 'string' ? [given] : given, 'texts');
    return this.inner().embed(read, options(embedOptions, how));
  }

  async nextLogits(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.inner().nextLogits(argument(tokensOfContext(this.info), ids, 'tokenIds'));
  }

  async profile(how?: ProfileOptions): Promise<StepProfile | undefined> {
    return this.inner().profile(options(profileOptions(this.info), how));
  }

  suspend(): Promise<void> {
    return this.inner().suspend();
  }

  resume(): Promise<void> {
    return this.inner().resume();
  }

  createSession(how?: SessionOptions): Session {
    const session = this.inner().createSession(options(sessionStart, how));
    return new CheckedSession(session, this.info, this.readers);
  }

  async restoreSession(given: Blob): Promise<Session> {
    const session = await this.inner().restoreSession(argument(savedSession, given, 'blob'));
    return new CheckedSession(session, this.info, this.readers);
  }

  dispose(): Promise<void> {
    return this.inner().dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** For logs and stores that write what they hold: it cannot be made again from that. */
  toJSON(): object {
    return { engine: 'Ternion', model: this.modelName() };
  }

  /** Undefined where no model was loaded yet. */
  private modelName(): string | undefined {
    try {
      return this.info.name;
    } catch {
      return undefined;
    }
  }
}

const HERE = { join: wholeAnswer, notHeld: notHeldHere };

/** A session of which every argument is read when a method is called. Its streams fail with `invalid-argument`. */
export class CheckedSession implements Session {
  /** See {@link CheckedEngine}. */
  private readonly inner: () => CoreSession;
  private readonly options: Read<ReadOptions>;

  constructor(
    inner: CoreSession,
    private readonly limits: ModelLimits,
    private readonly readers: PlaceReaders,
  ) {
    this.inner = () => inner;
    this.options = generateOptions(limits, readers.chatTemplate, readers.logitsProcessor);
  }

  get tokenIds(): readonly number[] {
    return this.inner().tokenIds;
  }

  get messages(): readonly ChatMessage[] {
    return this.inner().messages;
  }

  // What the types promise of values follows from the schema that was given.

  generate(given: Prompt, how?: GenerateOptions): AnswerStream<never> {
    return askedStream(
      () => this.read(given, how),
      (prompt, plain) => this.inner().generate(prompt, plain),
      HERE,
    );
  }

  send(given: string, how?: GenerateOptions): AnswerStream<never> {
    return askedStream(
      () => [argument(sentText, given, 'text'), options(this.options, how)],
      (text, plain) => this.inner().send(text, plain),
      HERE,
    );
  }

  async complete(given: Prompt, how?: GenerateOptions): Promise<Answer<never>> {
    const [prompt, read] = this.read(given, how);
    const answer = await answerWith(read, (plain) => this.inner().complete(prompt, plain), notHeldHere);
    return answer as Answer<never>;
  }

  run<Schemas extends Record<string, AnySchema>>(text: string, how: RunOptions<Schemas>): Promise<RunResult> {
    return runTools(this, text, how);
  }

  async fork(): Promise<Session> {
    return new CheckedSession(await this.inner().fork(), this.limits, this.readers);
  }

  async rewind(to: number | { turns: number }): Promise<void> {
    return this.inner().rewind(argument(rewindTo, to, 'to'));
  }

  save(): Promise<Blob> {
    return this.inner().save();
  }

  dispose(): Promise<void> {
    return this.inner().dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** For logs and stores that write what they hold: it cannot be made again from that, but by `save`. */
  toJSON(): object {
    return { session: 'Ternion', messages: this.messages.length };
  }

  /** The options first: they decide how long a prompt can be. */
  private read(given: Prompt, how: GenerateOptions | undefined): [Prompt, ReadOptions] {
    const read = options(this.options, how);
    const isShortened = read.contextOverflow === 'truncate-middle';
    const reader = isShortened ? promptToShorten(this.limits) : prompt(this.limits);
    return [argument(reader, given, 'prompt'), read];
  }
}
