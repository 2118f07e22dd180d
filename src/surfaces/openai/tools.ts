// The tools of a request, and which of them the model is to call.

import type { ModelInfo, ToolChoice, ToolDefinition } from '../../engine/types';
import { badRequest } from './api-error';
import { Fields, isRecord } from './fields';

/** Tools that the model may call. */
export interface Tools {
  /** By name. */
  definitions: Record<string, ToolDefinition>;
  choice: ToolChoice;
  /** Whether an answer may have more than one call. */
  parallel: boolean;
  /** Where the request has the list. */
  param: string;
  /** Where the schema of each is in the request, by name. */
  schemaParams: ReadonlyMap<string, string>;
}

/** How an API writes tools. */
export interface ToolStyle {
  /** The object that has the fields of a function: the tool itself, or one within it. */
  inner(tool: Fields): Fields | undefined;
}

/** `{type: 'function', function: {name, description, parameters, strict}}`. */
export const CHAT_TOOLS: ToolStyle = { inner: (tool) => tool.object('function') };

/** `{type: 'function', name, description, parameters, strict}`. */
export const RESPONSE_TOOLS: ToolStyle = { inner: (tool) => tool };

/** Reads `tools`, `tool_choice` and `parallel_tool_calls`; undefined where the model is to know of none. */
export function readTools(fields: Fields, model: ModelInfo, style: ToolStyle): Tools | undefined {
  const param = fields.at('tools');
  const given = fields.list('tools') ?? [];
  const tools = given.map((tool, i) => readTool(tool, `${param}[${i}]`, style));
  const parallel = fields.flag('parallel_tool_calls') ?? true;
  const choice = readToolChoice(fields, style);
  const names = new Set(tools.map(({ name }) => name));
  checkChoice(fields, choice, names);
  if (tools.length === 0 || choice === 'none') return undefined;
  if (names.size < tools.length) throw fields.wrong('tools', 'a list of functions with different names');
  if (!model.toolCalls) throw badRequest(param, `${param}: the chat template of this model knows none.`);
  return {
    definitions: Object.fromEntries(tools.map(({ name, definition }) => [name, definition])),
    choice,
    parallel,
    param,
    schemaParams: new Map(tools.map(({ name, schemaParam }) => [name, schemaParam])),
  };
}

interface ReadTool {
  name: string;
  definition: ToolDefinition;
  schemaParam: string;
}

function readTool(value: unknown, at: string, style: ToolStyle): ReadTool {
  const fields = new Fields(value, at);
  const type = fields.text('type');
  const inner = type === 'function' ? style.inner(fields) : undefined;
  if (!inner) {
    throw badRequest(at, `${at} is a tool of type '${type}', which is not supported: functions are.`);
  }
  const name = inner.text('name');
  if (!name) throw inner.wrong('name', 'a string that is not empty');
  const description = inner.text('description');
  // Of a function without parameters there is nothing to say.
  const schema = inner.take('parameters') ?? { type: 'object', properties: {}, additionalProperties: false };
  if (!isRecord(schema)) throw inner.wrong('parameters', 'a JSON schema');
  // Calls are held to their schemas whatever this says.
  inner.flag('strict');
  inner.done();
  fields.done();
  const definition = description === undefined ? { schema } : { description, schema };
  return { name, definition, schemaParam: inner.at('parameters') };
}

function readToolChoice(fields: Fields, style: ToolStyle): ToolChoice {
  const choice = fields.take('tool_choice') ?? 'auto';
  if (choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  const at = fields.at('tool_choice');
  if (!isRecord(choice)) throw fields.wrong('tool_choice', "'auto', 'none', 'required' or a function");
  const named = new Fields(choice, at);
  const type = named.text('type');
  if (type !== 'function') {
    throw badRequest(
      at,
      `${at} of type '${type}' is not supported: 'auto', 'none', 'required' and functions are.`,
    );
  }
  const inner = style.inner(named);
  const name = inner?.text('name');
  if (!inner || !name) throw (inner ?? named).wrong(inner ? 'name' : 'function', 'the name of a function');
  inner.done();
  named.done();
  return { name };
}

/** Refuses a choice that no tool can fulfil. */
function checkChoice(fields: Fields, choice: ToolChoice, names: ReadonlySet<string>): void {
  const at = fields.at('tool_choice');
  if (choice === 'required' && names.size === 0)
    throw badRequest(at, `${at} cannot be 'required' where there are no tools.`);
  if (typeof choice === 'object' && !names.has(choice.name))
    throw badRequest(at, `${at} names '${choice.name}', which is none of the tools.`);
}
