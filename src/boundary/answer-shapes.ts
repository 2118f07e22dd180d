// What an answer is to be held to, as callers say it: formats, tools and tokens, and how they fit together.

import type {
  JsonSchema,
  LogitsProcessor,
  PlainFormat,
  PlainGenerateOptions,
  ResponseFormat,
  ToolChoice,
  ToolDefinition,
} from '../engine/types';
import { JsonBudget } from './json';
import { tokenIds } from './prompts';
import {
  callable,
  fields,
  flag,
  invalid,
  isObject,
  lengthOf,
  list,
  oneOf,
  optional,
  property,
  record,
  refusal,
  text,
  type Fields,
  type Read,
} from './read';
import { schema, type ReadSchema } from './schemas';

/** Characters of a pattern, and of a grammar. What they cost is judged where they are compiled. */
const LONGEST_PATTERN = 2 ** 14;
const LONGEST_GRAMMAR = 2 ** 18;
const MOST_CHOICES = 10_000;
/** More tools than a prompt can well tell of. */
const MOST_TOOLS = 128;

type Shaped =
  'responseFormat' | 'tools' | 'toolChoice' | 'parallelToolCalls' | 'allowedTokens' | 'bannedTokens';

/** Options that were read. Their schemas know what becomes of values; `plainOptions` makes plain data of them. */
export interface ReadOptions extends Omit<PlainGenerateOptions, 'responseFormat' | 'tools'> {
  responseFormat?: ResponseFormat<ReadSchema>;
  tools?: Record<string, ToolDefinition<ReadSchema>>;
}

/** Reads a processor of logits: which can be used depends on where the engine is. */
export type ProcessorReader = Read<PlainGenerateOptions['logitsProcessor']>;

/** How to read what shapes an answer of a model with so many tokens. */
export function shapeReaders(vocabularySize: number): Fields<Pick<ReadOptions, Shaped>> {
  return {
    responseFormat: optional((value, at) => format(new JsonBudget())(value, at)),
    tools: optional((value, at) => tools(new JsonBudget())(value, at)),
    toolChoice: optional(toolChoice),
    parallelToolCalls: optional(flag),
    allowedTokens: optional(someIds(vocabularySize)),
    bannedTokens: optional(ids(vocabularySize)),
  };
}

/** Throws `invalid-argument` for options that are right each by itself, but not together. */
export function checkTogether({
  responseFormat,
  tools,
  toolChoice: choice,
  templateOptions,
  beginsWith,
}: ReadOptions): void {
  if (beginsWith && (responseFormat ?? tools))
    throw refusal(
      'options.beginsWith',
      'cannot be there beside responseFormat and tools, which hold an answer from its beginning on',
    );
  if (tools && templateOptions?.['tools'] !== undefined)
    throw refusal(
      'options.templateOptions.tools',
      'cannot be there beside tools, which the template is told of',
    );
  if (tools && responseFormat && choice !== 'none') {
    const advice =
      "leave one of them out, or set toolChoice to 'none' for the answer that is to have the shape";
    throw refusal(
      'options.responseFormat',
      `cannot be there beside tools, whose calls have a shape of their own: ${advice}`,
    );
  }
  const names = Object.keys(tools ?? {});
  if (choice === 'required' && names.length === 0)
    throw refusal('options.toolChoice', "is 'required', but there are no tools");
  if (typeof choice === 'object' && !names.includes(choice.name))
    throw refusal('options.toolChoice.name', 'is not among the names of tools');
}

/** The options as data that can be sent; at once unless what converts a schema has to be loaded. */
export function plainOptions(read: ReadOptions): PlainGenerateOptions | Promise<PlainGenerateOptions> {
  const { responseFormat: format, tools: given = {} } = read;
  const schemas = [
    ...(format?.type === 'json' && format.schema ? [format.schema] : []),
    ...Object.values(given).map((tool) => tool.schema),
  ];
  const converted = schemas.map((each) => each.toJson());
  const whole = (jsons: readonly JsonSchema[]): PlainGenerateOptions =>
    withSchemas(read, new Map(schemas.map((each, i) => [each, jsons[i] ?? true])));
  return converted.some((each) => each instanceof Promise)
    ? Promise.all(converted.map(async (json) => json)).then(whole)
    : whole(converted as JsonSchema[]);
}

