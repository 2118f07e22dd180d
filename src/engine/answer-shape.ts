// What an answer is held to, made of the options of its generation: a guide for its tokens, and where calls of tools are found.

import { TernionError } from '../errors';
import type { GrammarSource } from '../grammar/grammar';
import type { GrammarState } from '../grammar/service';
import type { LogitsProcessor } from '../inference/continuation';
import { maskOfTokens } from '../inference/masks';
import type { TokenGuide } from '../inference/token-guide';
import type { ChatFormat, ToolCallFormat } from '../tokenizer';
import type { PlainGenerateOptions } from './types';

/** Begins to follow an answer through a grammar, see `GrammarService`. */
export type FollowGrammar = (
  source: GrammarSource,
  chat: ChatFormat,
  signal: AbortSignal,
) => Promise<GrammarState>;

/** The tools that an answer may call, and how its model writes that. */
export interface CallableTools {
  format: ToolCallFormat;
  names: readonly string[];
}

/** What holds the tokens of one answer. */
export interface AnswerGuide {
  guide: TokenGuide;
  /** The answer is over. */
  release(): void;
}

/** The tools that the model is told of. Throws `unsupported-feature` if its template cannot. */
export function callableTools(
  { tools, toolChoice }: PlainGenerateOptions,
  chat: ChatFormat,
): CallableTools | undefined {
  const names = Object.keys(tools ?? {});
  if (names.length === 0 || toolChoice === 'none') return undefined;
  const format = chat.template.toolCalls;
  if (format) return { format, names };
  throw new TernionError('unsupported-feature', 'The chat template of this model knows no tools.');
}

/** The format of a chat whose template is told of the tools. Rejects with `template-failed`. */
export async function chatWith(options: PlainGenerateOptions, chat: ChatFormat): Promise<ChatFormat> {
  const { tools, toolChoice, templateOptions } = options;
  if (!tools || Object.keys(tools).length === 0 || toolChoice === 'none') return chat.with(options);
  const told = Object.entries(tools).map(([name, { description, schema }]) => ({
    type: 'function',
    function: { name, ...(description !== undefined && { description }), parameters: schema },
  }));
  return chat.with({ ...options, templateOptions: { ...templateOptions, tools: told } });
}

/**
 * The guide of an answer; undefined where nothing but `allowedTokens` restricts it. Rejects with `invalid-argument` and
 * `unsupported-feature` for a shape that cannot be enforced, before anything is generated.
 *
 * @param mask tokens that may come at all.
 * @param isChat whether the prompt is messages: only then a model reasons first.
 */
export async function answerGuide(
  options: PlainGenerateOptions,
  chat: ChatFormat,
  { mask, isChat }: { mask: Uint32Array | undefined; isChat: boolean },
  follow: FollowGrammar,
  signal: AbortSignal,
): Promise<AnswerGuide | undefined> {
  const source = grammarSource(options, chat);
  if (!source) return undefined;
  const [state, { GrammarGuide, ReasoningGuide }] = await Promise.all([
    follow(source, chat, signal),
    import('./guides'),
  ]);
  const sampleAll = options.logprobs !== undefined;
  const guide = new GrammarGuide(state, chat, { sampleAll, mask });
  const release = (): void => guide.release();
  const { reasoning, tokenizer } = chat;
  if (!isChat || !reasoning) return { guide, release };
  const notEnds = maskOfTokens(tokenizer.vocabularySize, undefined, [...chat.endIds]);
  return { guide: new ReasoningGuide(guide, reasoning, tokenizer, notEnds, sampleAll), release };
}

function grammarSource(options: PlainGenerateOptions, chat: ChatFormat): GrammarSource | undefined {
  const { responseFormat, tools = {}, toolChoice = 'auto', parallelToolCalls = true } = options;
  const callable = callableTools(options, chat);
  if (!callable) return responseFormat && { format: responseFormat };
  const described = Object.entries(tools).map(([name, { schema }]) => ({ name, schema }));
  const parallel = parallelToolCalls && chat.takesSeveralCalls;
  return { calls: { convention: callable.format, tools: described, choice: toolChoice, parallel } };
}

/** The function that changes logits: as it was given, or the default export of a module. Rejects with `invalid-argument`. */
export async function logitsProcessorOf(
  given: PlainGenerateOptions['logitsProcessor'],
): Promise<LogitsProcessor | undefined> {
  if (given === undefined || typeof given === 'function') return given;
  const { url } = given;
  let found: unknown;
  try {
    ({ default: found } = (await import(/* @vite-ignore */ url)) as { default?: unknown });
  } catch (cause) {
    throw new TernionError('invalid-argument', `The module of logitsProcessor cannot be loaded: ${url}`, {
      cause,
    });
  }
  if (typeof found === 'function') return found as LogitsProcessor;
  throw new TernionError(
    'invalid-argument',
    `The module of logitsProcessor has no function as its default export: ${url}`,
  );
}
