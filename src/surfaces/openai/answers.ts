// Runs a request on an engine: its choices one after the other on one session, as pieces that any of the APIs can write down.

import type {
  Engine,
  FinishReason,
  GenerateChunk,
  Prompt,
  SampledLogprob,
  Session,
  Usage,
} from '../../engine/types';
import { abortedBy, throwIfAborted } from '../../errors';
import {
  toolCallParser,
  type FoundCall,
  type ToolCallParser,
  type ToolCallPiece,
} from '../../tokenizer/tool-calls';
import { ApiError, isTernionError } from './api-error';
import { optionsOfChoice, type EndingOptions, type Sampling, type Tools } from './generate-options';
import type { Beginning, Lease, SessionPool } from './session-pool';

/** A model that answers requests. */
export interface Model {
  engine: Engine;
  sessions: SessionPool;
  /** What responses call it. */
  id: string;
}

/** A prompt, and what is wanted of it. */
export interface Job {
  prompt: Prompt;
  sampling: Sampling;
  /** The tools that the model may call. Their schemas go to the chat template. */
  tools?: Tools | undefined;
  /** How many answers are wanted. */
  choices: number;
  /**
   * When the ids of the prompt are given: before its first answer, which costs a further step, as the prompt is then evaluated
   * by itself; or behind its first answer. Default: never.
   */
  promptIds?: 'before' | 'after' | undefined;
}

/** Why an answer ended, in the API's words. */
export type EndReason = 'stop' | 'length' | 'tool_calls';

/** What comes of a choice: a piece of its text, with what else became known at the same time. */
export interface AnswerPiece {
  choice: number;
  text: string;
  reasoning?: string;
  calls: FoundCall[];
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
      for await (const piece of answerOn(lease, model, job, signal)) {
        given = true;
        yield piece;
      }
      return;
    } catch (error) {
      ended = isTernionError(error) && error.code === 'disposed';
      // Sessions end with their model. Where another one has taken its place, a new session is all it takes.
      if (!ended || given || !lease.used) throw error;
      model.sessions.clear();
    } finally {
      lease.release(ended ? 'ended' : 'sound');
    }
  }
}

async function* answerOn(
  { session }: Lease,
  { engine }: Model,
  job: Job,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece | PromptPiece, void> {
  const { prompt, sampling, tools, choices, promptIds } = job;
  let cachedTokens: number | undefined;
  if (promptIds === 'before') {
    const usage = await evaluate(session, prompt, {
      ...optionsOfChoice(sampling, tools, 0, signal),
      maxTokens: 0,
    });
    cachedTokens = usage.cachedTokens;
    yield { promptIds: session.tokenIds.slice(0, usage.promptTokens) };
  }
  for (let choice = 0; choice < choices; choice++) {
    const format = engine.info.toolCalls;
    const parser = tools && format ? toolCallParser(format, tools.names) : undefined;
    const reader = new AnswerReader(choice, parser, tools?.parallel ?? true);
    const options = optionsOfChoice(sampling, tools, choice, signal);
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
  #calls = 0;

  constructor(
    private readonly choice: number,
    private readonly parser: ToolCallParser | undefined,
    /** Whether there may be more than one call. */
    private readonly parallel: boolean,
  ) {}

  read({ text, reasoning, tokenIds, logprobs, finishReason, usage }: GenerateChunk): AnswerPiece {
    this.#tokens += tokenIds.length;
    // Reasoning comes first: all tokens up to its end belong to it, its marks too.
    if (reasoning) this.#reasoningTokens = this.#tokens;
    const found = this.#found(text, finishReason !== undefined);
    const piece: AnswerPiece = { choice: this.choice, ...found, tokenIds };
    if (reasoning) piece.reasoning = reasoning;
    if (logprobs) piece.logprobs = logprobs;
    if (finishReason && usage) {
      piece.end = { reason: this.#reasonOf(finishReason), usage, reasoningTokens: this.#reasoningTokens };
    }
    return piece;
  }

  #found(text: string, last: boolean): ToolCallPiece {
    if (!this.parser) return { text, calls: [] };
    const pieces = [this.parser.push(text), ...(last ? [this.parser.flush()] : [])];
    const calls = pieces.flatMap((piece) => piece.calls);
    const wanted = this.parallel ? calls : calls.slice(0, Math.max(0, 1 - this.#calls));
    this.#calls += wanted.length;
    return { text: pieces.map((piece) => piece.text).join(''), calls: wanted };
  }

  #reasonOf(reason: FinishReason): EndReason {
    if (reason === 'length') return 'length';
    return this.#calls > 0 ? 'tool_calls' : 'stop';
  }
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
