// Runs a request on an engine: its choices one after the other on one session, as pieces that any of the APIs can write down.

import type {
  Engine,
  FinishReason,
  GenerateChunk,
  Prompt,
  SampledLogprob,
  Session,
  ToolCallPiece,
  Usage,
} from '../../engine/types';
import { abortedBy, throwIfAborted } from '../../errors';
import { ApiError, isTernionError } from './api-error';
import { optionsOfChoice, type Asked, type EndingOptions } from './generate-options';
import { refusalOf } from './refusals';
import type { Beginning, Lease, SessionPool } from './session-pool';

/** A model that answers requests. */
export interface Model {
  engine: Engine;
  sessions: SessionPool;
  /** What responses call it. */
  id: string;
}

/** A prompt, and what is wanted of it. */
export interface Job extends Asked {
  prompt: Prompt;
  /** How many answers are wanted. */
  choices: number;
  /**
   * When the ids of the prompt are given: before its first answer, which costs a further step, as the prompt is then evaluated
   * by itself; or behind its first answer. Default: never.
   */
  promptIds?: 'before' | 'after' | undefined;
}

/** Whether the engine may refuse what the answer is to be held to. */
export function isRefusable({ shape, tools }: Job): boolean {
  return shape !== undefined || tools !== undefined;
}

/** Why an answer ended, in the API's words. */
export type EndReason = 'stop' | 'length' | 'tool_calls';

/** What comes of a choice: a piece of its text, with what else became known at the same time. */
export interface AnswerPiece {
  choice: number;
  text: string;
  reasoning?: string;
  /** What has come of calls of tools. It stands behind the text. */
  calls: readonly ToolCallPiece[];
  tokenIds: number[];
  logprobs?: SampledLogprob[];
  /** On the last piece of a choice. */
  end?: AnswerEnd;
}

/** How a choice ended. */
export interface AnswerEnd {
  reason: EndReason;
  usage: Usage;
  /** Tokens up to the end of the reasoning; 0 if there was none. */
  reasoningTokens: number;
}

/** The ids of the prompt, where they are asked for. */
export interface PromptPiece {
  promptIds: number[];
}

/**
 * Answers `job`. Throws `aborted` when `signal` fires; the generation then ends within one step, and so it does when the
 * generator is ended.
 */
export async function* answer(
  model: Model,
  job: Job,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece | PromptPiece, void> {
  const beginning = await beginningOf(model.engine, job.prompt);
  for (;;) {
    throwIfAborted(signal);
    const lease = await model.sessions.lease(job.prompt, beginning, signal);
    let given = false;
    let ended = false;
    try {
      for await (const piece of answerOn(lease, job, signal)) {
        given = true;
        yield piece;
      }
      return;
    } catch (error) {
      ended = isTernionError(error) && error.code === 'disposed';
      // Sessions end with their model. Where another one has taken its place, a new session is all it takes.
      if (!ended || given || !lease.used) throw refusalOf(error, job);
      model.sessions.clear();
    } finally {
      lease.release(ended ? 'ended' : 'sound');
    }
  }
}

async function* answerOn(
  { session }: Lease,
  job: Job,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece | PromptPiece, void> {
  const { prompt, choices, promptIds } = job;
  let cachedTokens: number | undefined;
  if (promptIds === 'before') {
    const usage = await evaluate(session, prompt, {
      ...optionsOfChoice(job, 0, signal),
      maxTokens: 0,
    });
    cachedTokens = usage.cachedTokens;
    yield { promptIds: session.tokenIds.slice(0, usage.promptTokens) };
  }
  for (let choice = 0; choice < choices; choice++) {
    const reader = new AnswerReader(choice);
    const options = optionsOfChoice(job, choice, signal);
    for await (const chunk of chunksOf(session, prompt, options)) {
      const piece = reader.read(chunk);
      // What was evaluated for the ids alone was not in the cache when the request came.
      if (piece.end && cachedTokens !== undefined) piece.end.usage = { ...piece.end.usage, cachedTokens };
      yield piece;
      if (piece.end && choice === 0 && promptIds === 'after') {
        yield { promptIds: session.tokenIds.slice(0, piece.end.usage.promptTokens) };
      }
    }
  }
}

/** Evaluates a prompt, and answers nothing. */
async function evaluate(session: Session, prompt: Prompt, options: EndingOptions): Promise<Usage> {
  for await (const { usage } of chunksOf(session, prompt, options)) if (usage) return usage;
  throw new ApiError(500, 'The evaluation of the prompt had no end.', { code: 'internal' });
}

/** The chunks of a generation. Ends it when the generator is ended, and throws where it was ended from elsewhere. */
async function* chunksOf(
  session: Session,
  prompt: Prompt,
  options: EndingOptions,
): AsyncGenerator<GenerateChunk, void> {
  const reader = session.generate(prompt, options).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value.finishReason === 'abort') throw abortOf(options.signal);
      yield value;
    }
  } finally {
    // A stream that has ended is not cancelled any more, and one that has failed has said so.
    await reader.cancel().catch(() => {});
  }
}

