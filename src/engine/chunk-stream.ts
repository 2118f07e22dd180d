// The stream that a reader of an answer gets: the reader's demand drives what makes it, but its end needs no reader.

import type { GenerateChunk } from './types';

/** Where chunks are put for the reader of a stream. */
export interface Outlet<Chunk = GenerateChunk> {
  /** Hands out a chunk. False if the reader has cancelled and will never see it. */
  put(chunk: Chunk): boolean;
  /** Resolves when the reader wants a chunk more than it was given, or when the stream is to end. */
  wanted(): Promise<void>;
}

/**
 * The chunks that `run` puts into its outlet, as a stream. `run` begins with the first read, and whoever awaits `wanted`
 * before each further chunk makes none that nobody asked for. The signal that `run` gets fires with any of `ends`, and when
 * the reader cancels. From then on nothing waits for the reader: `run` comes to its end by itself, what it puts until then
 * is kept for a reader who comes back, and a cancel resolves when `run` has ended.
 */
export function chunkStream<Chunk = GenerateChunk>(
  run: (outlet: Outlet<Chunk>, signal: AbortSignal) => Promise<void>,
  ends: readonly AbortSignal[],
): ReadableStream<Chunk> {
  const cancelled = new AbortController();
  const signal = AbortSignal.any([cancelled.signal, ...ends]);
  let isWanted = false;
  let wake = (): void => {};
  let satisfy = (): void => {};
  let running: Promise<void> | undefined;

  const start = async (controller: ReadableStreamDefaultController<Chunk>): Promise<void> => {
    const outlet: Outlet<Chunk> = {
      put(chunk) {
        if (cancelled.signal.aborted) return false;
        isWanted = false;
        controller.enqueue(chunk);
        satisfy();
        return true;
      },
      async wanted() {
        if (!isWanted && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
      },
    };
    // One that is looked up at the time: each wait has its own.
    const onEnd = (): void => wake();
    signal.addEventListener('abort', onEnd, { once: true });
    try {
      await run(outlet, signal);
      if (!cancelled.signal.aborted) controller.close();
    } catch (error) {
      // Once its reader has cancelled, a stream is closed: nobody is there to hear of a failure.
      controller.error(error);
    } finally {
      // Signals outlive streams: what listens to them would keep every prompt and answer.
      signal.removeEventListener('abort', onEnd);
      satisfy();
    }
  };

  return new ReadableStream<Chunk>(
    {
      // A stream pulls again only once it was satisfied: so each pull is for one chunk, however many reads wait.
      pull: (controller) =>
        new Promise<void>((resolve) => {
          satisfy = resolve;
          isWanted = true;
          wake();
          running ??= start(controller);
        }),
      async cancel(reason) {
        cancelled.abort(reason);
        await running;
      },
    },
    { highWaterMark: 0 },
  );
}
