// Follows answers with calls of tools in them, as their text comes.
import { expect } from 'vitest';
import {
  toolCallStream,
  type CallPiece,
  type FoundCall,
  type ToolCallFormat,
} from '../../src/tokenizer/tool-calls';

/** The tools of these tests. */
export const NAMES = ['get_weather', 'search', 'now', 'list.files-2'];

/** What an answer comes to: its text, the pieces of each call joined, and the calls that are whole. */
export interface Followed {
  text: string;
  given: { name: string | undefined; argumentsText: string }[];
  calls: readonly FoundCall[];
}

/** What is made of an answer that comes in these pieces. */
export function follow(format: ToolCallFormat, pieces: readonly string[]): Followed {
  const stream = toolCallStream(format, NAMES);
  const found = [...pieces.map((piece) => stream.push(piece)), stream.flush()];
  const given = joined(found.flatMap(({ calls }) => calls));
  return {
    text: found.map(({ text }) => text).join(''),
    given,
    calls: stream.calls.map(({ name, arguments: args }) => ({ name, arguments: args })),
  };
}

/** Expects that calls come one after the other, each with its name first and only there. */
function joined(pieces: readonly CallPiece[]): Followed['given'] {
  const given: Followed['given'] = [];
  for (const { index, name, argumentsText } of pieces) {
    const call = given[index];
    if (call) expect([index, name]).toEqual([given.length - 1, undefined]);
    else expect(index).toBe(given.length);
    if (call) call.argumentsText += argumentsText;
    else given.push({ name, argumentsText });
  }
  return given;
}
