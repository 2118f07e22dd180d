// What an answer of the Prompt API is held to: `responseConstraint`, a JSON schema or a regular expression.

import type { JsonSchema, ResponseFormat } from '../../engine/types';
import { TernionError } from '../../errors';
import { jsonInWords, patternInWords } from '../structured-output';
import { notSupported } from './failures';
import type { LanguageModelPromptOptions } from './types';

/** A constraint that was read. */
export interface Constraint {
  format: ResponseFormat;
  /** What the model is told of it; undefined where the caller does that. */
  words: string | undefined;
  /** What an answer must pass, where what it was held to may mean something else. */
  matches?: (answer: string) => boolean;
}

/**
 * Reads the constraint of a prompt. Throws `TypeError` for what is neither a JSON schema nor a regular expression, and a
 * `NotSupportedError` for a regular expression whose flags change what it matches.
 */
export function readConstraint({
  responseConstraint: given,
  omitResponseConstraintInput: silent = false,
}: LanguageModelPromptOptions): Constraint | undefined {
  if (given === undefined || given === null) {
    if (silent) throw new TypeError('omitResponseConstraintInput is for a responseConstraint.');
    return undefined;
  }
  if (typeof given !== 'object') throw new TypeError('A responseConstraint is a JSON schema or a RegExp.');
  if (isRegExp(given)) {
    const pattern = patternOf(given);
    const constraint: Constraint = {
      format: { type: 'regex', pattern },
      words: silent ? undefined : patternInWords(pattern),
    };
    // Without u or v an emoji is two characters.
    if (/[uv]/.test(given.flags)) return constraint;
    const own = new RegExp(pattern);
    return { ...constraint, matches: (answer) => own.test(answer) };
  }
  const schema = schemaOf(given);
  return { format: { type: 'json', schema }, words: silent ? undefined : jsonInWords({ schema }) };
}

/** Also one of another realm, such as a frame's. */
function isRegExp(value: object): value is RegExp {
  return Object.prototype.toString.call(value) === '[object RegExp]';
}

/** The pattern, in the syntax of the flag `u`. Flags that say where to search mean nothing for an answer as a whole. */
function patternOf({ source, flags }: RegExp): string {
  const changing = [...flags].find((flag) => !'dguv'.includes(flag));
  if (changing !== undefined)
    throw notSupported(`A responseConstraint with the flag ${changing} is not supported.`);
  if (flags.includes('v') && /&&|--|\\q/.test(source))
    throw notSupported('Operations on sets of characters (flag v) are not supported.');
  try {
    // Without that flag some things mean something else, or are let through: `\p{L}` is then the text "p{L}".
    if (!flags.includes('u')) new RegExp(source, 'u');
  } catch (cause) {
    throw notSupported(`The responseConstraint is no pattern with the flag u: ${(cause as Error).message}`);
  }
  return source;
}

/** The schema as data, as the specification serialises it. Throws `TypeError` for what is none. */
function schemaOf(given: object): JsonSchema {
  let text: string | undefined;
  try {
    text = JSON.stringify(given);
  } catch (cause) {
    throw new TypeError('A responseConstraint is a JSON schema; this is no JSON.', { cause });
  }
  const schema: unknown = text === undefined ? undefined : JSON.parse(text);
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema))
    return schema as Record<string, unknown>;
  throw new TypeError('A responseConstraint is a JSON schema or a RegExp.');
}

/** What went wrong, as the specification has it: a schema that is none is the caller's mistake. */
export function constraintFailure(error: unknown, { format }: Constraint): unknown {
  if (!(error instanceof TernionError) || error.code !== 'invalid-argument') return error;
  if (format.type === 'json') return new TypeError(error.message, { cause: error });
  const exception = notSupported(error.message);
  return Object.defineProperty(exception, 'cause', { value: error, configurable: true });
}

/** Throws the `SyntaxError` of an answer that is not what the constraint asks for: `cut` says that the context was full before. */
export function checkAnswer(answer: string, cut: boolean, { matches }: Constraint): void {
  if (cut)
    throw new DOMException(
      'The context was full before the answer met its responseConstraint.',
      'SyntaxError',
    );
  if (matches && !matches(answer))
    throw new DOMException('The answer does not match its responseConstraint.', 'SyntaxError');
}
