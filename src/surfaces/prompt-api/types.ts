// The Prompt API as its specification has it (https://webmachinelearning.github.io/prompt-api), as far as text goes.

/** Whether there can be a session with some options, and whether something must be downloaded for it. */
export type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available';

/** How varied answers are, from always the likeliest token to the most surprising. Default: `balanced`. */
export type LanguageModelSamplingMode =
  | 'most-predictable'
  | 'predictable'
  | 'slightly-predictable'
  | 'balanced'
  | 'slightly-creative'
  | 'creative'
  | 'most-creative';

/** What a session shall take or give, and in which languages (BCP 47). A text model takes and gives `text`. */
export interface LanguageModelExpected {
  type: string;
  languages?: string[];
}

/** A tool that the session calls by itself when the model asks for it. */
export interface LanguageModelTool {
  name: string;
  description: string;
  /** JSON schema of the one argument of `execute`. */
  inputSchema: object;
  /** What it resolves to is what the model is told. */
  execute: (input: Readonly<Record<string, unknown>>) => Promise<string>;
}

/** What decides whether there can be a session. */
export interface LanguageModelCreateCoreOptions {
  samplingMode?: LanguageModelSamplingMode;
  /** With `temperature`, in place of `samplingMode`. Here they work in every page. */
  topK?: number;
  temperature?: number;
  expectedInputs?: LanguageModelExpected[];
  expectedOutputs?: LanguageModelExpected[];
  tools?: LanguageModelTool[];
}

/** How to make a session. */
export interface LanguageModelCreateOptions extends LanguageModelCreateCoreOptions {
  /** Ends the creation, and later the session. */
  signal?: AbortSignal;
  /** Gets the target of `downloadprogress` events before anything else happens. */
  monitor?: (monitor: CreateMonitor) => void;
  /** What the conversation begins with, whatever is left out of it later. A `system` message only in the first place. */
  initialPrompts?: LanguageModelMessage[];
}

/** Fires `downloadprogress`: `loaded` from 0 to 1, of a `total` of 1. */
export interface CreateMonitor extends EventTarget {
  ondownloadprogress: ((this: CreateMonitor, event: ProgressEvent) => unknown) | null;
  addEventListener(
    type: 'downloadprogress',
    listener: (this: CreateMonitor, event: ProgressEvent) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener(
    type: 'downloadprogress',
    listener: (this: CreateMonitor, event: ProgressEvent) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** A part of a message. */
export interface LanguageModelMessageContent {
  type: string;
  value: unknown;
}

export interface LanguageModelMessage {
  role: 'system' | 'user' | 'assistant';
  /** Parts are joined without anything between them. */
  content: string | LanguageModelMessageContent[];
  /** Of the last message of a prompt, an assistant's: the answer goes on behind it. */
  prefix?: boolean;
}

/** A text is what the user says. */
export type LanguageModelPrompt = string | LanguageModelMessage[];

export interface LanguageModelSignalOptions {
  signal?: AbortSignal;
}

export interface LanguageModelPromptOptions extends LanguageModelSignalOptions {
  /**
   * What the answer is held to: a JSON schema, or a RegExp that it matches as a whole. The model is told of it at the end of the
   * prompt. Rejects with NotSupportedError for what cannot be enforced, and in sessions with tools; with SyntaxError if the
   * context is full before the answer has the shape.
   */
  responseConstraint?: object;
  /** Do not tell the model: the prompt does. */
  omitResponseConstraintInput?: boolean;
}

/** What `topK` and `temperature` are by default, and at most. */
export interface LanguageModelParams {
  readonly defaultTopK: number;
  readonly maxTopK: number;
  readonly defaultTemperature: number;
  readonly maxTemperature: number;
}

type OverflowHandler = ((event: Event) => unknown) | null;

/** A session with the model. Prompts take their turns. */
export interface LanguageModel extends EventTarget {
  /** The answer. Rejects with the signal's reason if it was aborted; prompt and answer are then forgotten. */
  prompt(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<string>;
  /** The answer as it comes. It is made whether it is read or not. */
  promptStreaming(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): ReadableStream<string>;
  /** Adds to the conversation, and evaluates that already, without asking for an answer. */
  append(input: LanguageModelPrompt, options?: LanguageModelSignalOptions): Promise<undefined>;
  /** Tokens that `input` would add to `contextUsage`. */
  measureContextUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  /** Tokens of the conversation. */
  readonly contextUsage: number;
  /** Tokens that conversation and answer can have together. */
  readonly contextWindow: number;
  /** Fires when the oldest prompts with their answers are left out, for the new one to fit. */
  oncontextoverflow: OverflowHandler;
  /** Null if the session was made with `topK` or `temperature`. */
  readonly samplingMode: LanguageModelSamplingMode | null;
  readonly topK: number;
  readonly temperature: number;
  /** A session of its own that goes on from here. */
  clone(options?: LanguageModelSignalOptions): Promise<LanguageModel>;
  /** Ends the session, and what is under way in it, with an AbortError. */
  destroy(): undefined;

  /** @deprecated Use `measureContextUsage`. */
  measureInputUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  /** @deprecated Use `contextUsage`. */
  readonly inputUsage: number;
  /** @deprecated Use `contextWindow`. */
  readonly inputQuota: number;
  /** @deprecated Use `oncontextoverflow`. */
  onquotaoverflow: OverflowHandler;
}

/** What stands for `globalThis.LanguageModel`. It cannot be constructed: `create` makes sessions. */
export type LanguageModelClass = (abstract new () => LanguageModel) & {
  readonly prototype: LanguageModel;
  /** Loads the model if it is not there yet, and begins a session. */
  create(options?: LanguageModelCreateOptions): Promise<LanguageModel>;
  availability(options?: LanguageModelCreateCoreOptions): Promise<Availability>;
  /** Null where there is no model. */
  params(): Promise<LanguageModelParams | null>;
};
