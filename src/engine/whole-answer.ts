// An answer for those who do not stream: the chunks of its stream, put together.

import { TernionError } from '../errors';
import type { Answer, CompleteToolCall, GenerateChunk, SampledLogprob, ToolCallPiece } from './types';

/** Reads `chunks` to the end. Rejects with what they fail with, and with a `TypeError` if they have or had another reader. */
export async function wholeAnswer(chunks: ReadableStream<GenerateChunk>): Promise<Answer> {
  const tokenIds: number[] = [];
  let logprobs: SampledLogprob[] | undefined;
  let text = '';
  let reasoning = '';
  const pieces: ToolCallPiece[] = [];
  const reader = chunks.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done && tokenIds.length === 0) throw new TypeError('The answer was read, or cancelled, before.');
    if (done) throw new TernionError('internal', 'An answer ended without its last chunk.');
    text += value.text;
    reasoning += value.reasoning ?? '';
    tokenIds.push(...value.tokenIds);
    if (value.logprobs) (logprobs ??= []).push(...value.logprobs);
    pieces.push(...(value.toolCalls ?? []));
    const { finishReason, usage } = value;
    if (!finishReason || !usage) continue;
    // The end of the stream is the end of the turn.
    await reader.read();
    const toolCalls = wholeCalls(pieces);
    return {
      text,
      ...(reasoning && { reasoning }),
      tokenIds,
      ...(logprobs && { logprobs }),
      ...(toolCalls.length > 0 && { toolCalls }),
      finishReason,
      usage,
    };
  }
}

/** The calls whose arguments are complete: those of one that was cut do not parse. */
export function wholeCalls(pieces: readonly ToolCallPiece[]): CompleteToolCall[] {
  const calls = new Map<number, { id: string; name: string; text: string }>();
  for (const { index, id = '', name = '', argumentsText } of pieces) {
    const call = calls.get(index);
    if (call) call.text += argumentsText;
    else calls.set(index, { id, name, text: argumentsText });
  }
  return [...calls.values()].flatMap(({ id, name, text }) => {
    try {
      return [{ id, name, arguments: JSON.parse(text) as Record<string, unknown> }];
    } catch {
      return [];
    }
  });
}

/** Adds what `piece` says to what came before it. */
export function append(
  whole: Pick<GenerateChunk, 'text' | 'reasoning' | 'toolCalls' | 'tokenIds'>,
  {
    text,
    reasoning,
    toolCalls,
    tokenIds,
  }: Pick<GenerateChunk, 'text' | 'reasoning' | 'toolCalls' | 'tokenIds'>,
): void {
  whole.text += text;
  whole.tokenIds.push(...tokenIds);
  if (reasoning) whole.reasoning = (whole.reasoning ?? '') + reasoning;
  if (toolCalls) (whole.toolCalls ??= []).push(...toolCalls);
}
