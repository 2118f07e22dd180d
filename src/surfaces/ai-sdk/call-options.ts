// What a call of the AI SDK asks for, as options of a generation, and what of it there is no support for.

import type {
  JSONObject,
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  SharedV4Warning,
} from '@ai-sdk/provider';
import type {
  ChatMessage,
  GenerateOptions,
  JsonSchema,
  ModelInfo,
  ResponseFormat,
  ToolChoice,
  ToolDefinition,
} from '../../engine/types';
import { jsonInWords, tellSystem } from '../structured-output';
import { toMessages } from './messages';

/** `providerOptions.ternion`: what generations know and the AI SDK has no name for. */
export interface TernionProviderOptions extends Pick<
  GenerateOptions,
  | 'minP'
  | 'repetitionPenalty'
  | 'logitBias'
  | 'logprobs'
  | 'contextOverflow'
  | 'templateOptions'
  | 'allowedTokens'
  | 'bannedTokens'
  | 'parallelToolCalls'
> {
  /** A shape that the AI SDK has no name for. Not together with `output` and `tools`. */
  responseFormat?: Exclude<ResponseFormat, { type: 'json' }>;
  /** Put the ids of the tokens that a delta was made of beside it. The last part of the answer has all of them anyway. */
  tokenIds?: boolean;
}

/** A call, read. */
export interface ReadCall {
  messages: ChatMessage[];
  generate: GenerateOptions;
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
  'allowedTokens',
  'bannedTokens',
  'parallelToolCalls',
  'responseFormat',
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
  const { responseFormat } = options;
  const messages = toMessages(options.prompt);
  const json = responseFormat?.type === 'json' ? responseFormat : undefined;
  const shape = shapeOf(json, tools, warnings);
  return {
    messages: json ? tellSystem(messages, jsonInWords(json)) : messages,
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
      templateOptions: { ...thinking(options.reasoning), ...templateOptions },
      ...(shape && { responseFormat: shape }),
      ...tools,
    },
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

/** Tools that the model may call, and which of them it has to. */
type OfferedTools = Required<Pick<GenerateOptions, 'tools' | 'toolChoice'>>;

/** The tools of a call: functions, if the template knows of tools and the caller wants any called. */
function offeredTools(
  { tools = [], toolChoice = { type: 'auto' } }: LanguageModelV4CallOptions,
  format: ModelInfo['toolCalls'],
  warnings: SharedV4Warning[],
): OfferedTools | undefined {
  if (tools.length === 0 || toolChoice.type === 'none') return undefined;
  const functions = tools.filter((tool) => tool.type === 'function');
  for (const tool of tools) {
    if (tool.type === 'provider')
      warnings.push({ type: 'unsupported', feature: `provider-defined tool ${tool.id}` });
  }
  if (!format) {
    const details = 'The chat template of this model knows no tools, so the model is not told of them.';
    warnings.push({ type: 'unsupported', feature: 'tools', details });
    return undefined;
  }
  if (functions.length === 0) return undefined;
  const choice: ToolChoice = toolChoice.type === 'tool' ? { name: toolChoice.toolName } : toolChoice.type;
  return { tools: Object.fromEntries(functions.map(toDefinition)), toolChoice: choice };
}

function toDefinition({
  name,
  description,
  inputSchema: schema,
}: LanguageModelV4FunctionTool): [string, ToolDefinition] {
  return [name, { ...(description !== undefined && { description }), schema: plainSchema(schema) }];
}

/** JSON Schemas of the AI SDK are objects of plain data, whatever their type calls them. */
function plainSchema(schema: object): JsonSchema {
  return schema as Record<string, unknown>;
}

type WantedJson = Extract<LanguageModelV4CallOptions['responseFormat'], { type: 'json' }>;

/** What the answer is held to. Where it may be a call just as well, it is only told. */
function shapeOf(
  json: WantedJson | undefined,
  tools: OfferedTools | undefined,
  warnings: SharedV4Warning[],
): ResponseFormat | undefined {
  if (!json) return undefined;
  if (!tools) return json.schema ? { type: 'json', schema: plainSchema(json.schema) } : { type: 'json' };
  if (tools.toolChoice === 'auto') {
    const details =
      'An answer that may call tools is not held to a schema: it is only asked for in the prompt.';
    warnings.push({ type: 'unsupported', feature: 'responseFormat beside tools', details });
  }
  return undefined;
}

/** The variable by which templates of models that reason switch that on and off; other templates do not look at it. */
function thinking(effort: LanguageModelV4CallOptions['reasoning']): { enable_thinking?: boolean } {
  if (effort === undefined || effort === 'provider-default') return {};
  return { enable_thinking: effort !== 'none' };
}
