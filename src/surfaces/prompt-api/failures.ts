// What goes wrong, as the exceptions that the specification has.

import { TernionError, type TernionErrorCode } from '../../errors';

/** Where the browser has no `QuotaExceededError` that knows numbers: one that does. */
class CountedQuotaExceededError extends DOMException {
  constructor(
    message: string,
    readonly requested: number,
    readonly quota: number,
  ) {
    super(message, 'QuotaExceededError');
  }
}

type NativeQuotaExceededError = new (
  message: string,
  numbers: { requested: number; quota: number },
) => DOMException;

/** More tokens are `requested` than there is room for. */
export function quotaExceeded(requested: number, quota: number): DOMException {
  const message = `The conversation would have ${requested} tokens; with an answer it must fit ${quota}.`;
  const { QuotaExceededError: Native } = globalThis as { QuotaExceededError?: NativeQuotaExceededError };
  return Native
    ? new Native(message, { requested, quota })
    : new CountedQuotaExceededError(message, requested, quota);
}

export function notSupported(message: string): DOMException {
  return new DOMException(message, 'NotSupportedError');
}

/** Names of exceptions, where they are not `otherwise`. */
const NAMES: Partial<Record<TernionErrorCode, string>> = {
  'webgpu-unavailable': 'NotSupportedError',
  'unsupported-format': 'NotSupportedError',
  'unsupported-architecture': 'NotSupportedError',
  'unsupported-tensor-type': 'NotSupportedError',
  'unsupported-tokenizer': 'NotSupportedError',
  'unsupported-feature': 'NotSupportedError',
  // The template takes no such conversation, for example two messages of a user in a row.
  'template-failed': 'NotSupportedError',
  'download-failed': 'NetworkError',
  disposed: 'InvalidStateError',
};

/**
 * The exception for what was thrown: the reason of `signal`, if it has fired; one for a `TernionError`, which is its `cause`,
 * by the name that the specification has for such a failure, or `otherwise`; and anything else as it is.
 */
export function exceptionOf(
  error: unknown,
  signal: AbortSignal | undefined,
  otherwise: 'OperationError' | 'UnknownError',
): unknown {
  if (signal?.aborted) return signal.reason;
  if (!(error instanceof TernionError)) return error;
  const exception = new DOMException(error.message, NAMES[error.code] ?? otherwise);
  return Object.defineProperty(exception, 'cause', { value: error, configurable: true });
}
