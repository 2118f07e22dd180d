// A sample of what goes wrong with an engine by mistake, for tests in Node and in a page: the whole table is that of
// test/unit/boundary/misuse.test.ts.
import type { Engine, GenerateOptions, Prompt, Session } from '../../src/engine/types';
import { collect } from './collect';
import { WRONG_VALUES } from './wrong-values';

/** A call that is to be refused with `invalid-argument`. */
export type Misuse = [name: string, call: () => Promise<unknown>];

/** Calls of an engine with a model of fewer than 10^8 tokens, and of one of its sessions. */
export function misuses(engine: Engine, session: Session): Misuse[] {
  const named = (name: string, call: (value: never) => Promise<unknown>): Misuse[] =>
    Object.entries(WRONG_VALUES)
      .filter(([value]) => !RIGHT_SOMEWHERE.has(value))
      .map(([value, make]) => [`${name}: ${value}`, async () => call(make() as never)]);
  const answer = (prompt: unknown, options?: unknown): Promise<unknown> =>
    collect(session.generate(prompt as Prompt, options as GenerateOptions));
  return [
    ...named('tokenize', (value) => engine.tokenize(value)),
    ...named('detokenize', (value) => engine.detokenize(value)),
    ...named('nextLogits', (value) => engine.nextLogits(value)),
    ...named('embed', (value) => engine.embed(value)),
    ...named('profile', (value) => engine.profile({ tokens: value })),
    ...named('prompt', (value) => answer(value)),
    ...named('tokenIds', (value) => answer({ tokenIds: value })),
    ...named('content', (value) => answer([{ role: 'user', content: value }])),
    ...named('send', (value) => collect(session.send(value))),
    ...named('stop', (value) => answer('x', { stop: value })),
    ...named('logitBias', (value) => answer('x', { logitBias: value })),
    ...named('signal', (value) => answer('x', { signal: value })),
    ...named('temperature', (value) => answer('x', { temperature: value })),
    ...named('chatTemplate', (value) => answer('x', { chatTemplate: value })),
    ...named('logprobs', (value) => answer('x', { logprobs: value })),
    ...named('contextOverflow', (value) => answer('x', { contextOverflow: value })),
    ...named('complete', (value) => session.complete(value)),
    ...named('rewind', (value) => session.rewind(value)),
    ...named('restoreSession', (value) => engine.restoreSession(value)),
    ['null options', () => answer('x', null)],
    ['a signal for options', () => answer('x', new AbortController().signal)],
  ];
}

/** Those that one or the other of these arguments may well be. */
const RIGHT_SOMEWHERE: ReadonlySet<string> = new Set<keyof typeof WRONG_VALUES>([
  '0',
  '1.5',
  "''",
  "'1e3'",
  '{}',
  '[]',
  "['']",
  'function',
  'a hostile function',
]);
