// Reads a generation to its end.
import type { FinishReason, GenerateChunk, Usage } from '../../src/engine/types';

/** A whole generation, and the chunks that it came in. */
export interface Collected {
  text: string;
  tokenIds: number[];
  chunks: GenerateChunk[];
  finishReason: FinishReason | undefined;
  usage: Usage | undefined;
}

export async function collect(stream: ReadableStream<GenerateChunk>): Promise<Collected> {
  const chunks: GenerateChunk[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  const last = chunks.at(-1);
  return {
    text: chunks.map(({ text }) => text).join(''),
    tokenIds: chunks.flatMap(({ tokenIds }) => tokenIds),
    chunks,
    finishReason: last?.finishReason,
    usage: last?.usage,
  };
}
