// What page and worker say to each other. Both sides import this file, and nothing else of each other.

import { TernionError, type TernionErrorCode } from '../errors';
import type { ConversationData, Mark } from '../engine/conversation';
import type { BegunAnswer, FittedPrompt } from '../engine/fit-prompt';
import type { ModelPlan } from '../plan/plan-model';
import type {
  ChatMessage,
  DetokenizeOptions,
  EmbedOptions,
  GenerateChunk,
  CoreSession,
  ModelInfo,
  ProfileOptions,
  Prompt,
  PlainGenerateOptions,
  StepProfile,
  TokenizeOptions,
} from '../engine/types';
import type { CloneableOptions, EngineStatus, LoadProgress } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';

/** How chunks travel: `auto` transfers the stream where the browser can, else uses a MessagePort. */
export type StreamTransport = 'auto' | 'message-port';

/** Options of `load`; the callbacks travel beside them. */
export interface RemoteLoadOptions extends CloneableOptions {
  streamTransport?: StreamTransport | undefined;
}

/** A failure as plain data: structured clone would keep neither the class nor the code of an error. */
export interface Failure {
  code: TernionErrorCode;
  message: string;
  cause: string | undefined;
}

/** What a call came to. */
export type Outcome<T> = { value: T } | { failure: Failure };

/** The parts of a session that the page mirrors. */
export interface SessionState {
  tokenIds: number[];
  messages: readonly ChatMessage[];
  /** All tokens of the conversation, of an engine that tabs share; else neither they nor the marks are sent. */
  sequence: readonly number[];
  marks: readonly Mark[];
  gpuBytes: number;
}

/**
 * One message of a generation: a chunk, or the failure that ended it. The last chunk comes with what the answer left behind,
 * the first one with its prompt, if tabs share the engine: it takes no more to go on with the answer elsewhere.
 */
export type Frame =
  { chunk: GenerateChunk; state?: SessionState; prompt?: FittedPrompt } | { failure: Failure };

/** What is used of a MessagePort that frames come through. */
export type FramePort = Pick<MessagePort, 'postMessage' | 'onmessage' | 'onmessageerror' | 'close'>;

/** How the frames of a generation come: as a stream, or pulled one by one through a port. */
export type FrameChannel = { stream: ReadableStream<Frame> } | { port: FramePort };

/** From page to worker, through the port of a generation. */
export type PortRequest = 'pull';
/** The answer to each `pull`, in the order in which they came: a frame, or the end. */
export type PortReply = { frame: Frame } | 'end';

/** Where the model is now, and how it runs there, or ran where it was last. */
export interface StatusReport {
  status: EngineStatus;
  info: ModelInfo;
}

/** What a worker says of itself before anything else. */
export interface Greeting {
  /** Whether it holds the lock that the page has named, and will until it ends. */
  holdsLock: boolean;
  /** Whether it can load the parts of its script; else it has to be started with all of them. */
  loadsParts: boolean;
}

/** What the worker calls of its page, to have the parts of its script. */
export interface PartSource {
  /** Resolves to the code of a part. */
  load(name: string): Promise<Outcome<string>>;
}

/** What the worker calls of its page, to have threads for grammars. It gives each of them a number. */
export interface GrammarThreads {
  /** Starts a thread that answers at the port, see `src/grammar/protocol.ts`. */
  start(thread: number): Promise<Outcome<MessagePort>>;
  /** Ends a thread, whatever it does. */
  end(thread: number): void;
}

