// The command line of the fuzzer.

import { parseArgs } from 'node:util';

/** What a run of the fuzzer is to do. */
export interface FuzzOptions {
  seed: number;
  /** Most cases of all categories together. */
  cases: number;
  /** Seconds after which no more cases begin. */
  seconds: number;
  /** The one category to run; undefined for all. */
  only: string | undefined;
  /** The one case to run; undefined for all. */
  index: number | undefined;
  /** Seconds of the processor that one case may take. */
  limit: number;
  /** The file that the figures are written to. */
  json: string | undefined;
  /** Where findings are kept. */
  folder: string;
  /** Be the process that runs the cases. */
  serve: boolean;
  help: boolean;
}

const DEFAULT_CASES = 1000;

export const USAGE = `Usage: npm run fuzz -- [options]

Gives hostile input to everything that reads what others have made. Each case has to end in a right result or in a
TernionError of an expected code, within bounded time and memory, and the same when it is read twice. Exits with 1 if one
does not.

  --cases N        so many cases (default ${DEFAULT_CASES}, or as many as --seconds allows)
  --seconds N      begin no more cases after so many seconds
  --seed N         another seed, other cases (default 1)
  --only NAME      one category
  --case N         this case alone; with --only
  --limit N        seconds of the processor that a case may take (default 60)
  --json FILE      writes all figures to a file
  --save FOLDER    where the files of findings are kept (default test-results/fuzz)`;

/** Reads the command line; throws where it cannot be used. */
export function parseFuzzOptions(args: readonly string[], categories: readonly string[]): FuzzOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cases: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
      case: { type: 'string' },
      limit: { type: 'string', default: '60' },
      json: { type: 'string' },
      save: { type: 'string', default: 'test-results/fuzz' },
      serve: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { only, json, save: folder, serve, help } = values;
  if (only !== undefined && !categories.includes(only))
    throw new Error(`There is no category '${only}'; there are ${categories.join(', ')}.`);
  if (values.case !== undefined && only === undefined) throw new Error('--case needs --only.');
  const seconds = values.seconds === undefined ? Infinity : whole('seconds', values.seconds);
  const cases = values.cases === undefined ? undefined : whole('cases', values.cases);
  return {
    seed: whole('seed', values.seed),
    cases: cases ?? (Number.isFinite(seconds) ? Infinity : DEFAULT_CASES),
    seconds,
    only,
    index: values.case === undefined ? undefined : whole('case', values.case),
    limit: whole('limit', values.limit),
    json,
    folder,
    serve,
    help,
  };
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new Error(`--${name} is '${text}'; it must be a whole number.`);
}
