// The commands of `ternion`.

import process from 'node:process';
import type { Engine } from '../../engine/types';
import { TernionError } from '../../errors';
import { chat } from './chat';
import { readCommand, USAGE, UsageError, type Command } from './command-line';
import { loadModel, planModel } from './load-model';
import { planText } from './plan-text';
import { printable } from './printable';
import { ProgressLine } from './progress-line';
import { serve } from './serve';

/** Runs what `words` say. Resolves to the exit code: 0, 1 for what failed, 2 for what cannot be run. */
export async function main(words: readonly string[]): Promise<number> {
  try {
    const command = readCommand(words);
    if (command === 'help') process.stdout.write(USAGE);
    else await COMMANDS[command.name](command);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof TernionError) && !isSystemError(error))
      throw error;
    process.stderr.write(printable(`${error.message}\n`));
    return error instanceof UsageError ? 2 : 1;
  }
}

const COMMANDS: Readonly<Record<Command['name'], (command: Command) => Promise<void>>> = {
  serve: runServer,
  chat: runChat,
  plan: showPlan,
};

/** Such as a port that is taken: its message says all there is to say. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

async function runServer({ model, options }: Command): Promise<void> {
  await using engine = await load(model, options);
  const { port, host, origins, sessions } = options;
  const server = await serve(engine, { port, host, origins, ...(sessions !== undefined && { sessions }) });
  const name = printable(engine.info.name || model);
  process.stdout.write(
    `${name} is at ${server.url}/v1, with a context of ${engine.info.contextLength} tokens.\n`,
  );
  await interrupted();
  process.stderr.write('Answers under way are finished; once more ends them.\n');
  const closed = server.close();
  void interrupted().then(() => server.close({ now: true }));
  await closed;
}

async function runChat({ model, options }: Command): Promise<void> {
  await using engine = await load(model, options);
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  await chat(engine, { input: process.stdin, output: process.stdout, interactive }, options.temperature);
}

async function showPlan({ model, options }: Command): Promise<void> {
  const plan = await planModel(model, { contextLength: options.contextLength });
  process.stdout.write(options.json ? `${JSON.stringify(plan, null, 2)}\n` : planText(plan));
  if (plan.code !== undefined) process.exitCode = 1;
}

/** Loads with a line of progress. */
async function load(model: string, { contextLength }: Command['options']): Promise<Engine> {
  const line = new ProgressLine(process.stderr);
  try {
    return await loadModel(model, { contextLength, onProgress: line.show });
  } finally {
    line.clear();
  }
}

/** Resolves with the next SIGINT or SIGTERM. */
async function interrupted(): Promise<void> {
  await new Promise<void>((resolve) => {
    const onSignal = (): void => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      resolve();
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  });
}
