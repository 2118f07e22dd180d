// The stream that a reader of an answer gets: its demand drives the generation.

import type { GenerateChunk } from './types';

/**
 * The chunks that `run` makes, as a stream: nothing happens before the first read, nor beyond what is read. `ends` are the
 * signals that end the generation; they, and the reader who cancels, fire the one that `run` gets. After the last chunk,
 * the one with a finish reason, the generator is let go at once.
 */
export function chunkStream(
  run: (signal: AbortSignal) => AsyncGenerator<GenerateChunk, void, undefined>,
  ends: readonly AbortSignal[],
): ReadableStream<GenerateChunk> {
  const cancelled = new AbortController();
  const chunks = run(AbortSignal.any([cancelled.signal, ...ends]));
  let advancing = false;
  let forget = (): void => {};
  const advance = async (controller: ReadableStreamDefaultController<GenerateChunk>): Promise<void> => {
    advancing = true;
    const { value, done } = await chunks.next();
    if (!done) controller.enqueue(value);
    if (done || value.finishReason) {
      // Lets the generator leave its turn; nobody may come to read beyond the last chunk.
      await chunks.return();
      controller.close();
      forget();
    }
    advancing = false;
  };
  return new ReadableStream<GenerateChunk>(
    {
      start(controller) {
        // A reader who is away would not take the last chunk, and its turn would never end: it is left for it here.
        const end = (): void => {
          if (!advancing && !cancelled.signal.aborted)
            advance(controller).catch((error) => controller.error(error));
        };
        for (const signal of ends) signal.addEventListener('abort', end, { once: true });
        // Signals outlive streams: what listens to them would keep every prompt and answer.
        forget = () => {
          for (const signal of ends) signal.removeEventListener('abort', end);
        };
      },
      pull: advance,
      async cancel(reason) {
        cancelled.abort(reason);
        forget();
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
}
