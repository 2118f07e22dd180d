// What an answer can be held to, as plain data: it can be sent to another thread, which makes a grammar of it.

import type { ToolCallFormat } from '../tokenizer/tool-call-format';

/** A JSON Schema: an object of keywords, or whether anything is allowed. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** A grammar for the text of an answer: rules in xgrammar's EBNF; the answer is what `root` derives. */
export interface Grammar {
  ebnf: string;
  /** Lengths of strings that the rules leave open, because states for each length would take seconds to compile. */
  lengths?: StringLengths;
}

/**
 * Bounds of the strings in a JSON text, by where they stand in it. An escape counts as what it stands for. `min` counts code
 * points, as JSON Schema does, and `max` units of UTF-16, as JavaScript does: so each holds by either count.
 */
export interface StringLengths {
  /** Where the JSON begins: behind the last occurrence of this text, or at the beginning of the answer for ''. */
  behind: string;
  /** Each for the strings at one path; a path is made of keys, and `*` stands for every index or key that is not named. */
  bounds: readonly { path: readonly string[]; min: number; max: number }[];
}

/** The shape of an answer, as plain data: see `ResponseFormat`. */
export type PlainFormat =
  | { type: 'json'; schema?: JsonSchema | undefined }
  | { type: 'regex'; pattern: string }
  | { type: 'grammar'; ebnf: string }
  | { type: 'choice'; options: readonly string[] };

/** A tool, as its calls are held to it. */
export interface CallableTool {
  name: string;
  /** Of its arguments, which are an object. */
  schema: JsonSchema;
}

/** Whether tools are called; an object names the one that is. */
export type ToolChoice = 'auto' | 'none' | 'required' | { name: string };

/** Tools that an answer may call, and how its model writes calls. */
export interface CallsOfTools {
  convention: ToolCallFormat;
  tools: readonly CallableTool[];
  choice: ToolChoice;
  /** Whether there may be several calls. */
  parallel: boolean;
}

/** What a grammar is made of where it is compiled: what makes it is not loaded before. */
export type GrammarSource = Grammar | { format: PlainFormat } | { calls: CallsOfTools };
