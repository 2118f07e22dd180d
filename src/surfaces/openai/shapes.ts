// The shape of an answer, in the words of three APIs: OpenAI's, vLLM's and llama-server's.

import type { JsonSchema, ResponseFormat } from '../../engine/types';
import { jsonInWords } from '../structured-output';
import { badRequest } from './api-error';
import { isRecord, type Fields } from './fields';
import type { Tools } from './tools';

/** What an answer is held to, and which field has asked for it. */
export interface Shape {
  format: ResponseFormat;
  /** The field that is at fault if the shape is refused. */
  param: string;
  /** What the model is told. Absent where the API leaves that to the caller. */
  words?: string;
}

/** How the two APIs of OpenAI write a format of JSON with a schema. */
export interface FormatStyle {
  /** The object that has name, schema, description and strict: the format itself, or one within it. */
  inner(format: Fields): Fields | undefined;
  /** The field that OpenAI names when it refuses a schema. */
  param: string;
}

/** `{type: 'json_schema', json_schema: {name, schema}}`. */
export const CHAT_FORMAT: FormatStyle = {
  inner: (format) => format.object('json_schema'),
  param: 'response_format',
};

/** `{type: 'json_schema', name, schema}`. */
export const RESPONSE_FORMAT: FormatStyle = { inner: (format) => format, param: 'text.format.schema' };

/** Reads the format that OpenAI's API has under `name`. The model is told of it, as OpenAI's are. */
export function readResponseFormat(fields: Fields, name: string, style: FormatStyle): Shape | undefined {
  const format = fields.object(name);
  if (!format) return undefined;
  const type = format.text('type');
  const shape = shapeOfType(type, format, style);
  if (!shape && type !== 'text') {
    const at = fields.at(name);
    throw badRequest(at, `${at} of type '${type}' is not supported: text, json_object and json_schema are.`);
  }
  format.done();
  return shape;
}

function shapeOfType(type: string | undefined, format: Fields, style: FormatStyle): Shape | undefined {
  if (type === 'json_schema') {
    const inner = style.inner(format);
    if (!inner) throw format.wrong('json_schema', 'an object with name and schema');
    const schema = readSchema(inner, 'schema');
    if (schema === undefined) throw inner.wrong('schema', 'a JSON schema');
    // An answer is held to its schema whatever this says.
    inner.flag('strict');
    const shape = jsonShape(schema, style.param, inner.text('name'), inner.text('description'));
    if (inner !== format) inner.done();
    return shape;
  }
  // llama-server takes a schema here too.
  if (type === 'json_object') return jsonShape(readSchema(format, 'schema'), style.param);
  return undefined;
}

function jsonShape(
  schema: JsonSchema | undefined,
  param: string,
  name?: string,
  description?: string,
): Shape {
  return { format: jsonFormat(schema), param, words: inWords(schema, param, name, description) };
}

function inWords(schema: JsonSchema | undefined, param: string, name?: string, description?: string): string {
  try {
    return jsonInWords({ schema, name, description });
  } catch {
    throw badRequest(param, `${param} has a schema that is nested too deeply.`, 'invalid_json_schema');
  }
}

function jsonFormat(schema: JsonSchema | undefined): ResponseFormat {
  return schema === undefined ? { type: 'json' } : { type: 'json', schema };
}

function readSchema(fields: Fields, name: string): JsonSchema | undefined {
  const schema = fields.take(name);
  if (schema === undefined || typeof schema === 'boolean' || isRecord(schema)) return schema;
  throw fields.wrong(name, 'a JSON schema');
}

/** Reads one of vLLM's constraints; undefined where it is not there. */
type ReadConstraint = (fields: Fields, name: string) => ResponseFormat | undefined;

const json: ReadConstraint = (fields, name) => {
  const value = fields.take(name);
  if (typeof value !== 'string') {
    const schema = readSchema(fields, name);
    return schema === undefined ? undefined : jsonFormat(schema);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    // What is no JSON is no schema either.
  }
  if (typeof parsed === 'boolean' || isRecord(parsed)) return jsonFormat(parsed);
  throw fields.wrong(name, 'a JSON schema, or its text');
};

const regex: ReadConstraint = (fields, name) => {
  const pattern = fields.text(name);
  return pattern === undefined ? undefined : { type: 'regex', pattern };
};

const choice: ReadConstraint = (fields, name) => {
  const options = fields.list(name);
  if (options === undefined) return undefined;
  if (options.length > 0 && options.every((option) => typeof option === 'string'))
    return { type: 'choice', options };
  throw fields.wrong(name, 'a list of strings');
};

const grammar: ReadConstraint = (fields, name) => {
  const ebnf = fields.text(name);
  // Clients of llama-server say '' for none.
  return ebnf ? { type: 'grammar', ebnf } : undefined;
};

const anyObject: ReadConstraint = (fields, name) => (fields.flag(name) ? jsonFormat(undefined) : undefined);

/** Of vLLM up to 0.11, and of llama-server. */
const OWN_FIELDS: readonly (readonly [string, ReadConstraint])[] = [
  ['guided_json', json],
  ['guided_regex', regex],
  ['guided_choice', choice],
  ['guided_grammar', grammar],
  ['json_schema', json],
  ['grammar', grammar],
];

/** Under vLLM's `structured_outputs`. */
const STRUCTURED_OUTPUTS: readonly (readonly [string, ReadConstraint])[] = [
  ['json', json],
  ['regex', regex],
  ['choice', choice],
  ['grammar', grammar],
  ['json_object', anyObject],
];

/**
 * The shape that a request asks for: `own`, that of OpenAI's API, or one in the words of another server. The model is not told
 * of the latter, as it is not there. Throws where there are two.
 */
export function readShape(fields: Fields, own?: Shape): Shape | undefined {
  const outputs = fields.object('structured_outputs');
  const shapes = [
    ...(own ? [own] : []),
    ...constraints(fields, OWN_FIELDS),
    ...(outputs ? constraints(outputs, STRUCTURED_OUTPUTS) : []),
  ];
  outputs?.done();
  const [first, second] = shapes;
  if (first && second)
    throw badRequest(second.param, `${second.param} cannot be there beside ${first.param}.`);
  return first;
}

function constraints(fields: Fields, known: readonly (readonly [string, ReadConstraint])[]): Shape[] {
  return known.flatMap(([name, read]) => {
    const format = read(fields, name);
    return format ? [{ format, param: fields.at(name) }] : [];
  });
}

/**
 * The shape of an answer that may call tools: where it has to call one there is no text to be held to anything. Refuses
 * what the engine cannot hold: text of that shape, or else calls.
 */
export function shapeBeside(shape: Shape | undefined, tools: Tools | undefined): Shape | undefined {
  if (!shape || !tools) return shape;
  if (tools.choice !== 'auto') return undefined;
  const { param } = shape;
  const message = `${param} cannot be there beside tools that may be called or not: it needs tool_choice 'none'.`;
  throw badRequest(param, message);
}
