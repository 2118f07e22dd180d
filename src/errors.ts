// The one error type of Ternion. Every room throws it; src/api re-exports it to pages.

/**
 * What went wrong, as a stable word to branch on:
 *
 * - `webgpu-unavailable`: no WebGPU in this browser, or no adapter.
 * - `unsupported-format`: the file is of no kind that can be read (wrong magic, unknown version).
 * - `unsupported-architecture`, `unsupported-tensor-type`, `unsupported-tokenizer`, `unsupported-feature`: the file is
 *   sound, but asks for something that this version does not run; the message names it.
 * - `corrupt-file`: the file contradicts itself (truncated, a tensor missing, a shape that does not fit), has weights that
 *   are no numbers, or wants far more memory or time than its size accounts for.
 * - `out-of-memory`: the model does not fit this device, or an allocation failed.
 * - `device-lost`: the GPU went away, and the model could not be brought onto another device. The next call tries again, if
 *   the engine can ask for devices.
 * - `worker-lost`: the worker ended, or was ended; load the model again.
 * - `worker-unavailable`: the worker could not be started; the message says what was missing, and what a page can do: let
 *   `worker-src` of its Content-Security-Policy allow it, or make the worker itself (`createWorker`).
 * - `download-failed`: the network or the server failed; `cause` has the details.
 * - `server-failed`: the server that answers in the place of a model here (`ternion/connect`) cannot be reached, refuses, or
 *   does not answer as it should; `cause` has the details.
 * - `answer-refused`: an answer has the shape that was asked for, but the caller's schema refuses its value; `cause` has the issues.
 *   Or `json()` was asked of an answer that is no JSON, or was cut before it was; the message says which.
 * - `context-overflow`: the prompt is longer than the context.
 * - `invalid-argument`: an option or argument that cannot be used; the message says which and why.
 * - `template-failed`: the chat template could not be rendered, or was stopped because it takes too long or builds too much.
 * - `kernel-check-failed`: no variant of a GPU kernel gives right results on this adapter.
 * - `aborted`: an AbortSignal ended the operation.
 * - `disposed`: the engine or session was already disposed.
 * - `internal`: a fault in Ternion itself; please report it.
 */
export type TernionErrorCode =
  | 'webgpu-unavailable'
  | 'unsupported-format'
  | 'unsupported-architecture'
  | 'unsupported-tensor-type'
  | 'unsupported-tokenizer'
  | 'unsupported-feature'
  | 'corrupt-file'
  | 'out-of-memory'
  | 'device-lost'
  | 'worker-lost'
  | 'worker-unavailable'
  | 'download-failed'
  | 'server-failed'
  | 'answer-refused'
  | 'context-overflow'
  | 'invalid-argument'
  | 'template-failed'
  | 'kernel-check-failed'
  | 'aborted'
  | 'disposed'
  | 'internal';

/** Every failure of Ternion's API: a stable `code`, a message that says what to do, and the `cause` if there is one. */
export class TernionError extends Error {
  override readonly name = 'TernionError';

  constructor(
    readonly code: TernionErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Throws the `aborted` error if `signal` has fired. Its `cause` is the signal's reason. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal);
}

/** The `aborted` error of a signal that has fired. Its `cause` is the signal's reason. */
export function abortedBy(signal: AbortSignal): TernionError {
  return new TernionError('aborted', 'The operation was aborted.', { cause: signal.reason });
}

/**
 * Waits for `work`, but rejects with the `aborted` error as soon as `signal` fires. The work itself goes on: this is for
 * what cannot be stopped and does no harm, such as the compilation of a pipeline.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal ? untilFired(work, signal, () => abortedBy(signal)) : work;
}

/** As `untilAborted`, with an error of the caller's. */
export async function untilFired<T>(work: Promise<T>, signal: AbortSignal, errorOf: () => Error): Promise<T> {
  // Once nobody waits for the work any more, nobody needs to hear that it failed.
  work.catch(() => {});
  if (signal.aborted) throw errorOf();
  let onFired = (): void => {};
  const fired = new Promise<never>((_, reject) => {
    onFired = () => reject(errorOf());
    signal.addEventListener('abort', onFired, { once: true });
  });
  try {
    return await Promise.race([work, fired]);
  } finally {
    signal.removeEventListener('abort', onFired);
  }
}
