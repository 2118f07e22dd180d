// Lets a model use tools: what it calls is executed, it is told the results, and answers again.

import type {
  Answer,
  ChatMessage,
  CompleteToolCall,
  GenerateOptions,
  RunnableTool,
  RunOptions,
  RunResult,
  RunStep,
  Session,
  StandardSchema,
  ToolDefinition,
  ToolResult,
} from '../engine/types';
import { throwIfAborted, untilAborted } from '../errors';
import { invalid, isObject, number, options, property, type Read } from './read';
import { inWords } from './schemas';
import { abortSignal } from './signals';

const MAX_STEPS = 8;

/** See `Session.run`. */
export async function runTools(
  session: Pick<Session, 'send' | 'complete' | 'messages'>,
  text: string,
  given: RunOptions,
): Promise<RunResult> {
  const { tools, told, maxSteps, signal } = options(read, given);
  const steps: RunStep[] = [];
  let answer: Answer = await session.send(text, told).complete();
  for (;;) {
    const { toolCalls = [], finishReason } = answer;
    const goesOn = finishReason === 'tool-calls' && steps.length + 1 < maxSteps;
    const results = goesOn ? await Promise.all(toolCalls.map((call) => executed(call, tools, signal))) : [];
    steps.push({ answer, results });
    if (!goesOn) return { ...answer, steps };
    throwIfAborted(signal);
    // Who has to call a tool has called it: what comes next is the model's own decision.
    answer = await session.complete([...session.messages, ...results.map(messageOf)], {
      ...told,
      toolChoice: 'auto',
    });
  }
}

/** Options of a run: the tools with their functions, and what each generation is told. */
interface ReadRun {
  tools: Record<string, RunnableTool>;
  told: GenerateOptions;
  maxSteps: number;
  signal: AbortSignal;
}

/** Reads what concerns the run itself; the rest is read for each of its answers. */
const read: Read<ReadRun> = (value, at) => {
  if (!isObject(value)) throw invalid(at, value, 'an object with tools');
  const { tools: given, maxSteps = MAX_STEPS, ...rest } = value as Partial<RunOptions>;
  if (!isObject(given)) throw invalid(`${at}.tools`, given, 'a plain object of tools by name');
  const tools = { ...given } as Record<string, RunnableTool>;
  const described = Object.entries(tools).map(([name, tool]): [string, ToolDefinition] => {
    if (!isObject(tool))
      throw invalid(`${at}.tools.${name}`, tool, 'an object with a schema and a function execute');
    // Not a copy of the tool, which may be of a class: then its function is not its own.
    const { description, schema }: ToolDefinition = tool;
    const execute = property(tool, 'execute', at);
    if (typeof execute !== 'function') throw invalid(`${at}.tools.${name}.execute`, execute, 'a function');
    return [name, { description, schema }];
  });
  const { signal: ends = new AbortController().signal } = rest;
  const signal = abortSignal(ends, `${at}.signal`);
  const steps = number({ min: 1, max: 1000, integer: true })(maxSteps, `${at}.maxSteps`);
  return { tools, told: { ...rest, tools: Object.fromEntries(described) }, maxSteps: steps, signal };
};

/**
 * What a call comes to. A tool that throws, or gives what cannot be written, is a result too. Rejects with `aborted` once the
 * signal has fired, whether the tool heeds it or not.
 */
async function executed(
  call: CompleteToolCall,
  tools: Record<string, RunnableTool>,
  signal: AbortSignal,
): Promise<ToolResult> {
  try {
    const result = await untilAborted(resultOf(call, tools[call.name], signal), signal);
    return { ...call, result };
  } catch (error) {
    throwIfAborted(signal);
    return { ...call, error: error instanceof Error ? error.message : String(error) };
  }
}

async function resultOf(
  { name, arguments: args }: CompleteToolCall,
  tool: RunnableTool | undefined,
  signal: AbortSignal,
): Promise<unknown> {
  if (!tool) throw new Error(`There is no tool ${name}.`);
  const result = await tool.execute(await validated(args, tool), { signal });
  // What cannot be JSON throws here and not when the model is told.
  textOf(result);
  return result;
}

/** The arguments as a Standard Schema makes them. */
async function validated(
  args: Record<string, unknown>,
  { schema }: RunnableTool,
): Promise<Record<string, unknown>> {
  if (typeof schema === 'boolean' || !('~standard' in schema)) return args;
  const result = await (schema as StandardSchema)['~standard'].validate(args);
  if (result.issues) throw new Error(`The arguments were refused: ${inWords(result.issues)}.`);
  return result.value as Record<string, unknown>;
}

/** The result as the model is told it. */
function messageOf({ id, name, result, error }: ToolResult): ChatMessage {
  const content = error === undefined ? textOf(result) : JSON.stringify({ error });
  return { role: 'tool', content, tool_call_id: id, name };
}

function textOf(result: unknown): string {
  return typeof result === 'string' ? result : (JSON.stringify(result) ?? 'null');
}
