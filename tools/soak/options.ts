// The command line of the soak.

import { parseArgs } from 'node:util';

/** What a run of the soak is to do. */
export interface SoakOptions {
  seed: number;
  /** Seconds after which no more rounds begin. */
  seconds: number;
  /** The file that the figures are written to. */
  json: string | undefined;
  /** The first round's number: what is drawn depends on it. */
  from: number;
  /** Only one stretch, of which the report is left to whoever began it. */
  stretch: boolean;
  /** Only make and destroy so many devices. */
  control: number | undefined;
  help: boolean;
}

export const SOAK_USAGE = `Usage: npm run soak -- [options]

Runs rounds in which several sessions of the embedded model answer at once, with random options, slow readers, cancels, aborts
and disposals, while models are loaded from servers that fail and devices are lost. Answers are compared with those made
undisturbed. Exits with 1 if one differs, if an error is not the expected one, or if memory grows beyond its bound.

  --minutes N      so long (default 2)
  --hours N        so long
  --seed N         other rounds (default 1)
  --from N         begins with round N (default 0)
  --json FILE      writes all figures to a file
  --control N      only makes and destroys N devices, and says how the process grows
  --driver NAME    lavapipe, swiftshader, or system (the machine's own GPU)`;

/** Reads the command line; throws where it cannot be used. */
export function parseSoakOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      hours: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
      from: { type: 'string', default: '0' },
      stretch: { type: 'boolean', default: false },
      control: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { hours, minutes, seed, json, from, stretch, control, help } = values;
  if (hours !== undefined && minutes !== undefined) throw new Error('Give --hours or --minutes, not both.');
  return {
    seed: amount('seed', seed),
    seconds: hours === undefined ? 60 * amount('minutes', minutes ?? '2') : 3600 * amount('hours', hours),
    json,
    from: amount('from', from),
    stretch,
    control: control === undefined ? undefined : amount('control', control),
    help,
  };
}

function amount(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text)) return value;
  throw new Error(`--${name} is '${text}'; it must be a number.`);
}
