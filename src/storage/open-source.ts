// Turns whatever a caller calls a model into bytes that can be read.

import { TernionError } from '../errors';
import { blobSource, bytesSource, type ByteSource } from './byte-source';

/** A model file: its URL, a `File` or `Blob`, or its bytes. */
export type ModelSource = string | URL | Blob | ArrayBuffer | Uint8Array;

/** How far a download is: bytes so far, and in all (0 while unknown). */
export type DownloadProgress = (loaded: number, total: number) => void;

/** Opens `source`; a URL is downloaded first. Rejects with `download-failed`, `aborted` or `invalid-argument`. */
export async function openSource(
  source: ModelSource,
  signal?: AbortSignal,
  onProgress?: DownloadProgress,
): Promise<ByteSource> {
  if (source instanceof Blob) return blobSource(source);
  if (source instanceof ArrayBuffer || source instanceof Uint8Array) return bytesSource(source);
  if (typeof source === 'string' || source instanceof URL)
    return blobSource(await download(source, signal, onProgress));
  throw new TernionError('invalid-argument', 'A model source is a URL, a File or Blob, or bytes.');
}

/** The file behind `url`, as a Blob, which browsers may keep on disk. */
async function download(
  url: string | URL,
  signal?: AbortSignal,
  onProgress?: DownloadProgress,
): Promise<Blob> {
  try {
    const response = await fetch(url, { signal: signal ?? null });
    if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
    // With a content encoding the length is that of the compressed bytes.
    const total = response.headers.has('content-encoding')
      ? 0
      : Number(response.headers.get('content-length') ?? 0);
    let loaded = 0;
    const counted = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          loaded += chunk.length;
          onProgress?.(loaded, total);
          controller.enqueue(chunk);
        },
      }),
    );
    const blob = await new Response(counted).blob();
    if (total > 0 && blob.size !== total) throw new Error(`${blob.size} of ${total} bytes came`);
    return blob;
  } catch (error) {
    if (signal?.aborted) throw new TernionError('aborted', 'The download was aborted.', { cause: error });
    const message = `Downloading ${String(url)} failed: ${(error as Error).message}.`;
    throw new TernionError('download-failed', message, { cause: error });
  }
}
