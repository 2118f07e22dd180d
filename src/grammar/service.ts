// Grammars for whoever generates: compiled and followed in a thread of their own, which can be ended.
//
// A grammar may come from anybody. xgrammar compiles it in one go in WebAssembly, where nothing can interrupt it, and a grammar that
// it cannot use aborts its whole module. So it has a thread to itself: that is ended when it takes too long, and another one is
// started at the next use. The thread of the engine never waits for it but by awaiting.

import { TernionError, untilAborted } from '../errors';
import type { GrammarSource } from './grammar';
import type { GrammarStep } from './protocol';
import { packTokens } from './pack-tokens';
import { GrammarError, ThreadLink, type StartGrammarThread } from './thread-link';

/** Compiles grammars and follows answers through them. */
export interface GrammarService {
  /**
   * Begins to follow an answer. Each grammar is compiled once for a vocabulary, among the last ones that were used. Rejects with
   * `invalid-argument` for a grammar that cannot be used, with `unsupported-feature` for one that takes too much time or memory and
   * where WebAssembly is forbidden, with `worker-lost` or `worker-unavailable` if there is no thread, and with `aborted`: `signal`
   * ends the wait.
   */
  follow(vocabulary: GrammarVocabulary, source: GrammarSource, signal?: AbortSignal): Promise<GrammarState>;
  /** Ends the thread. All that is under way, and all that comes later, rejects with `disposed`. */
  dispose(): void;
}

/** The tokens of a model, as a grammar sees them. */
export interface GrammarVocabulary {
  /** The bytes of each token, by id; none for those that no grammar derives, such as control tokens. The same list every time. */
  tokens(): readonly Uint8Array[];
  /** Ids that end an answer. */
  readonly endIds: readonly number[];
}

/** An answer on its way through a grammar. */
export interface GrammarState {
  /**
   * What may come after these tokens of the answer, `[]` at its beginning; any beginning can be asked about, in any order. Each
   * token must be one that was allowed. Rejects as `follow` does.
   */
  after(tokenIds: readonly number[]): Promise<GrammarStep>;
  /** The answer is over. */
  release(): void;
}

/** Time for one request to the thread, ms: the compilation of a grammar, or the mask of a token. */
const LIMIT_MS = 5000;

/** Time for the thread's script to be fetched and for a vocabulary to be taken, ms. */
const START_MS = 60_000;

/** Limits of a service. */
export interface GrammarServiceOptions {
  /** Most time that a grammar may take to compile, or for one token, ms. Default 5000. */
  limitMs?: number;
}

/** A vocabulary in a thread, which has one only. */
interface Place {
  link: ThreadLink;
  tokens: readonly Uint8Array[];
}

/** A service with a thread, which is there from the first use on. */
export class ThreadedGrammars implements GrammarService {
  /** Grammars that had to be compiled so far. */
  compiled = 0;
  /** Threads that were started so far. */
  threads = 0;
  readonly #limitMs: number;
  #place: Place | undefined;
  /** The end of all that is asked of the thread so far: one at a time, so that each has its own limit. */
  #turns: Promise<unknown> = Promise.resolve();
  #answers = 0;
  #disposed = false;

  constructor(
    private readonly start: StartGrammarThread,
    { limitMs = LIMIT_MS }: GrammarServiceOptions = {},
  ) {
    this.#limitMs = limitMs;
  }

  async follow(
    vocabulary: GrammarVocabulary,
    source: GrammarSource,
    signal?: AbortSignal,
  ): Promise<GrammarState> {
    const answer = new FollowedAnswer(this, this.#answers++, vocabulary, source);
    try {
      await untilAborted(answer.begin(), signal);
      return answer;
    } catch (error) {
      answer.release();
      throw error;
    }
  }

  dispose(): void {
    this.#disposed = true;
    this.#place?.link.end(disposed());
  }

  /**
   * Does `work` with a thread that has the vocabulary, when nothing else is asked of it. If there is no room for it beside what
   * is there, it is done once more in another thread.
   */
  inTurn<T>(tokens: readonly Uint8Array[], work: (link: ThreadLink) => Promise<T>): Promise<T> {
    const turn = this.#turns.then(async () => {
      const link = await this.#linkFor(tokens);
      const wasUsed = link.used;
      try {
        return await work(link);
      } catch (error) {
        if (!wasUsed || !(error instanceof GrammarError) || !error.outOfRoom) throw error;
        return work(await this.#linkFor(tokens));
      }
    });
    this.#turns = turn.catch(() => {});
    return turn;
  }

