// What a call of the AI SDK asks for, as options of a generation, and what of it there is no support for.

import type {
  JSONObject,
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4Prompt,
  SharedV4Warning,
} from '@ai-sdk/provider';
import type { ChatMessage, GenerateOptions, ModelInfo } from '../../engine/types';
import type { ToolCallFormat } from '../../tokenizer';
import { NOT_ENFORCED, shapeInWords } from '../structured-output';
import { toMessages } from './messages';

/** `providerOptions.ternion`: what generations know and the AI SDK has no name for. */
export interface TernionProviderOptions extends Pick<
  GenerateOptions,
  'minP' | 'repetitionPenalty' | 'logitBias' | 'logprobs' | 'contextOverflow' | 'templateOptions'
> {
  /** Put the ids of the tokens that a delta was made of beside it. The last part of the answer has all of them anyway. */
  tokenIds?: boolean;
}

/** The tools of a call, as far as the model can be told of them. */
export interface CallTools {
  format: ToolCallFormat;
  names: readonly string[];
}

/** A call, read. */
export interface ReadCall {
  messages: ChatMessage[];
  generate: GenerateOptions;
  tools: CallTools | undefined;
  /** Whether deltas carry ids. */
  tokenIds: boolean;
  warnings: SharedV4Warning[];
}

const OWN_NAMES: ReadonlySet<string> = new Set<keyof TernionProviderOptions>([
  'minP',
  'repetitionPenalty',
  'logitBias',
  'logprobs',
  'contextOverflow',
  'templateOptions',
  'tokenIds',
]);

/**
 * Reads a call for the model that `info` describes. The values themselves are judged by the engine. Throws
 * `unsupported-feature` for a prompt with parts that no text model takes.
 */
export function readCall(
  options: LanguageModelV4CallOptions,
  { toolCalls }: Pick<ModelInfo, 'toolCalls'>,
): ReadCall {
  const warnings: SharedV4Warning[] = [];
  const {
    tokenIds = false,
    templateOptions,
    ...own
  } = ownOptions(options.providerOptions?.['ternion'], warnings);
  const tools = offeredTools(options, toolCalls, warnings);
  const variables = {
    ...thinking(options.reasoning),
    ...templateOptions,
    ...(tools.length > 0 && { tools: tools.map(toTemplateTool) }),
  };
  return {
    messages: toMessages(withShape(options, warnings)),
    generate: {
      ...own,
      maxTokens: options.maxOutputTokens,
      temperature: options.temperature,
      topP: options.topP,
      topK: options.topK,
      presencePenalty: options.presencePenalty,
      frequencyPenalty: options.frequencyPenalty,
      stop: options.stopSequences,
      seed: options.seed,
      signal: options.abortSignal,
      templateOptions: variables,
    },
    tools:
      toolCalls && tools.length > 0 ? { format: toolCalls, names: tools.map(({ name }) => name) } : undefined,
    tokenIds,
    warnings,
  };
}

/** What stands under the provider's own name. The engine checks the values, as it checks those of any caller. */
function ownOptions(given: JSONObject | undefined, warnings: SharedV4Warning[]): TernionProviderOptions {
  const entries = Object.entries(given ?? {});
  for (const [name] of entries) {
    if (!OWN_NAMES.has(name))
      warnings.push({ type: 'unsupported', feature: `providerOptions.ternion.${name}` });
  }
  return Object.fromEntries(entries.filter(([name]) => OWN_NAMES.has(name)));
}

/** The tools that the model is told of: functions, if its template knows of tools, and those that `toolChoice` leaves. */
function offeredTools(
  { tools = [], toolChoice = { type: 'auto' } }: LanguageModelV4CallOptions,
  format: ToolCallFormat | undefined,
  warnings: SharedV4Warning[],
): LanguageModelV4FunctionTool[] {
  if (tools.length === 0 || toolChoice.type === 'none') return [];
  const functions = tools.filter((tool) => tool.type === 'function');
  for (const tool of tools) {
    if (tool.type === 'provider')
      warnings.push({ type: 'unsupported', feature: `provider-defined tool ${tool.id}` });
  }
  if (!format) {
    const details = 'The chat template of this model knows no tools, so the model is not told of them.';
    warnings.push({ type: 'unsupported', feature: 'tools', details });
    return [];
  }
  if (toolChoice.type === 'auto') return functions;
  warnings.push({ type: 'unsupported', feature: `toolChoice: ${toolChoice.type}`, details: NOT_HELD });
  return toolChoice.type === 'tool'
    ? functions.filter(({ name }) => name === toolChoice.toolName)
    : functions;
}

const NOT_HELD = 'Ternion does not hold a model to calling a tool yet: it may as well answer with text.';

/** A tool in the shape that chat templates share with the OpenAI API. */
function toTemplateTool({ name, description, inputSchema }: LanguageModelV4FunctionTool): object {
  return { type: 'function', function: { name, description, parameters: inputSchema } };
}

/** The variable by which templates of models that reason switch that on and off; other templates do not look at it. */
function thinking(effort: LanguageModelV4CallOptions['reasoning']): { enable_thinking?: boolean } {
  if (effort === undefined || effort === 'provider-default') return {};
  return { enable_thinking: effort !== 'none' };
}

/** The prompt, with a wish for JSON at the end of the system message, which is where the AI SDK puts it too. */
function withShape(
  { prompt, responseFormat }: LanguageModelV4CallOptions,
  warnings: SharedV4Warning[],
): LanguageModelV4Prompt {
  if (responseFormat?.type !== 'json') return prompt;
  warnings.push({ type: 'unsupported', feature: 'responseFormat', details: NOT_ENFORCED });
  const words = shapeInWords(responseFormat);
  const [first, ...rest] = prompt;
  if (first?.role !== 'system') return [{ role: 'system', content: words }, ...prompt];
  return [{ ...first, content: `${first.content}\n\n${words}` }, ...rest];
}
