// The grammar of an answer that may call tools, in the way that the model's template teaches it.

import { TernionError } from '../errors';
import { CALL_MARKS, type ToolCallFormat } from '../tokenizer/tool-call-format';
import { CodePoints, EVERYTHING } from './code-points';
import { literal, oneOf, RuleBook } from './ebnf';
import type { CallableTool, Grammar, JsonSchema, ToolChoice } from './grammar';
import { argumentsRule, schemaRule } from './json-schema';

/**
 * The grammar of the answers of a model that knows these tools. With `auto` that is any text, in which what looks like a call
 * is one.
 *
 * @param parallel whether there may be several calls.
 * @throws TernionError as `schemaRule` does, with the tool's name; `invalid-argument` if the tool that is to be called is not there.
 */
export function grammarOfTools(
  format: ToolCallFormat,
  tools: readonly CallableTool[],
  choice: ToolChoice,
  parallel: boolean,
): Grammar {
  const callable = typeof choice === 'object' ? tools.filter(({ name }) => name === choice.name) : tools;
  if (callable.length === 0)
    throw new TernionError('invalid-argument', 'The tool that is to be called is not there.');
  const book = new RuleBook();
  const root = book.reserve('root');
  const mayBeText = choice === 'auto';
  const write = { hermes, 'llama-3-json': llamaJson, pythonic }[format];
  book.define(root, write(book, callable, mayBeText, parallel));
  return { ebnf: book.toString() };
}

/** Text, and calls between tags in it. */
function hermes(
  book: RuleBook,
  tools: readonly CallableTool[],
  mayBeText: boolean,
  parallel: boolean,
): string {
  const { open, close } = CALL_MARKS;
  const objects = tools.map((tool) => callObject(book, tool, 'arguments'));
  const behindMark = book.rule(
    'tagged_call',
    `"\\n" ${book.rule('call', objects.join(' | '))} ${literal(`\n${close}`)}`,
  );
  if (mayBeText) {
    return `TagDispatch((${literal(open)}, ${behindMark}), stop_eos=true, loop_after_dispatch=${String(parallel)})`;
  }
  const whole = book.rule('whole_call', `${literal(open)} ${behindMark}`);
  return parallel ? `${whole} (${literal('\n')} ${whole})*` : whole;
}

/** Objects with semicolons between, or text that does not begin like one. */
function llamaJson(
  book: RuleBook,
  tools: readonly CallableTool[],
  mayBeText: boolean,
  parallel: boolean,
): string {
  const call = book.rule('call', tools.map((tool) => callObject(book, tool, 'parameters')).join(' | '));
  const calls = parallel ? `${call} ("; " ${call})*` : call;
  return mayBeText ? `${calls} | ${textButFor(book, '{')}` : calls;
}

/** A list of calls, or text that does not begin like one. */
function pythonic(
  book: RuleBook,
  tools: readonly CallableTool[],
  mayBeText: boolean,
  parallel: boolean,
): string {
  const written = tools.map((tool) =>
    named(tool, () => {
      if (/^[A-Za-z_][\w.-]*$/.test(tool.name))
        return `${literal(`${tool.name}(`)} ${argumentsRule(book, objectSchema(tool.schema), 'python')} ")"`;
      throw new TernionError('invalid-argument', 'no function of Python can have this name.');
    }),
  );
  const call = book.rule('call', written.join(' | '));
  const calls = parallel ? `"[" ${call} (", " ${call})* "]"` : `"[" ${call} "]"`;
  return mayBeText ? `${calls} | ${textButFor(book, '[')}` : calls;
}

function callObject(book: RuleBook, tool: CallableTool, member: 'arguments' | 'parameters'): string {
  return named(tool, () => {
    const args = schemaRule(book, objectSchema(tool.schema), 'json');
    return `${literal(`{"name": ${JSON.stringify(tool.name)}, "${member}": `)} ${args} "}"`;
  });
}

/** A tool without a description of its arguments takes none. */
function objectSchema(schema: JsonSchema): JsonSchema {
  const isOpen = schema === true || (typeof schema === 'object' && Object.keys(schema).length === 0);
  return isOpen ? { type: 'object', properties: {}, additionalProperties: false } : schema;
}

/** Says of which tool a schema is that cannot be used. */
function named<T>({ name }: CallableTool, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TernionError)) throw error;
    throw new TernionError(error.code, `The tool ${JSON.stringify(name)}: ${error.message}`, {
      cause: error,
    });
  }
}

/** Any text, empty too, whose first character is neither a space nor the one that calls begin with. */
function textButFor(book: RuleBook, first: string): string {
  const beginning = oneOf(CodePoints.in(` \t\r\n${first}`).complement()) ?? '""';
  const rest = book.once('text_rest', (name) => `"" | ${oneOf(EVERYTHING) ?? '""'} ${name}`);
  return `"" | ${beginning} ${rest}`;
}
