// One way to end an answer at any moment, and to see what its reader and its session are left with; for Node and for pages.
import type {
  ChatMessage,
  CoreEngine,
  CoreSession,
  FinishReason,
  GenerateChunk,
} from '../../src/engine/types';
import { collect, type Collected } from './collect';

/** How an answer is ended: by its signal, its reader, or by disposing of the session or the engine. */
export type Ending = 'abort' | 'cancel' | 'session' | 'engine';
export const ENDINGS: readonly Ending[] = ['abort', 'cancel', 'session', 'engine'];

/** When it is ended. Unless a read is pending, the reader has gone away. */
export type Moment = 'before the first read' | 'after one read' | 'with a read pending' | 'after two reads';
export const MOMENTS: readonly Moment[] = [
  'before the first read',
  'after one read',
  'with a read pending',
  'after two reads',
];

/** The longest answer of the embedded model, and what its session is asked next. */
export const QUESTION = 'Tell me a story.';
export const NEXT_QUESTION = 'Spell planet.';

/** What is left of an answer that was ended. */
export interface Ended {
  /** What the reader was given, before the end and when it came back after it. */
  text: string;
  tokenIds: number[];
  finishReason: FinishReason | undefined;
  /** Completion tokens in the account of the last chunk. */
  counted: number | undefined;
  /** The code of what a reader who came back was refused with. */
  failure: string | undefined;
  /** What the session says was said. */
  messages: readonly ChatMessage[];
  /** What the session has in its cache. */
  cached: readonly number[];
  /** The answer that the session gave after that, where it still could. */
  next: Collected | undefined;
}

/**
 * Asks a new session of `engine` for a story, ends that as told, waits until what ended it has settled, and asks for more if
 * the session lives on. Only then the reader comes back for what is left. `before` is awaited right before the end.
 */
export async function endAnswer(
  engine: { createSession(): CoreSession; dispose: CoreEngine['dispose'] },
  ending: Ending,
  moment: Moment,
  before: () => unknown = () => {},
): Promise<Ended> {
  const session = engine.createSession();
  const control = new AbortController();
  const reader = session.send(QUESTION, { signal: control.signal }).getReader();
  const chunks: GenerateChunk[] = [];
  const read = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    if (!done) chunks.push(value);
    return !done;
  };
  const reads = {
    'before the first read': 0,
    'after one read': 1,
    'with a read pending': 1,
    'after two reads': 2,
  };
  for (let i = 0; i < reads[moment]; i++) await read();
  const pending = moment === 'with a read pending' ? read() : undefined;
  await before();
  if (ending === 'abort') control.abort();
  else if (ending === 'cancel') await reader.cancel();
  else await { session, engine }[ending].dispose();
  const livesOn = ending === 'abort' || ending === 'cancel';
  const next = livesOn ? await collect(session.send(NEXT_QUESTION)) : undefined;

  await pending;
  let failure: string | undefined;
  try {
    while (await read());
  } catch (error) {
    failure = (error as { code?: string }).code ?? String(error);
  }
  const { messages, tokenIds: cached } = session;
  if (livesOn) await session.dispose();
  const last = chunks.at(-1);
  return {
    text: chunks.map(({ text }) => text).join(''),
    tokenIds: chunks.flatMap(({ tokenIds }) => tokenIds),
    finishReason: last?.finishReason,
    counted: last?.usage?.completionTokens,
    failure,
    messages: [...messages],
    cached: [...cached],
    next,
  };
}
