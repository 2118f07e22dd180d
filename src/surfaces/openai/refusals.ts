// What the engine refuses of a request's shapes, as the fault of the field that it is about.

import { ApiError, isTernionError } from './api-error';
import type { Asked } from './generate-options';
import type { Shape } from './shapes';
import type { Tools } from './tools';

/** The API's word for a field that is at fault, and for what is wrong with it. */
interface Fault {
  param: string;
  /** Undefined for that of the engine's error. */
  code: string | undefined;
}

/** `error`, or what it is to the API if an answer was refused for its shape. */
export function refusalOf(error: unknown, { shape, tools }: Asked): unknown {
  if (!isTernionError(error)) return error;
  const { code, message } = error;
  if (code !== 'unsupported-feature' && code !== 'invalid-argument') return error;
  const fault = shape ? faultOfShape(shape) : tools && faultOfTools(tools, message);
  return fault ? new ApiError(400, message, { param: fault.param, code: fault.code ?? code }) : error;
}

function faultOfShape({ format, param }: Shape): Fault {
  return { param, code: format.type === 'json' ? 'invalid_json_schema' : undefined };
}

/** The engine's message has the name of the tool. With several that it may be, it is the list that is at fault. */
function faultOfTools({ param, schemaParams }: Tools, message: string): Fault {
  const code = 'invalid_function_parameters';
  // Whole words: `add` is not what is wrong with `additionalProperties`.
  const words = new Set(message.split(/[^\w-]+/));
  const named = [...schemaParams].filter(([name]) => schemaParams.size === 1 || words.has(name));
  const [only] = named;
  return { param: only && named.length === 1 ? only[1] : param, code };
}
