// What the tests of sessions share: an engine with the embedded model, its golden answers, and ways to read a stream.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { LocalSession } from '../../src/engine/session';
import type { GenerateChunk, PlainGenerateOptions, Prompt } from '../../src/engine/types';
import { collect, type Collected } from './collect';
import type { GoldenPrompt } from './golden';
import { loadWatched, type WatchedEngine } from './watched-engine';

/** Tokens of one chunk of a prompt, by default. */
export const CHUNK = 128;

const prompts = JSON.parse(
  readFileSync(new URL('../fixtures/prompts.json', import.meta.url), 'utf8'),
) as GoldenPrompt[];

/** The golden answer to the one message `text`. */
export function goldenFor(text: string): GoldenPrompt {
  const golden = prompts.find(({ messages }) => messages.length === 1 && messages[0]!.content === text);
  if (!golden) throw new Error(`There is no golden answer to ${text}`);
  return golden;
}

export const COUNT = goldenFor('Count from 3 to 9.');
/** The longest answer: 93 tokens. */
export const STORY = goldenFor('Tell me a story.');

/** 900 tokens of conversation that end with the question to count: seven whole chunks, and a part of one. */
export const LONG: number[] = [
  ...prompts.flatMap(({ promptIds, greedy }) => [...promptIds.slice(1), ...greedy]),
  ...prompts.flatMap(({ promptIds, greedy }) => [...promptIds.slice(1), ...greedy]),
].slice(0, 900 - COUNT.promptIds.length);
LONG.unshift(COUNT.promptIds[0]!);
LONG.push(...COUNT.promptIds.slice(1));

/** An engine for the tests of a file, and sessions that end with the test that opened them. */
export interface Sessions {
  /** Good in hooks and tests. */
  readonly watched: WatchedEngine;
  /** The whole story that the model tells if nobody disturbs it: 93 tokens. It was the engine's first answer. */
  readonly story: Collected;
  open: () => LocalSession;
  /** What `prompt` gives in a session of its own, with nobody else around. */
  undisturbed: (prompt: Prompt, options?: PlainGenerateOptions) => Promise<Collected>;
}

/** Loads an engine before the first test of the file, and disposes of it after the last one. */
export function useSessions(): Sessions {
  let loaded: { watched: WatchedEngine; story: Collected } | undefined;
  const opened: LocalSession[] = [];
  const known = (): { watched: WatchedEngine; story: Collected } => {
    if (!loaded) throw new Error('The engine is not loaded yet');
    return loaded;
  };
  beforeAll(async () => {
    const watched = await loadWatched();
    // With its first answer an engine makes what it reads tokens back with, and keeps that.
    loaded = { watched, story: await answerOf(watched, STORY.messages) };
  });
  afterEach(async () => {
    for (const session of opened.splice(0)) await session.dispose();
  });
  afterAll(() => loaded?.watched.engine.dispose());
  return {
    get watched() {
      return known().watched;
    },
    get story() {
      return known().story;
    },
    open() {
      const session = known().watched.engine.createSession();
      opened.push(session);
      return session;
    },
    undisturbed: (prompt, options) => answerOf(known().watched, prompt, options),
  };
}

async function answerOf(
  { engine }: WatchedEngine,
  prompt: Prompt,
  options?: PlainGenerateOptions,
): Promise<Collected> {
  const session = engine.createSession();
  const answer = await collect(session.generate(prompt, options));
  await session.dispose();
  return answer;
}

export type Reader = ReadableStreamDefaultReader<GenerateChunk>;

export async function readChunks(reader: Reader, count: number): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  while (chunks.length < count) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The stream ended after ${chunks.length} chunks`);
    chunks.push(value);
  }
  return chunks;
}

export async function readRest(reader: Reader): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
  }
}

export const textOf = (chunks: readonly GenerateChunk[]): string => chunks.map(({ text }) => text).join('');
export const idsOf = (chunks: readonly GenerateChunk[]): number[] =>
  chunks.flatMap(({ tokenIds }) => tokenIds);
