// What a server's refusals become: errors with the codes that a local engine has for the same.

import { TernionError, type TernionErrorCode } from '../../errors';
import { HttpStatusError } from '../../storage/http/failures';
import { objectIn, textIn, type Json } from './json';

/** Characters of a server's message that are quoted. */
const LONGEST_QUOTE = 500;

/** How vLLM, llama-server, OpenAI and Ternion say that a prompt is too long. */
const TOO_LONG =
  /context_length_exceeded|exceed_context_size_error|context[-_]overflow|maximum context length/i;

/** The `server-failed` error. `what` completes the sentence "The server at … ". */
export function serverFailed(url: string, what: string, cause?: unknown): TernionError {
  return new TernionError('server-failed', `The server at ${new URL(url).origin} ${what}.`, { cause });
}

/** The error of an answer that is no success, with the server's own words in it. */
export async function refusalOf(url: string, response: Response): Promise<TernionError> {
  const { status, statusText } = response;
  // The status alone says enough if the connection breaks now.
  const body = await response.text().catch(() => '');
  const cause = new HttpStatusError(status, statusText);
  const said = messageIn(parsed(body)) ?? (statusText || 'nothing more');
  return new TernionError(codeOf(status, body), `${new URL(url).origin} answered ${status}: ${said}`, {
    cause,
  });
}

/** The event of which `data` is the text. Throws `server-failed`, or what fits better, if it says that the answer failed. */
export function eventIn(url: string, data: string): Json {
  let event: Json;
  try {
    event = objectIn(JSON.parse(data));
  } catch (cause) {
    throw serverFailed(url, 'sent an event that is no JSON', cause);
  }
  if (event.error === undefined || event.error === null) return event;
  const said = messageIn(event) ?? 'it does not say why';
  if (TOO_LONG.test(data)) throw new TernionError('context-overflow', said);
  throw serverFailed(url, `failed amid the answer: ${said.replace(/\.$/, '')}`, event.error);
}

function codeOf(status: number, body: string): TernionErrorCode {
  if (status >= 400 && status < 500 && TOO_LONG.test(body)) return 'context-overflow';
  return status === 400 || status === 413 || status === 422 ? 'invalid-argument' : 'server-failed';
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** `{error: {message}}` of OpenAI, `{message}` of older servers, `{detail}` of FastAPI. */
function messageIn(body: unknown): string | undefined {
  const { error, message, detail } = objectIn(body);
  const said = textIn(objectIn(error).message) || textIn(error) || textIn(message) || textIn(detail);
  return said === '' ? undefined : said.slice(0, LONGEST_QUOTE);
}
