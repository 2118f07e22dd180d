// Sources that can be read only once, from front to back, become Blobs, which can be read anywhere. Browsers keep large
// blobs on disk.

import { TernionError, throwIfAborted } from '../../errors';
import { nameIn } from '../http/address';
import type { ModelSource } from './model-source';
import { ProgressMeter, type DownloadProgress } from './progress';

/** Whether `source` delivers its bytes only once. */
export function isStreaming(source: unknown): source is Response | ReadableStream<Uint8Array> {
  return source instanceof Response || source instanceof ReadableStream;
}

/** The source in a form that can be read more than once: one that delivers its bytes only once is read here, as {@link spool} does. */
export async function keepStreaming(
  source: ModelSource,
  onProgress: ((progress: DownloadProgress) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<Exclude<ModelSource, Response | ReadableStream>> {
  if (!isStreaming(source)) return source;
  throwIfAborted(signal);
  return spool(source, new ProgressMeter((state) => onProgress?.(state)), signal);
}

/**
 * Reads a response or a stream to its end. Rejects with `download-failed` (it broke, or is an error), `invalid-argument`
 * (it was read already), or `aborted`.
 */
export async function spool(
  source: Response | ReadableStream<Uint8Array>,
  progress: ProgressMeter,
  signal: AbortSignal | undefined,
): Promise<File> {
  const { stream, total, name } =
    source instanceof Response ? opened(source) : { stream: source, total: 0, name: 'model' };
  if (stream.locked) throw new TernionError('invalid-argument', 'The stream is being read by somebody else.');
  const file = progress.file(total, 0);
  try {
    const blob = await collect(chunksOf(stream, signal), (bytes) => file.received(bytes));
    if (total > 0 && blob.size !== total) throw new Error(`${blob.size} of ${total} bytes came`);
    file.done();
    return new File([blob], name);
  } catch (cause) {
    throwIfAborted(signal);
    const { message } = cause as Error;
    throw new TernionError('download-failed', `Reading the stream failed: ${message}.`, { cause });
  }
}

/** The body of a response, and what its headers say of it. */
function opened(response: Response): { stream: ReadableStream<Uint8Array>; total: number; name: string } {
  const { ok, status, statusText, body, bodyUsed, headers, url } = response;
  if (!ok) throw new TernionError('download-failed', `The response is an error: ${status} ${statusText}.`);
  if (!body || bodyUsed) {
    throw new TernionError('invalid-argument', 'The response has no body, or it was read already.');
  }
  // Of a compressed body the header has another length than the bytes that come.
  const total = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0);
  return { stream: body, total, name: url === '' ? 'model' : nameIn(url) };
}

async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  const onAbort = (): void => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      throwIfAborted(signal);
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await reader.cancel().catch(() => {});
  }
}

/** Puts chunks together to a Blob without holding them all. Rejects with what the chunks rejected with. */
export async function collect(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<Blob> {
  const iterator = chunks[Symbol.asyncIterator]();
  let failure: unknown;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (next.done) return controller.close();
        onBytes(next.value.length);
        controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
      } catch (error) {
        controller.error((failure = error));
      }
    },
    cancel: async () => void (await iterator.return?.()),
  });
  try {
    return await new Response(stream).blob();
  } catch (error) {
    // Browsers may put an error of their own in place of ours.
    throw failure ?? error;
  }
}