function abortOf(signal: AbortSignal): Error {
  if (signal.aborted) return abortedBy(signal);
  return new ApiError(503, 'The answer was ended: its model was given up.', { code: 'aborted' });
}

/** Makes pieces of one choice's chunks. */
class AnswerReader {
  #tokens = 0;
  #reasoningTokens = 0;

  constructor(private readonly choice: number) {}

  read(chunk: GenerateChunk): AnswerPiece {
    const { text, reasoning, toolCalls: calls = [], tokenIds, logprobs, finishReason, usage } = chunk;
    this.#tokens += tokenIds.length;
    // Reasoning comes first: all tokens up to its end belong to it, its marks too.
    if (reasoning) this.#reasoningTokens = this.#tokens;
    const piece: AnswerPiece = { choice: this.choice, text, calls, tokenIds };
    if (reasoning) piece.reasoning = reasoning;
    if (logprobs) piece.logprobs = logprobs;
    if (finishReason && usage) {
      piece.end = { reason: reasonOf(finishReason), usage, reasoningTokens: this.#reasoningTokens };
    }
    return piece;
  }
}

function reasonOf(reason: FinishReason): EndReason {
  if (reason === 'tool-calls') return 'tool_calls';
  return reason === 'length' ? 'length' : 'stop';
}

/** What the sessions are compared with to find one that holds the prompt's beginning. */
async function beginningOf(engine: Engine, prompt: Prompt): Promise<Beginning> {
  if (typeof prompt === 'string') return engine.tokenize(prompt, { addBos: true, parseSpecial: true });
  return Array.isArray(prompt) ? prompt : prompt.tokenIds;
}

/** Counts of tokens of a whole request. */
export class Tally {
  promptTokens = 0;
  cachedTokens = 0;
  completionTokens = 0;
  reasoningTokens = 0;

  /** Counts a choice that has ended; the prompt of a job counts once. */
  add({ choice, end }: AnswerPiece): void {
    if (!end) return;
    if (choice === 0) {
      this.promptTokens += end.usage.promptTokens;
      this.cachedTokens += end.usage.cachedTokens;
    }
    this.completionTokens += end.usage.completionTokens;
    this.reasoningTokens += end.reasoningTokens;
  }

  get totalTokens(): number {
    return this.promptTokens + this.completionTokens;
  }

  /** As chat and plain completions write them. */
  get usage(): object {
    return {
      prompt_tokens: this.promptTokens,
      completion_tokens: this.completionTokens,
      total_tokens: this.totalTokens,
      prompt_tokens_details: { cached_tokens: this.cachedTokens },
      completion_tokens_details: { reasoning_tokens: this.reasoningTokens },
    };
  }
}
