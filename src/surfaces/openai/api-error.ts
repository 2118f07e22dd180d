// Failures as the OpenAI API has them: a status, and an object that says what is wrong with which field.

import { TernionError, type TernionErrorCode } from '../../errors';

/** The words of the API for kinds of failures. */
export type ApiErrorType = 'invalid_request_error' | 'server_error';

/** What stands under `error` in a response or an event. */
export interface ErrorBody {
  message: string;
  type: ApiErrorType;
  /** The field of the request that is wrong, as a path: `messages[0].content`. */
  param: string | null;
  code: string | null;
}

/** What else is to say about a failure. */
interface ApiErrorDetails {
  param?: string | undefined;
  code?: string | undefined;
  /** Whether the same request may succeed a moment later. Default false. */
  retryable?: boolean;
}

/** A request that was not answered, or not to its end. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly retryable: boolean;
  readonly body: ErrorBody;

  constructor(
    readonly status: number,
    message: string,
    { param, code, retryable = false }: ApiErrorDetails = {},
  ) {
    super(message);
    this.retryable = retryable;
    const type = status < 500 ? 'invalid_request_error' : 'server_error';
    this.body = { message, type, param: param ?? null, code: code ?? null };
  }

  /** The failure as a whole response. `x-should-retry` is what the clients of OpenAI go by. */
  toResponse(): Response {
    const headers: HeadersInit = this.retryable ? [] : [['x-should-retry', 'false']];
    return Response.json({ error: this.body }, { status: this.status, headers });
  }
}

/** A request that names something that is not understood. */
export function badRequest(param: string, message: string, code?: string): ApiError {
  return new ApiError(400, message, { param, code });
}

const STATUS: Partial<Record<TernionErrorCode, number>> = {
  'invalid-argument': 400,
  'context-overflow': 400,
  'template-failed': 400,
  'unsupported-feature': 400,
  'device-lost': 503,
  'worker-lost': 503,
  'worker-unavailable': 503,
  disposed: 503,
  'out-of-memory': 503,
};

/** Any failure as one of the API's. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!isTernionError(error)) {
    return new ApiError(500, error instanceof Error ? error.message : String(error), { code: 'internal' });
  }
  const { code, message } = error;
  return new ApiError(STATUS[code] ?? 500, message, {
    // The word by which clients know that they should shorten a conversation.
    code: code === 'context-overflow' ? 'context_length_exceeded' : code,
    // Only a lost device may be back by itself.
    retryable: code === 'device-lost',
  });
}

/** By its name: the class of an engine that came in another module is another class. */
export function isTernionError(error: unknown): error is TernionError {
  return error instanceof TernionError || (error instanceof Error && error.name === 'TernionError');
}
