// What is written behind `ternion`: which command, of which model, with which options.

import { parseArgs } from 'node:util';
import { models } from '../../storage/sources/known-models';

/** A command to run. */
export interface Command {
  name: 'serve' | 'chat' | 'plan';
  model: string;
  options: {
    port: number;
    host: string;
    origins: readonly string[];
    sessions: number | undefined;
    contextLength: number | undefined;
    temperature: number | undefined;
    json: boolean;
  };
}

/** A command line that cannot be run: what is wrong with it. */
export class UsageError extends Error {}

/** Four a line. */
const NAMES = Object.keys(models)
  .map((name, i) => `${i % 4 === 0 ? '  ' : ''}${name}${i % 4 === 3 ? '\n' : '  '}`)
  .join('')
  .trimEnd();

export const USAGE = `Runs ternary language models on this machine's GPU.

  ternion serve MODEL   an OpenAI-compatible server, for this machine only
  ternion chat MODEL    a conversation in the terminal
  ternion plan MODEL    whether the model fits this GPU, and what it takes

MODEL is a path, a URL, hf:owner/repo/file.gguf, or the name of a known model:
${NAMES}

  --context N       most tokens of prompt and answer together
  --port N          serve: the port (default 8080)
  --host ADDRESS    serve: the address to listen on (default 127.0.0.1)
  --origin ORIGIN   serve: pages that may use it, such as http://localhost:5173; may be repeated
  --sessions N      serve: requests that are answered at a time (default 4)
  --temperature X   chat: 0 (default) takes the likeliest token always
  --json            plan: the whole plan as JSON
  --help            this text
`;

const OPTIONS = {
  context: { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string' },
  origin: { type: 'string', multiple: true },
  sessions: { type: 'string' },
  temperature: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** Reads the words behind `ternion`; `help` if that is what they ask for. Throws {@link UsageError}. */
export function readCommand(words: readonly string[]): Command | 'help' {
  const { values, positionals } = parse(words);
  if (values.help || words.length === 0) return 'help';
  const [name, model, ...others] = positionals;
  if (name !== 'serve' && name !== 'chat' && name !== 'plan')
    throw new UsageError(`There is no command '${name ?? ''}'.`);
  if (model === undefined) throw new UsageError(`ternion ${name} needs a model.`);
  if (others.length > 0) throw new UsageError(`'${others.join(' ')}' is too much: one model at a time.`);
  const options = {
    port: whole('port', values.port, 0, 65535) ?? 8080,
    host: values.host ?? '127.0.0.1',
    origins: values.origin ?? [],
    sessions: whole('sessions', values.sessions, 1, 1000),
    contextLength: whole('context', values.context, 1, 2 ** 31),
    temperature: number('temperature', values.temperature, 0, 100),
    json: values.json ?? false,
  };
  return { name, model, options };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function number(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a number from ${min} to ${max}.`);
}

function whole(name: string, text: string | undefined, min: number, max: number): number | undefined {
  const value = number(name, text, min, max);
  if (value === undefined || Number.isInteger(value)) return value;
  throw new UsageError(`--${name} must be a whole number.`);
}
