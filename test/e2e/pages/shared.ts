// Offers to the tests: an engine that is shared with other tabs, and answers that are read in two parts.
import {
  loadModel,
  type Engine,
  type EngineStatus,
  type GenerateChunk,
  type GenerateOptions,
  type Session,
} from '../../../src/index';
import { collect } from '../../support/collect';
import { createQuick } from './quick';

let engine: Engine;
let copy: Session | undefined;
let saved: Blob | undefined;
let workers = 0;
const statuses: EngineStatus[] = [];
/** Answers that have begun, and the ids that each has given. */
const begun: { reader: ReadableStreamDefaultReader<GenerateChunk>; ids: number[] }[] = [];

/** Only a worker has a device, and a model on it. */
function createCounted(): Worker {
  workers++;
  return createQuick();
}

Object.assign(globalThis, {
  async load(url: string, shared = true) {
    const onStatus = (status: EngineStatus): void => void statuses.push(status);
    engine = await loadModel(url, { shared, createWorker: createCounted, onStatus });
    return engine.info;
  },
  /** Loads where a browser lacks what sharing takes. */
  async loadWithoutLocks(url: string) {
    Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true });
    await using alone = await loadModel(url, { shared: true, createWorker: createQuick });
    return alone.info.sharing;
  },
  info: () => engine.info,
  workers: () => workers,
  statuses: () => statuses,
  async answer(tokenIds: number[], options?: GenerateOptions) {
    await using session = engine.createSession();
    const begin = performance.now();
    const { tokenIds: ids } = await collect(session.generate({ tokenIds }, options));
    return { ids, ms: performance.now() - begin };
  },
  /** Begins an answer and stops reading after `count` tokens. */
  async begin(tokenIds: number[], options: GenerateOptions, count: number): Promise<void> {
    const reader = engine.createSession().generate({ tokenIds }, options).getReader();
    const ids: number[] = [];
    while (ids.length < count) ids.push(...(await reader.read()).value!.tokenIds);
    begun.push({ reader, ids });
  },
  /** Reads on to the end of all answers that have begun. Their ids. */
  goOn: () =>
    Promise.all(
      begun.splice(0).map(async ({ reader, ids }) => {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return ids;
          ids.push(...value.tokenIds);
        }
      }),
    ),
  /** Keeps a session with an answer: a copy of it, and itself as data. Ids of the conversation. */
  async keep(tokenIds: number[], options: GenerateOptions): Promise<readonly number[]> {
    const session = engine.createSession();
    const { tokenIds: ids } = await session.complete({ tokenIds }, options);
    copy = await session.fork();
    await session.rewind(ids.length);
    saved = await copy.save();
    return [...tokenIds, ...ids];
  },
  /** Ids of the answers with which the copy, and the session as it was saved, go on behind the conversation `tokenIds`. */
  async goOnKept(tokenIds: number[], options: GenerateOptions): Promise<number[][]> {
    await using restored = await engine.restoreSession(saved!);
    const answers = [];
    for (const session of [copy!, restored])
      answers.push((await session.complete({ tokenIds }, options)).tokenIds);
    return answers;
  },
  dispose: () => engine.dispose(),
});
