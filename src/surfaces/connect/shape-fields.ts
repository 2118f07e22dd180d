// How each kind of server is asked for the shape of an answer, and what it cannot be asked for.

import type { PlainFormat, ToolDefinition } from '../../engine/types';
import { TernionError } from '../../errors';
import type { Json } from './json';
import type { PlainRemoteOptions, ServerKind } from './types';

/** What a server of that kind cannot follow: `invalid-argument`. `what` is a path, such as `options.tools`. */
export function notUnderstood(kind: ServerKind, what: string): TernionError {
  const message = `${what} is nothing that a server of the kind '${kind}' is known to understand.`;
  return new TernionError('invalid-argument', message);
}

/** `response_format`, as OpenAI has it: JSON and nothing else. */
export function openAiFormat(kind: ServerKind, format: PlainFormat | undefined): Json {
  if (!format) return {};
  if (format.type !== 'json') throw notUnderstood(kind, `options.responseFormat of type '${format.type}'`);
  const { schema } = format;
  if (schema === undefined) return { response_format: { type: 'json_object' } };
  // The name is for people; without `strict` OpenAI holds its models to nothing.
  const json_schema = { name: 'answer', strict: true, schema };
  return { response_format: { type: 'json_schema', json_schema } };
}

/** vLLM has OpenAI's field for JSON, and one of its own for everything else. */
export function vllmFormat(format: PlainFormat | undefined): Json {
  return !format || format.type === 'json' ? openAiFormat('vllm', format) : structuredOutputs(format);
}

/** vLLM's own field, by which a model is not told of the shape: as with a local engine. */
export function structuredOutputs(format: PlainFormat | undefined): Json {
  switch (format?.type) {
    case undefined:
      return {};
    case 'json':
      return {
        structured_outputs: format.schema === undefined ? { json_object: true } : { json: format.schema },
      };
    case 'regex':
      return { structured_outputs: { regex: format.pattern } };
    case 'choice':
      return { structured_outputs: { choice: format.options } };
    case 'grammar':
      return { structured_outputs: { grammar: format.ebnf } };
  }
}

/** llama-server's own fields. Its grammars are GBNF, which is xgrammar's EBNF but for lookahead. */
export function llamaFormat(format: PlainFormat | undefined): Json {
  switch (format?.type) {
    case undefined:
      return {};
    case 'json':
      return { json_schema: format.schema ?? { type: 'object' } };
    case 'regex':
      throw notUnderstood('llama-server', "options.responseFormat of type 'regex'");
    case 'choice':
      return { grammar: `root ::= ${format.options.map(literal).join(' | ')}` };
    case 'grammar':
      return { grammar: format.ebnf };
  }
}

/** A text as a literal of GBNF. */
function literal(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r');
  return `"${escaped.replace(/\t/g, '\\t')}"`;
}

/** Tools, and what of them may be called, as OpenAI has it. With `none` the model is not told of any, as here. */
export function toolFields({ tools, toolChoice = 'auto', parallelToolCalls }: PlainRemoteOptions): Json {
  if (!tools || toolChoice === 'none') return {};
  return {
    tools: toolList(tools),
    tool_choice:
      typeof toolChoice === 'object' ? { type: 'function', function: { name: toolChoice.name } } : toolChoice,
    ...(parallelToolCalls !== undefined && { parallel_tool_calls: parallelToolCalls }),
  };
}

/** Tools in the shape that servers and chat templates share. */
export function toolList(tools: Record<string, ToolDefinition>): object[] {
  return Object.entries(tools).map(([name, { description, schema }]) => ({
    type: 'function',
    function: { name, ...(description !== undefined && { description }), parameters: schema },
  }));
}

/** As unlikely as OpenAI's API can make a token. */
const NEVER = -100;

/** Biases, with tokens that are never to be sampled among them. */
export function biases({ logitBias, bannedTokens }: PlainRemoteOptions): Record<number, number> | undefined {
  if (!bannedTokens) return logitBias;
  return { ...logitBias, ...Object.fromEntries(bannedTokens.map((id) => [id, NEVER])) };
}
