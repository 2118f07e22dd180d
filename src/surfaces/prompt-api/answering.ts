// Answers a prompt of a session: one generation, or several with the tools that the model calls between them.

import type { ChatMessage, GenerateChunk, GenerateOptions, Prompt, Session } from '../../engine/types';
import { TernionError } from '../../errors';
import { CallCollector, type CollectedCall } from '../collect-calls';
import { checkAnswer, constraintFailure, type Constraint } from './constraint';
import type { Conversation } from './conversation';
import type { LanguageModelEngine } from './engine-loader';
import { notSupported } from './failures';
import type { ReadPrompt } from './prompts';
import type { Sampling } from './sampling';
import { runCalls, toDefinitions } from './tools';
import type { LanguageModelTool } from './types';

/** What answers are made with. */
export interface AnswerParts {
  engine: LanguageModelEngine;
  session: Session;
  conversation: Conversation;
  sampling: Sampling;
  tools: readonly LanguageModelTool[];
  seed: number | undefined;
}

/** Who follows an answer. */
export interface Follower {
  /** Makes room for messages and so many tokens more; gives the tokens that there are then. */
  makeRoom(pending: readonly ChatMessage[], extra: number): Promise<number>;
  onChunk(chunk: GenerateChunk): void;
}

/** A prompt with its answer, and the tokens of the conversation after it. */
export interface AnsweredTurn {
  messages: ChatMessage[];
  tokens: number;
}

/** Rounds of calls in one answer. A model that goes on calling would do so for ever. */
const MAX_ROUNDS = 16;

/** Answers prompts of one session, one after the other. */
export class Answering {
  constructor(
    private readonly parts: AnswerParts,
    private readonly follower: Follower,
  ) {}

  /** Answers, with the tools that it takes. What the session has said is left as it is. */
  async answer(
    { messages: asked, prefix }: ReadPrompt,
    constraint: Constraint | undefined,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<AnsweredTurn> {
    if (constraint && this.parts.tools.length > 0)
      throw notSupported('A responseConstraint is not supported in a session with tools.');
    const messages = [...asked];
    for (let round = 0; round <= MAX_ROUNDS; round++) {
      const begun = round === 0 ? prefix : '';
      const { text, calls, tokens } = await this.#round(messages, begun, constraint, signal, onText);
      if (calls.length === 0) {
        messages.push({ role: 'assistant', content: begun + text });
        return { messages, tokens };
      }
      messages.push(...(await runCalls(begun + text, calls, this.parts.tools)));
      signal.throwIfAborted();
    }
    const message = `The model has called tools ${MAX_ROUNDS} times in a row, without an answer.`;
    throw new DOMException(message, 'UnknownError');
  }

  /** Evaluates `messages` ahead of an answer, so that it begins sooner and a clone has them. */
  async evaluate(messages: ChatMessage[], signal: AbortSignal): Promise<void> {
    try {
      await this.#generate(messages, { maxTokens: 0 }, signal, () => {});
    } catch (error) {
      // A template may take only what ends with a question: then there is nothing to evaluate yet.
      if (!(error instanceof TernionError) || error.code !== 'template-failed') throw error;
    }
  }

  /** One generation behind `messages` and the beginning of the answer. */
  async #round(
    messages: readonly ChatMessage[],
    begun: string,
    constraint: Constraint | undefined,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<{ text: string; calls: CollectedCall[]; tokens: number }> {
    const { engine, conversation } = this.parts;
    const begunIds = begun === '' ? [] : await engine.tokenize(begun);
    await this.follower.makeRoom(messages, begunIds.length);
    const all = conversation.with(messages);
    const prompt: Prompt =
      begun === '' ? all : { tokenIds: [...(await conversation.promptIds(all)), ...begunIds] };
    const collector = new CallCollector();
    let text = '';
    const options = constraint ? { responseFormat: constraint.format } : {};
    const generated = this.#generate(prompt, options, signal, (chunk) => {
      collector.add(chunk.toolCalls);
      text += chunk.text;
      if (chunk.text !== '') onText(chunk.text);
    });
    const last = await generated.catch((error: unknown) => {
      throw constraint ? constraintFailure(error, constraint) : error;
    });
    if (constraint) checkAnswer(text, last.finishReason === 'length', constraint);
    const { promptTokens, completionTokens } = last.usage!;
    return { text, calls: collector.calls, tokens: promptTokens + completionTokens };
  }

  /** Reads a generation to its end, and gives its last chunk. Rejects with the reason of `signal`, if that has fired. */
  async #generate(
    prompt: Prompt,
    options: Pick<GenerateOptions, 'maxTokens' | 'responseFormat'>,
    signal: AbortSignal,
    onChunk: (chunk: GenerateChunk) => void,
  ): Promise<GenerateChunk> {
    const reader = this.parts.session.generate(prompt, this.#options(options, signal)).getReader();
    let last: GenerateChunk | undefined;
    try {
      for (;;) {
        const { done, value: chunk } = await reader.read();
        if (done) break;
        if (chunk.finishReason === 'abort') {
          signal.throwIfAborted();
          throw new TernionError('disposed', 'The engine was disposed amid an answer.');
        }
        this.follower.onChunk(chunk);
        onChunk(chunk);
        last = chunk;
      }
    } finally {
      // A callback of the caller's that throws ends the generation. One that has ended is not cancelled any more.
      await reader.cancel().catch(() => {});
    }
    if (!last) throw new TernionError('internal', 'An answer ended without its last chunk.');
    return last;
  }

  #options(
    options: Pick<GenerateOptions, 'maxTokens' | 'responseFormat'>,
    signal: AbortSignal,
  ): GenerateOptions {
    const { sampling, tools, seed } = this.parts;
    const { temperature, topK } = sampling;
    return {
      ...options,
      temperature,
      topK,
      ...(seed !== undefined && { seed }),
      signal,
      ...(tools.length > 0 && { tools: toDefinitions(tools) }),
    };
  }
}
