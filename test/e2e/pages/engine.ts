// Offers the engine to the tests: functions on `globalThis` that take and give JSON.
import {
  deleteModel,
  loadModel,
  type ChatMessage,
  type Engine,
  type GenerateOptions,
  type LoadOptions,
  type LoadProgress,
  type Session,
} from '../../../src/index';
import { collect, type Collected } from '../../support/collect';
import { endAnswer, type Ending, type Moment } from '../../support/endings';
import { misuses } from '../../support/misuses';
import { createQuick } from './quick';
import { refusal, type Refusal } from './refusal';

/** What travels as JSON. */
export interface PageLoadOptions extends Pick<
  LoadOptions,
  'streamTransport' | 'precision' | 'headPrecision'
> {
  quick?: boolean;
}

let engine: Engine;
let session: Session;

/** Reads `reads` chunks, waiting `pauseMs` between them, and then leaves in the given way. */
async function readSome(
  text: string,
  reads: number,
  pauseMs: number,
  leave: 'cancel' | 'break',
): Promise<number[]> {
  const ids: number[] = [];
  const stream = session.send(text);
  if (leave === 'break') {
    for await (const { tokenIds } of stream as unknown as AsyncIterable<{ tokenIds: number[] }>) {
      ids.push(...tokenIds);
      if (ids.length >= reads) break;
    }
    return ids;
  }
  const reader = stream.getReader();
  while (ids.length < reads) {
    const { value } = await reader.read();
    ids.push(...(value?.tokenIds ?? []));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  await reader.cancel();
  return ids;
}

Object.assign(globalThis, {
  /** Loads a model and throws it away. */
  loadOnce: async (url: string) => (await loadModel(url, { onProgress: () => {}, cache: false })).dispose(),
  /** Keeps the page busy for `steps` additions. */
  spin(steps: number) {
    let sum = 0;
    for (let i = 0; i < steps; i++) sum += i;
    return sum;
  },
  /** Loads with the kernels that this browser's GPU is thought to run fastest, or with those that compile soonest (`quick`). */
  async load(url: string, { quick, ...options }: PageLoadOptions = {}) {
    const progress: LoadProgress[] = [];
    engine = await loadModel(url, {
      onProgress: (each) => progress.push(each),
      ...(quick && { createWorker: createQuick }),
      ...options,
    });
    session = engine.createSession();
    return { info: engine.info, progress };
  },
  refusedLoad: (url: string) => refusal(() => loadModel(url)),
  refusedBytes: (bytes: number[]) => refusal(() => loadModel(Uint8Array.from(bytes))),
  async abortedLoad(url: string) {
    const controller = new AbortController();
    return refusal(() =>
      loadModel(url, { signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) }),
    );
  },
  refusedSend: (text: string, options?: GenerateOptions) =>
    refusal(() => collect(session.send(text, options))),
  /** What a sample of misuse is refused with, by the name of each; and how many calls that were. */
  async misuse() {
    const { signal } = new AbortController();
    const calls = [
      ...misuses(engine, session),
      ['a Proxy of a signal', () => collect(session.send('x', { signal: new Proxy(signal, {}) }))] as const,
      ['a Proxy of a Blob', () => loadModel(new Proxy(new Blob(['x']), {}))] as const,
      ['null load options', () => loadModel('x', null as unknown as object)] as const,
      ['no model to delete', () => deleteModel(null as unknown as string)] as const,
    ];
    const others: Record<string, Refusal | undefined> = {};
    for (const [name, call] of calls) {
      const refused = await refusal(call);
      if (refused?.code !== 'invalid-argument') others[name] = refused;
    }
    return { calls: calls.length, others };
  },
  refusedFunctionTemplate: () => refusal(() => collect(session.send('x', { chatTemplate: () => 'x' }))),
  refusedLoadWithFunctionTemplate: (url: string) =>
    refusal(() => loadModel(url, { chatTemplate: () => 'x' })),
  /** Loads with a template of the page's own. */
  async loadWithTemplate(url: string, chatTemplate: string, templateOptions: Record<string, unknown>) {
    engine = await loadModel(url, { chatTemplate, templateOptions, createWorker: createQuick });
    session = engine.createSession();
    return engine.info;
  },
  nextLogits: async (ids: number[]) => Array.from(await engine.nextLogits(ids)),
  /** What a model of these bytes makes of texts, and how it refuses one that is too long. */
  async embedWith(bytes: number[], texts: string[]) {
    await using embedder = await loadModel(Uint8Array.from(bytes), { createWorker: createQuick });
    const vectors = await embedder.embed(texts);
    const tooLong = await refusal(() => embedder.embed('x'.repeat(10_000)));
    const aborted = await refusal(() => embedder.embed(texts, { signal: AbortSignal.abort() }));
    return { vectors: vectors.map((vector) => Array.from(vector)), tooLong, aborted };
  },
  tokenize: (text: string) => engine.tokenize(text),
  detokenize: (ids: number[]) => engine.detokenize(ids),
  send: (text: string, options?: GenerateOptions): Promise<Collected> => collect(session.send(text, options)),
  generate: (messages: ChatMessage[], options?: GenerateOptions): Promise<Collected> =>
    collect(engine.createSession().generate(messages, options)),
  readSome,
  async sendAndAbort(text: string, afterTokens: number) {
    const controller = new AbortController();
    const chunks = [];
    for await (const chunk of session.send(text, { signal: controller.signal }) as unknown as AsyncIterable<
      Collected['chunks'][number]
    >) {
      chunks.push(chunk);
      if (chunks.length >= afterTokens) controller.abort();
    }
    return chunks;
  },
  endAnswer: (ending: Ending, moment: Moment) => endAnswer(engine, ending, moment),
  messages: () => session.messages,
  cachedLength: () => session.tokenIds.length,
  newSession() {
    session = engine.createSession();
  },
  /** A copy of the session, and the session itself taken back by a turn, are asked the same. */
  async askCopyAndRewound(text: string) {
    await using fork = await session.fork();
    await session.rewind({ turns: 1 });
    const rewound = { messages: session.messages, tokens: session.tokenIds.length };
    const [copy, original] = [
      await fork.complete([...fork.messages, { role: 'user', content: text }]),
      await collect(session.send(text)),
    ];
    return { rewound, copy, original, messages: fork.messages };
  },
  /** Keeps the session where pages of this origin find it. */
  async storeSession() {
    const saved = await session.save();
    await (await caches.open('sessions')).put('/saved-session', new Response(saved));
    return { bytes: saved.size, tokenIds: session.tokenIds };
  },
  async restoreStoredSession() {
    const saved = await caches.match('/saved-session');
    session = await engine.restoreSession(await saved!.blob());
    const refused = await refusal(() => engine.restoreSession(new Blob(['no session'])));
    return { tokenIds: session.tokenIds, messages: session.messages, refused };
  },
  async refusedAfterSessionDispose() {
    const other = engine.createSession();
    await other.dispose();
    return refusal(() => collect(other.send('Hello')));
  },
  /** Loads another model in place of the one that is here. `meanwhile` is what calls get until it is ready. */
  async reload(url: string, options: Omit<PageLoadOptions, 'quick' | 'streamTransport'> = {}) {
    const before = session;
    let call: Promise<Refusal | undefined> | undefined;
    const onProgress = (): void => void (call ??= refusal(() => engine.tokenize('x')));
    await engine.load(url, { onProgress, ...options });
    const meanwhile = await call;
    const old = await refusal(() => collect(before.send('Hello')));
    await before.dispose();
    session = engine.createSession();
    return { info: engine.info, meanwhile, old };
  },
  refusedReload: (url: string) => refusal(() => engine.load(url)),
  gpuBytes: () => engine.info.gpuBytes,
  refusedSession: () => refusal(async () => engine.createSession()),
  dispose: () => engine.dispose(),
  refusedAfterDispose: () => refusal(() => engine.tokenize('x')),
});
