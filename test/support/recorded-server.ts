// The recorded llama-server: asks a question of its recording, and what came of it.
import type { RemoteChunk } from '../../src/surfaces/connect/types';
import { call, loading, locked, words, type Where } from './server-questions';
import { recording, replaying, textOf, type Cut, type Exchange } from './server-recordings';

/** A question, known by its name. */
export type Ask<T> = (where: Where) => Promise<T>;

const GROUPS = [
  ['words', words],
  ['call', call],
  ['locked', locked],
  ['loading', loading],
] as const;

const recorded = Object.fromEntries(GROUPS.map(([name]) => [name, recording(`llama-server/${name}`)]));

/** What was recorded for a question, which is known by its name. */
export function exchangesOf(ask: Ask<unknown>): Exchange[] {
  const [group] = GROUPS.find(([, questions]) => Object.values(questions).includes(ask as never)) ?? [''];
  return recorded[group]?.questions[ask.name] ?? [];
}

/** Asks a recording instead of a server. */
export const answered = <T>(ask: Ask<T>, cut?: Cut): Promise<T> => ask(replaying(exchangesOf(ask), cut));

/** The text of the answer that the server gave last. */
export function answerOf(ask: Ask<unknown>): string {
  const exchange = exchangesOf(ask).at(-1);
  return exchange ? textOf(exchange) : '';
}

/** What a stream's chunks come to. */
export function whole(chunks: readonly RemoteChunk[]) {
  return {
    ...chunks.at(-1),
    text: chunks.map(({ text }) => text).join(''),
    reasoning: chunks.map(({ reasoning = '' }) => reasoning).join(''),
    tokenIds: chunks.flatMap(({ tokenIds = [] }) => tokenIds),
    toolCalls: chunks.flatMap(({ toolCalls = [] }) => toolCalls),
    logprobs: chunks.flatMap(({ logprobs = [] }) => logprobs),
  };
}