/** What the page calls. Every method resolves to an outcome; `request` names a call so that `abort` can end it. */
export interface WorkerApi {
  /** The first call. Takes the Web Lock `lockName` for the worker's whole life, where there are Web Locks. */
  hello(lockName: string): Promise<Outcome<Greeting>>;
  /** Shows that the worker is there. */
  ping(): Outcome<void>;
  /** From now on parts of the script come from this page. */
  takeParts(parts: PartSource): Outcome<void>;
  /** From now on the engine has its threads for grammars from this page. */
  takeGrammarThreads(threads: GrammarThreads): Outcome<void>;
  load(
    request: number,
    source: ModelSource,
    options: RemoteLoadOptions,
    onProgress: (progress: LoadProgress) => void,
    onStatus: (report: StatusReport) => void,
  ): Promise<Outcome<ModelInfo>>;
  plan(request: number, source: ModelSource, options: CloneableOptions): Promise<Outcome<ModelPlan>>;
  abort(request: number): void;
  tokenize(input: string | readonly ChatMessage[], options?: TokenizeOptions): Promise<Outcome<number[]>>;
  detokenize(ids: ArrayLike<number>, options?: DetokenizeOptions): Promise<Outcome<string>>;
  embed(
    request: number,
    texts: string | readonly string[],
    options: RemoteEmbedOptions,
  ): Promise<Outcome<Float32Array[]>>;
  nextLogits(ids: ArrayLike<number>): Promise<Outcome<Float32Array>>;
  profile(options?: ProfileOptions): Promise<Outcome<StepProfile | undefined>>;
  generate(
    request: number,
    session: number,
    what: RemotePrompt,
    options: RemoteGenerateOptions,
  ): Outcome<FrameChannel>;
  /** Copies a session; the copy has the number `copy` from then on. */
  forkSession(session: number, copy: number): Promise<Outcome<SessionState>>;
  rewindSession(session: number, to: RewindTo): Promise<Outcome<SessionState>>;
  saveSession(session: number): Promise<Outcome<Blob>>;
  /** Makes a session of a saved one; it has the number `session` from then on. */
  restoreSession(session: number, blob: Blob): Promise<Outcome<SessionState>>;
  suspend(): Promise<Outcome<ModelInfo>>;
  resume(): Promise<Outcome<ModelInfo>>;
  disposeSession(session: number): Promise<Outcome<void>>;
  /** Gives the engine up. It is disposed of unless other tabs have it too. */
  dispose(): Promise<Outcome<void>>;
  /** Serves the engine to the other tabs of that lobby, from before the load on. */
  share(lobby: string): Promise<Outcome<void>>;
  /** Resolves when no tab has the engine any more. */
  unused(): Promise<Outcome<void>>;
  /** A checksum of what was read of the model. */
  fingerprint(): Outcome<string>;
  /** Gives a session the conversation that it had in another worker. */
  remember(session: number, memory: ConversationData): Outcome<void>;
}

/** `generate(prompt)`, `send(text)`, or the rest of an answer that was begun in another worker. */
export type RemotePrompt = { prompt: Prompt } | { send: string } | { begun: BegunAnswer };
export type RewindTo = Parameters<CoreSession['rewind']>[0];
export type RemoteEmbedOptions = Omit<EmbedOptions, 'signal'>;
export type RemoteGenerateOptions = Omit<PlainGenerateOptions, 'signal'>;

/** Any thrown value as plain data. */
export function toFailure(error: unknown): Failure {
  if (error instanceof TernionError) {
    return {
      code: error.code,
      message: error.message,
      cause: error.cause === undefined ? undefined : text(error.cause),
    };
  }
  return { code: 'internal', message: `An unexpected failure: ${text(error)}`, cause: text(error) };
}

/** The error that a failure stands for. */
export function toError({ code, message, cause }: Failure): TernionError {
  return new TernionError(code, message, cause === undefined ? undefined : { cause: new Error(cause) });
}

/** Runs `call`; what it returns or throws becomes an outcome. */
export async function outcomeOf<T>(call: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await call() };
  } catch (error) {
    return { failure: toFailure(error) };
  }
}

/** The value of an outcome; throws its failure. */
export function valueOf<T>(outcome: Outcome<T>): T {
  if ('failure' in outcome) throw toError(outcome.failure);
  return outcome.value;
}

function text(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}
