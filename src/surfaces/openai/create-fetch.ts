// The OpenAI API in front of an engine, as a `fetch`: a request in, a response out, and no network between.

import type { Engine } from '../../engine/types';
import { TernionError } from '../../errors';
import { ApiError, badRequest, toApiError } from './api-error';
import type { Model } from './answers';
import { chatCompletion } from './chat-completions';
import { completion } from './completions';
import { eventStreamResponse } from './event-stream';
import { now, type Exchange } from './exchange';
import { Fields } from './fields';
import { response } from './responses';
import { SessionPool } from './session-pool';

/** Gives the engine for the name that a request has under `model`; nothing if there is no model of that name. */
export type EngineFor = (model: string) => Engine | undefined | Promise<Engine | undefined>;

/** How requests are served. */
export interface CreateFetchOptions {
  /** What `GET /v1/models` lists. Default: the name of the engine's model; nothing for a function, which has no list. */
  models?: readonly string[];
  /**
   * Conversations of an engine whose KV caches are kept from one request to the next, each of which takes GPU memory. So many
   * requests are answered at a time; others wait. Default 4.
   */
  sessions?: number;
  /** Milliseconds of silence after which an event stream sends a comment, so that nobody takes it for dead. Default 10 000. */
  pingInterval?: number;
}

/** What `fetch` is, for those who take one: the `openai` package does. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

type Endpoint = (fields: Fields, model: Model) => Exchange;

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['chat/completions', chatCompletion],
  ['completions', completion],
  ['responses', response],
]);

/**
 * A `fetch` that answers requests of the OpenAI API with `source`, whatever host they are for:
 * `POST /v1/chat/completions`, `/v1/completions` and `/v1/responses`, `GET /v1/models`. One engine answers whatever model is
 * asked for; a function chooses. The engines stay the caller's. Rejects only as `fetch` does when its signal fires; all
 * other failures are responses. Throws `invalid-argument` for options that cannot be used.
 */
export function createFetch(source: Engine | EngineFor, options: CreateFetchOptions = {}): Fetch {
  const server = new OpenAiServer(source, options);
  return (input, init) => server.handle(new Request(input, init), signalOf(input, init));
}

/** The caller's own signal. One that a Request derives from it can be lost in Node, when the Request is collected. */
function signalOf(input: string | URL | Request, init: RequestInit | undefined): AbortSignal {
  return init?.signal ?? (input instanceof Request ? input.signal : new AbortController().signal);
}

class OpenAiServer {
  readonly #pools = new WeakMap<Engine, SessionPool>();
  readonly #startedAt = now();
  readonly #sessions: number;
  readonly #pingMs: number;

  constructor(
    private readonly source: Engine | EngineFor,
    private readonly options: CreateFetchOptions,
  ) {
    const { sessions = 4, pingInterval = 10_000 } = options;
    if (!Number.isInteger(sessions) || sessions < 1)
      throw wrongOption('sessions', 'a whole number from 1 on');
    if (!(pingInterval > 0)) throw wrongOption('pingInterval', 'a time in milliseconds');
    this.#sessions = sessions;
    this.#pingMs = pingInterval;
  }

  async handle(request: Request, signal: AbortSignal): Promise<Response> {
    try {
      signal.throwIfAborted();
      return await this.#answer(request, signal);
    } catch (error) {
      // Whoever has left hears of that, and of nothing else.
      signal.throwIfAborted();
      return toApiError(error).toResponse();
    }
  }

  async #answer(request: Request, signal: AbortSignal): Promise<Response> {
    const { pathname } = new URL(request.url);
    const path = /\/v1\/(.+?)\/?$/.exec(pathname)?.[1] ?? '';
    if (path === 'models' || path.startsWith('models/')) {
      expectMethod(request, 'GET');
      return Response.json(path === 'models' ? this.#modelList() : this.#modelNamed(path.slice(7)));
    }
    const endpoint = ENDPOINTS.get(path);
    if (!endpoint) throw new ApiError(404, `There is no ${pathname} here.`, { code: 'unknown_url' });
    expectMethod(request, 'POST');
    const fields = new Fields(await bodyOf(request), '');
    const exchange = endpoint(fields, await this.#model(fields));
    if (!exchange.stream) return Response.json(await exchange.whole(signal));
    return await eventStreamResponse({ ...exchange, signal, pingMs: this.#pingMs });
  }

  async #model(fields: Fields): Promise<Model> {
    const name = fields.text('model');
    const engine = await this.#engine(name);
    let sessions = this.#pools.get(engine);
    if (!sessions) {
      sessions = new SessionPool(engine, this.#sessions);
      this.#pools.set(engine, sessions);
    }
    return { engine, sessions, id: name ?? nameOf(engine) };
  }

  async #engine(name: string | undefined): Promise<Engine> {
    const { source } = this;
    if (typeof source !== 'function') return source;
    if (name === undefined) throw badRequest('model', 'model must be the name of a model.');
    const engine = await source(name);
    if (engine) return engine;
    throw noModel(name);
  }

  get #names(): readonly string[] {
    const { models } = this.options;
    if (models) return models;
    return typeof this.source === 'function' ? [] : [nameOf(this.source)];
  }

  #modelList(): object {
    return { object: 'list', data: this.#names.map((name) => this.#modelObject(name)) };
  }

  #modelNamed(path: string): object {
    // Clients encode slashes or leave them.
    const name = this.#names.find((each) => path === encodeURIComponent(each) || path === encodeURI(each));
    if (name !== undefined) return this.#modelObject(name);
    throw noModel(path);
  }

  #modelObject(id: string): object {
    return { id, object: 'model', created: this.#startedAt, owned_by: 'ternion' };
  }
}

function wrongOption(name: string, wanted: string): TernionError {
  return new TernionError('invalid-argument', `options.${name} must be ${wanted}.`);
}

function nameOf(engine: Engine): string {
  return engine.info.name || 'ternion';
}

function noModel(name: string): ApiError {
  return new ApiError(404, `There is no model '${name}' here.`, { param: 'model', code: 'model_not_found' });
}

function expectMethod({ method }: Request, wanted: string): void {
  if (method !== wanted) throw new ApiError(405, `This takes ${wanted}, not ${method}.`, { code: 'method' });
}

async function bodyOf(request: Request): Promise<unknown> {
  const text = await request.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, 'The body of the request is not JSON.', { code: 'invalid_json' });
  }
}
