// What an answer can be held to, and the calls of tools in it: the part of the contract that is about shapes.

export type { LogitsProcessor } from '../inference/continuation';

/** A JSON Schema. What of it is enforced, and what is refused by its name, is in docs/structured-output.md. */
export type JsonSchema = boolean | { readonly [key: string]: unknown };

/** What a Standard Schema makes of a value. */
export type StandardResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** Why a value does not fit a Standard Schema. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * A schema of zod (4.2 and later), arktype (2.1.28 and later), valibot (1.0 and later), or of any other library that implements
 * Standard Schema 1 and Standard JSON Schema 1, https://standardschema.dev. The model writes what the schema takes (its input);
 * callers get what it makes of that (its output).
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    /** Schemas of valibot do not have it; those are converted here. */
    readonly jsonSchema?:
      { readonly input: (options: { target: 'draft-2020-12' }) => Record<string, unknown> } | undefined;
  };
}

/** What callers get of a schema: what a Standard Schema makes of the value; unknown for a JSON Schema. */
export type OutputOf<Schema> = Schema extends StandardSchema<unknown, infer Output> ? Output : unknown;

/** Schemas in any form. */
export type AnySchema = JsonSchema | StandardSchema;

/**
 * The shape of a whole answer. Where the model reasons first, the shape is that of what comes behind the reasoning.
 *
 * - `json`: JSON that the schema allows; without a schema any object;
 * - `regex`: what the pattern matches from its first character to its last. JavaScript's syntax, with the flag `u`;
 * - `grammar`: what the symbol `root` derives, in the EBNF of xgrammar (that of llama.cpp, GBNF, is much the same);
 * - `choice`: one of some texts.
 */
export type ResponseFormat<Schema = AnySchema> =
  | { type: 'json'; schema?: Schema | undefined }
  | { type: 'regex'; pattern: string }
  | { type: 'grammar'; ebnf: string }
  | { type: 'choice'; options: readonly string[] };

/** Options from which the type of an answer's value is known: that of a Standard Schema; unknown without one. */
export interface GivesValue<Output> {
  responseFormat?: ResponseFormat<JsonSchema | StandardSchema<unknown, Output>>;
}

/** A tool, as a model is told of it, and as its calls are held to it. */
export interface ToolDefinition<Schema = AnySchema> {
  /** What it does and when to use it, for the model. */
  description?: string | undefined;
  /** Of the arguments, which are an object. */
  schema: Schema;
}

/**
 * Whether a model calls tools: as it likes (`auto`), not at all (`none`; it is not told of them then), at least one of them
 * (`required`), or the one of that name.
 */
export type ToolChoice = 'auto' | 'none' | 'required' | { name: string };

/** A part of a call as it comes. */
export interface ToolCallPiece {
  /** Which call of the answer it belongs to, from 0 on. */
  index: number;
  /** With the first piece of a call only: a name that no other call of the conversation has. */
  id?: string;
  /** With the first piece of a call only: the tool. */
  name?: string;
  /** The next text of the arguments; all of a call's joined are JSON. */
  argumentsText: string;
}

/** A call that is whole. */
export interface CompleteToolCall {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}
