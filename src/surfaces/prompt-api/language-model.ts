// Makes the class that stands for `LanguageModel`: the statics of the specification, over one engine.

import type { LoadOptions } from '../../api/load-model';
import type { GenerateChunk } from '../../engine/types';
import type { TemplateOptions } from '../../tokenizer';
import { Conversation } from './conversation';
import { exceptionOf, notSupported } from './failures';
import { DownloadMonitor } from './monitor';
import { readInitialPrompts } from './prompts';
import { PARAMS, samplingOf } from './sampling';
import { PromptSession, type SessionParts } from './session';
import { EngineLoader, type LanguageModelEngine, type LanguageModelSource } from './engine-loader';
import { readTools, toTemplateTools } from './tools';
import type {
  Availability,
  LanguageModel,
  LanguageModelClass,
  LanguageModelCreateCoreOptions,
  LanguageModelCreateOptions,
  LanguageModelExpected,
  LanguageModelParams,
  LanguageModelTool,
} from './types';

/** What the specification has no name for. */
export interface TernionLanguageModelOptions {
  /** How to load the model. Without meaning for an engine. */
  load?: LoadOptions;
  /** The seed of every answer, for answers that can be repeated. Default: a random one for each. */
  seed?: number;
  /** Gets every chunk of every answer as the engine gives it, token ids and figures included, before its text is given out. */
  onChunk?: (chunk: GenerateChunk, session: LanguageModel) => void;
}

/**
 * A class in the shape of the browser's `LanguageModel`, whose sessions run on the model at `source`. Its first `create`
 * loads the model, and all sessions share it; an engine that is given instead stays the caller's, who can dispose of it.
 * Nothing is replaced by that: see {@link installLanguageModel}.
 */
export function createLanguageModel(
  source: LanguageModelSource,
  options: TernionLanguageModelOptions = {},
): LanguageModelClass {
  const { seed, onChunk } = options;
  const loader = new EngineLoader(source, options.load ?? {});

  class LanguageModel extends PromptSession {
    /** @param key what only this function has: scripts cannot construct sessions. */
    constructor(key?: symbol, parts?: SessionParts) {
      if (key !== KEY || !parts) throw new TypeError('Illegal constructor');
      super(parts);
    }

    static async create(given: LanguageModelCreateOptions = {}): Promise<LanguageModel> {
      const { signal } = given;
      try {
        signal?.throwIfAborted();
        const wish = readWish(given);
        const initial = readInitialPrompts(given.initialPrompts);
        const engine = await load(loader, given);
        if (isUnsupported(wish, engine)) throw notSupported(REFUSED);
        const session = engine.createSession();
        const conversation = new Conversation(engine, initial, templateOptionsOf(wish.tools));
        const { sampling, tools } = wish;
        const made = make({ engine, session, conversation, sampling, tools, seed, onChunk, make });
        return await made.#begun(signal);
      } catch (error) {
        throw exceptionOf(error, signal, 'OperationError');
      }
    }

    static async availability(given: LanguageModelCreateCoreOptions = {}): Promise<Availability> {
      const wish = readWish(given);
      if (isUnsupported(wish, loader.ready)) return 'unavailable';
      if (loader.ready) return 'available';
      return loader.loading ? 'downloading' : availabilityOf(loader);
    }

    static async params(): Promise<LanguageModelParams | null> {
      return (await LanguageModel.availability()) === 'unavailable' ? null : { ...PARAMS };
    }

    /** The session, once what it begins with was evaluated. `signal` ends it from then on. */
    async #begun(signal: AbortSignal | undefined): Promise<this> {
      if (signal) this.endWith(signal);
      try {
        await this.begin();
        return this;
      } catch (error) {
        this.destroy();
        throw error;
      }
    }
  }

  const KEY = Symbol('LanguageModel');
  const make = (parts: SessionParts): LanguageModel => new LanguageModel(KEY, parts);
  // A caller has no key, and so nothing that the constructor could be called with.
  return LanguageModel;
}

/**
 * Makes `model` the `LanguageModel` of this page, unless the browser has one. With `replace` it takes the place of that one
 * too. Gives the one that is there then.
 */
export function installLanguageModel(
  model: LanguageModelClass,
  { replace = false }: { replace?: boolean } = {},
): LanguageModelClass {
  const scope = globalThis as { LanguageModel?: LanguageModelClass };
  if (scope.LanguageModel && !replace) return scope.LanguageModel;
  Object.defineProperty(scope, 'LanguageModel', { value: model, configurable: true, writable: true });
  return model;
}

const REFUSED =
  'The model takes and gives text only, and calls tools only if its chat template knows of them.';

/** Options of a session, read. */
type Wish = Pick<SessionParts, 'sampling'> & { tools: LanguageModelTool[]; types: ReadonlySet<string> };

/** Throws `TypeError` and `RangeError` where the specification does. */
function readWish(given: LanguageModelCreateCoreOptions): Wish {
  const expected = [...(given.expectedInputs ?? []), ...(given.expectedOutputs ?? [])];
  expected.forEach(checkLanguages);
  const types = new Set(expected.map(({ type }) => type));
  return { sampling: samplingOf(given), tools: readTools(given.tools), types };
}

/** Throws `RangeError` for what is no language tag. Which languages a model speaks is not known. */
function checkLanguages({ languages }: LanguageModelExpected): void {
  if (languages) Intl.getCanonicalLocales(languages);
}

/** Whether no session with these options is possible. As long as the model is not here, it is taken to know tools. */
function isUnsupported({ types, tools }: Wish, engine: LanguageModelEngine | undefined): boolean {
  const calls = tools.length > 0;
  if (calls && engine && !engine.info.toolCalls) return true;
  return [...types].some(
    (type) => type !== 'text' && !(calls && (type === 'tool-call' || type === 'tool-response')),
  );
}

function templateOptionsOf(tools: readonly LanguageModelTool[]): TemplateOptions {
  return tools.length > 0 ? { tools: toTemplateTools(tools) } : {};
}

/** What a model that is not loaded can be told to be. Rejects where that cannot be found out at the moment. */
async function availabilityOf(loader: EngineLoader): Promise<Availability> {
  try {
    const plan = await loader.plan();
    if (plan?.code !== undefined) return 'unavailable';
    return plan && plan.download.missing > 0 ? 'downloadable' : 'available';
  } catch (error) {
    const exception = exceptionOf(error, undefined, 'UnknownError');
    if (exception instanceof DOMException && exception.name === 'NotSupportedError') return 'unavailable';
    throw exception;
  }
}

/** The engine, with the monitor told how far its download is. */
async function load(
  loader: EngineLoader,
  { signal, monitor }: LanguageModelCreateOptions,
): Promise<LanguageModelEngine> {
  const progress = new DownloadMonitor();
  monitor?.(progress.public);
  progress.tell(0);
  // The end is told once the model is there, not when its last byte has come.
  const engine = await loader.get(signal, (loaded) => progress.tell(Math.min(loaded, 1 - Number.EPSILON)));
  progress.tell(1);
  return engine;
}