function withSchemas(
  { responseFormat, tools: given, ...rest }: ReadOptions,
  jsonOf: ReadonlyMap<ReadSchema, JsonSchema>,
): PlainGenerateOptions {
  const told = (tool: ToolDefinition<ReadSchema>): ToolDefinition<JsonSchema> => ({
    ...tool,
    schema: jsonOf.get(tool.schema) ?? true,
  });
  return {
    ...rest,
    ...(responseFormat && { responseFormat: plainFormat(responseFormat, jsonOf) }),
    ...(given && {
      tools: Object.fromEntries(Object.entries(given).map(([name, tool]) => [name, told(tool)])),
    }),
  };
}

function plainFormat(
  given: ResponseFormat<ReadSchema>,
  jsonOf: ReadonlyMap<ReadSchema, JsonSchema>,
): PlainFormat {
  if (given.type !== 'json') return given;
  const json = given.schema && jsonOf.get(given.schema);
  return { type: 'json', ...(json !== undefined && { schema: json }) };
}

/** A processor of logits, beside the engine: a function, or a module. */
export const anyProcessor: ProcessorReader = (value, at) => {
  if (value === undefined) return undefined;
  return typeof value === 'function' ? callable<LogitsProcessor>()(value, at) : moduleProcessor(value, at);
};

/** One for a worker: the address of a module. */
export const moduleProcessor: ProcessorReader = (value, at) => {
  if (value === undefined) return undefined;
  if (typeof value === 'function') {
    const advice = 'give {url} of a module that exports it as default, or use ternion/inline';
    throw refusal(at, `is a function, which cannot be sent to the worker: ${advice}`);
  }
  return fields({ url: address }, 'a function, or {url} of a module')(value, at);
};

/** An address as the page means it: a worker's own base is its blob. */
const address: Read<string> = (value, at) => {
  const given = value instanceof URL ? value.href : text({ least: 1 })(value, at);
  const base = typeof document === 'undefined' ? undefined : document.baseURI;
  if (URL.canParse(given, base)) return new URL(given, base).href;
  throw refusal(at, base === undefined ? 'is no absolute URL' : 'is no URL');
};

function format(budget: JsonBudget): Read<ResponseFormat<ReadSchema>> {
  const some = text({ least: 1 });
  const choices = list((value, at) => budget.text(some(value, at), at), {
    least: 1,
    most: MOST_CHOICES,
    wanted: 'a list of texts that are not empty, one at least',
  });
  const readType = oneOf('json', 'regex', 'grammar', 'choice');
  const json = fields({ schema: optional(schema(budget)) });
  const regex = fields({ pattern: text({ most: LONGEST_PATTERN }) });
  const grammar = fields({ ebnf: text({ least: 1, most: LONGEST_GRAMMAR }) });
  const choice = fields({ options: choices });
  return (value, at): ResponseFormat<ReadSchema> => {
    if (!isObject(value)) throw invalid(at, value, 'an object with a type');
    const type = readType(property(value, 'type', at), `${at}.type`);
    switch (type) {
      case 'json':
        return { type, ...json(value, at) };
      case 'regex':
        return { type, ...regex(value, at) };
      case 'grammar':
        return { type, ...grammar(value, at) };
      case 'choice':
        return { type, ...choice(value, at) };
    }
  };
}

function tools(budget: JsonBudget): Read<Record<string, ToolDefinition<ReadSchema>>> {
  const tool = fields<ToolDefinition<ReadSchema>>(
    { description: optional(budget.text), schema: schema(budget) },
    'an object with a description and a schema',
  );
  return record(tool, { most: MOST_TOOLS, wanted: 'a plain object of tools by name' }, toolName);
}

/** What APIs take for a name, and every template can write. */
const toolName: Read<string> = (value, at) => {
  const name = text()(value, at);
  if (/^[\w.-]{1,64}$/.test(name)) return name;
  throw invalid(at, value, 'made of 1 to 64 letters of ASCII, digits, _, - and .');
};

const toolChoice: Read<ToolChoice> = (value, at) => {
  if (isObject(value)) return fields({ name: text() })(value, at);
  if (typeof value === 'string') return oneOf('auto', 'none', 'required')(value, at);
  throw invalid(at, value, "'auto', 'none', 'required' or {name}");
};

/** Token ids, in anything that has a length; no more than there are. */
function ids(vocabularySize: number): Read<readonly number[]> {
  const read = tokenIds(vocabularySize);
  return (value, at) => {
    // Judged before an id is read, and with another error than that of a prompt.
    if (typeof value === 'object' && value !== null) lengthOf(value, vocabularySize, at);
    return Array.from(read(value, at));
  };
}

function someIds(vocabularySize: number): Read<readonly number[]> {
  const read = ids(vocabularySize);
  return (value, at) => {
    const allowed = read(value, at);
    if (allowed.length > 0) return allowed;
    throw refusal(at, 'is empty: no token could be sampled');
  };
}
