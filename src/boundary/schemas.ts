// Schemas as callers have them: JSON Schemas, and those of libraries, which become JSON Schemas here and read values later.

import type { JsonSchema, StandardIssue, StandardSchema } from '../engine/types';
import { TernionError } from '../errors';
import { JsonBudget } from './json';
import { invalid, property, refusal, type Read } from './read';

/** Issues that a message quotes. */
const MOST_ISSUES = 5;

/** A schema that was read: what a model is held to, and what becomes of the values that it writes. */
export interface ReadSchema {
  /**
   * The schema as plain data, at once unless what converts it has to be loaded. Throws or rejects with `invalid-argument` if its
   * library cannot say it as JSON Schema.
   */
  toJson(): JsonSchema | Promise<JsonSchema>;
  /** What callers get of a value that the JSON Schema allows. Rejects with `answer-refused` if the schema refuses it after all. */
  parse(value: unknown): Promise<unknown>;
}

const WANTED = 'a JSON Schema, or a schema of zod, valibot, arktype or another library of Standard Schema';

/** A JSON Schema, or a schema of a library that implements Standard Schema. */
export function schema(budget: JsonBudget): Read<ReadSchema> {
  return (value, at) => {
    if (isStandard(value)) return new LibrarySchema(value, at, budget);
    if (typeof value !== 'boolean' && (typeof value !== 'object' || value === null || Array.isArray(value)))
      throw invalid(at, value, WANTED);
    const json = jsonSchema(budget, value, at);
    return { toJson: () => json, parse: async (parsed) => parsed };
  };
}

/** Schemas of libraries are objects, or functions with fields. */
function isStandard(value: unknown): value is StandardSchema {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') && '~standard' in value
  );
}

function jsonSchema(budget: JsonBudget, value: unknown, at: string): JsonSchema {
  return typeof value === 'boolean' ? value : budget.object(value, at);
}

class LibrarySchema implements ReadSchema {
  readonly #standard: StandardSchema['~standard'];

  constructor(
    private readonly given: StandardSchema,
    private readonly at: string,
    private readonly budget: JsonBudget,
  ) {
    const standard = property(given, '~standard', at);
    if (typeof standard !== 'object' || standard === null)
      throw invalid(`${at}['~standard']`, standard, 'an object');
    const { version, validate } = standard as Partial<Record<string, unknown>>;
    if (version === 1 && typeof validate === 'function')
      this.#standard = standard as StandardSchema['~standard'];
    else throw refusal(at, 'is no schema of Standard Schema 1: it has another version, or does not validate');
  }

  toJson(): JsonSchema | Promise<JsonSchema> {
    const { jsonSchema: converter, vendor } = this.#standard;
    if (converter) return this.#converted(() => converter.input({ target: 'draft-2020-12' }));
    if (vendor === 'valibot') return this.#fromValibot();
    const advice =
      'zod 4.2 (not zod/mini), arktype 2.1.28 and valibot do; of others give the JSON Schema itself, and read answer.parsed ' +
      'with the schema';
    throw refusal(
      this.at,
      `cannot be made a JSON Schema, because its library (${vendor}) does not say how: ${advice}`,
    );
  }

  async parse(value: unknown): Promise<unknown> {
    const result = await this.#standard.validate(value);
    if (!result.issues) return result.value;
    const message = `The answer has the shape that was asked for, but the schema refuses it: ${inWords(result.issues)}.`;
    throw new TernionError('answer-refused', message, { cause: result.issues });
  }

  /** Valibot leaves it to another package, which is a part of this one that is loaded when it is wanted. */
  async #fromValibot(): Promise<JsonSchema> {
    const { toStandardJsonSchema } = await import('@valibot/to-json-schema');
    const { jsonSchema } = toStandardJsonSchema(this.given as never)['~standard'];
    return this.#converted(() => jsonSchema.input({ target: 'draft-2020-12' }));
  }

  /** Libraries throw for what no JSON Schema can say, such as dates. */
  #converted(convert: () => unknown): JsonSchema {
    try {
      return jsonSchema(this.budget, convert(), this.at);
    } catch (cause) {
      if (cause instanceof TernionError) throw cause;
      throw refusal(this.at, `cannot be made a JSON Schema: ${messageOf(cause)}`, cause);
    }
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error
    ? cause.message.replace(/\.$/, '')
    : 'its library throws something that is no Error';
}

/** The first issues of a value, each with its place. */
export function inWords(issues: readonly StandardIssue[]): string {
  const words = issues.slice(0, MOST_ISSUES).map(({ message, path = [] }) => {
    const place = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
    return place === '' ? message : `at ${place}: ${message}`;
  });
  return words.join('; ') + (issues.length > MOST_ISSUES ? `; and ${issues.length - MOST_ISSUES} more` : '');
}
