// A conversation in a terminal: lines in, answers out as they come.

import { createInterface } from 'node:readline';
import type { Engine } from '../../engine/types';
import { printable } from './printable';

/** Where a conversation takes place. */
export interface ChatStreams {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  /** Whether `output` shows it to somebody who types. */
  interactive: boolean;
}

/** Talks until the input ends. Ctrl-C ends an answer; where there is none, it ends the conversation. */
export async function chat(
  engine: Engine,
  { input, output, interactive }: ChatStreams,
  temperature = 0,
): Promise<void> {
  const lines = createInterface({ input, ...(interactive && { output, prompt: '> ' }) });
  let answer: AbortController | undefined;
  let over = false;
  // Lines that came before the end are still answered, but newer versions of Node let nobody be prompted then.
  lines.on('close', () => (over = true));
  lines.on('SIGINT', () => (answer ? answer.abort() : lines.close()));
  await using session = engine.createSession();
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== '') {
      answer = new AbortController();
      for await (const { text, reasoning = '' } of session.send(line, {
        temperature,
        signal: answer.signal,
      })) {
        output.write(printable(reasoning + text));
      }
      answer = undefined;
      output.write('\n');
    }
    if (!over) lines.prompt();
  }
}
