// The contract of a run: tools that are executed, and all that led to an answer.

import type { AnySchema, CompleteToolCall, StandardSchema, ToolDefinition } from './answer-shapes';
import type { Answer, GenerateOptions } from './generation-types';

/** What a tool is executed with: what a Standard Schema makes of the arguments; of a JSON Schema, any object. */
export type ArgumentsOf<Schema> =
  Schema extends StandardSchema<unknown, infer Output> ? Output : Record<string, unknown>;

/** A tool that `Session.run` can use. */
export interface RunnableTool<Schema extends AnySchema = AnySchema> extends ToolDefinition<Schema> {
  /**
   * Does what the tool does. What it gives, or resolves to, is told to the model: a string as it is, anything else as JSON. So is
   * the message of an error that it throws. The signal is that of the options.
   */
  execute(args: ArgumentsOf<Schema>, context: { signal: AbortSignal }): unknown;
}

/** What `Session.run` is given: tools that can be executed, and options for each answer. */
export interface RunOptions<
  Schemas extends Record<string, AnySchema> = Record<string, AnySchema>,
> extends GenerateOptions {
  tools: { [Name in keyof Schemas]: RunnableTool<Schemas[Name]> };
  /** Most answers. Default 8. */
  maxSteps?: number;
}

/** What a call of a tool came to. */
export interface ToolResult extends CompleteToolCall {
  /** What the tool gave. */
  result?: unknown;
  /** The message of the error that it threw, or why it was not executed. */
  error?: string;
}

/** An answer, and what the calls in it came to. */
export interface RunStep {
  answer: Answer;
  results: ToolResult[];
}

/** The last answer of a run, and all that led to it. */
export interface RunResult extends Answer {
  steps: RunStep[];
}