  /** Has the thread follow an answer from its beginning. */
  async begin(
    link: ThreadLink,
    answer: number,
    source: GrammarSource,
    endIds: readonly number[],
  ): Promise<void> {
    const request = { kind: 'follow', answer, source, endIds } as const;
    const seconds = this.#limitMs / 1000;
    const { compiled } = await link.ask(request, this.#limitMs, () =>
      unsupported(`The grammar takes more than ${seconds} s to compile.`),
    );
    link.used = true;
    if (compiled) this.compiled++;
  }

  /** Has the thread go to where the first `kept` tokens of an answer are followed by `tokenIds`. */
  advance(link: ThreadLink, answer: number, kept: number, tokenIds: readonly number[]): Promise<GrammarStep> {
    const request = { kind: 'advance', answer, kept, tokenIds } as const;
    const seconds = this.#limitMs / 1000;
    return link.ask(request, this.#limitMs, () =>
      unsupported(`The grammar takes more than ${seconds} s for one token.`),
    );
  }

  /** Forgets an answer when nothing else is asked of its thread. */
  release(link: ThreadLink, answer: number): void {
    this.#turns = this.#turns.then(() => link.release(answer));
  }

  /** The thread, with this vocabulary. */
  async #linkFor(tokens: readonly Uint8Array[]): Promise<ThreadLink> {
    if (this.#place?.tokens === tokens && !this.#place.link.isOver) return this.#place.link;
    if (this.#disposed) throw disposed();
    this.#place?.link.end(new TernionError('internal', 'The thread was given to another vocabulary.'));
    this.#place = undefined;
    this.threads++;
    const link = new ThreadLink(await this.start());
    // So that a disposal finds it from here on; it may have come while the thread was starting.
    this.#place = { link, tokens };
    if (this.#disposed) link.end(disposed());
    const { bytes, ends } = packTokens(tokens);
    await link.ask({ kind: 'vocabulary', bytes, ends }, START_MS, silent);
    return link;
  }
}

/** An answer, in whatever thread there is: what a thread has to know of it can be told to the next one. */
class FollowedAnswer implements GrammarState {
  /** Where it is followed, and the tokens that it has there. */
  #place: { link: ThreadLink; tokenIds: readonly number[] } | undefined;
  #released = false;

  constructor(
    private readonly service: ThreadedGrammars,
    private readonly number: number,
    private readonly vocabulary: GrammarVocabulary,
    private readonly source: GrammarSource,
  ) {}

  begin(): Promise<void> {
    return this.service.inTurn(this.vocabulary.tokens(), async (link) => {
      await this.#on(link);
    });
  }

  after(tokenIds: readonly number[]): Promise<GrammarStep> {
    const wanted = [...tokenIds];
    return this.service.inTurn(this.vocabulary.tokens(), async (link) => {
      const place = await this.#on(link);
      const kept = commonPrefix(place.tokenIds, wanted);
      // What it is left with after a failure is not known: it begins again.
      this.#place = undefined;
      const step = await this.service.advance(link, this.number, kept, wanted.slice(kept));
      this.#place = { link, tokenIds: wanted };
      if (step.mask.every((word) => word === 0)) throw deadEnd();
      return step;
    });
  }

  release(): void {
    this.#released = true;
    if (this.#place) this.service.release(this.#place.link, this.number);
  }

  /** Where it is followed in that thread. */
  async #on(link: ThreadLink): Promise<{ link: ThreadLink; tokenIds: readonly number[] }> {
    if (this.#place?.link === link) return this.#place;
    link.release(this.number);
    const { source, vocabulary } = this;
    await this.service.begin(link, this.number, source, vocabulary.endIds);
    this.#place = { link, tokenIds: [] };
    if (this.#released) this.release();
    return this.#place;
  }
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((id, i) => id !== b[i]);
  return differs < 0 ? a.length : differs;
}

function unsupported(message: string): TernionError {
  return new TernionError('unsupported-feature', message);
}

/** A grammar may derive what the tokens of a model cannot spell. */
function deadEnd(): TernionError {
  return unsupported("The grammar allows nothing here that the model's tokens can spell.");
}

function silent(): TernionError {
  const message =
    'The worker for grammars does not answer; its script may not be that of Ternion (ternion/grammar).';
  return new TernionError('worker-lost', message);
}

function disposed(): TernionError {
  return new TernionError('disposed', 'The engine was disposed.');
}
