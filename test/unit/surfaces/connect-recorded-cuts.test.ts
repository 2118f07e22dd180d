// Recorded streams of a real llama-server, cut differently from how they arrived.
import { describe, expect, it } from 'vitest';
import type { RemoteChunk } from '../../../src/surfaces/connect';
import { answered, answerOf, exchangesOf } from '../../support/recorded-server';
import { call, words } from '../../support/server-questions';
import { replaying, type Cut } from '../../support/server-recordings';

describe('a recorded stream', () => {
  /** Chunks without their times, and without the ids of calls where those are made here. */
  const told = (chunks: readonly RemoteChunk[]): unknown =>
    chunks.map(({ usage, toolCalls, ...chunk }) => ({
      ...chunk,
      toolCalls: toolCalls?.map(({ id, ...piece }) => ({ ...piece, named: id !== undefined })),
      usage: usage && [usage.promptTokens, usage.completionTokens, usage.missingTokenIds, usage.stopReason],
    }));

  const inPiecesOf =
    (size: number): Cut =>
    (pieces) => {
      const bytes = Buffer.concat(pieces);
      return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        Uint8Array.from(bytes.subarray(i * size, (i + 1) * size)),
      );
    };

  const asks = [words.chat, words.logprobs, words.grammar, words.openAiChat, call.call, call.openAiCall];
  it.each(asks.map((ask) => [ask.name, ask] as const))(
    'says the same however its bytes are cut: %s',
    async (_, ask) => {
      const expected = told(await answered(ask));
      for (let size = 1; size < 64; size++)
        expect(told(await answered(ask, inPiecesOf(size))), `pieces of ${size}`).toEqual(expected);
    },
  );

  it('that ends before its answer does has failed, wherever that is', async () => {
    const [exchange] = exchangesOf(words.text);
    const bytes = Buffer.from(answerOf(words.text));
    const end = bytes.lastIndexOf('data:');
    for (let length = 0; length < end; length += 50) {
      const cut: Cut = () => [Uint8Array.from(bytes.subarray(0, length))];
      const broken = words.text(replaying(exchange ? [exchange] : [], cut));
      await expect(broken, `${length} bytes`).rejects.toMatchObject({ code: 'server-failed' });
    }
  });
});
