// Requests of the OpenAI API and their answers, for the tests of what serves it.
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Fetch } from '../../src/surfaces/openai';

/** What tests look at in a completion, or in a chunk of one. What is not there is undefined, whatever the type says. */
export interface Wire {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: [WireChoice, ...WireChoice[]];
  usage: { completion_tokens: number; [detail: string]: unknown };
  prompt_token_ids: number[];
  error: { message: string; type: string; param: string | null; code: string | null };
}

export interface WireChoice {
  index: number;
  message: { content: string | null; tool_calls: unknown[]; reasoning_content?: string };
  delta: { role?: string; content?: string; reasoning_content?: string; tool_calls?: unknown[] };
  text: string;
  logprobs: { content: unknown[] } | null;
  finish_reason: string | null;
  token_ids: number[];
  prompt_token_ids: number[];
}

/** Posts `body` to a path of the API. */
export function post(fetch: Fetch, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(`http://local/v1/${path}`, { method: 'POST', body: text, ...(signal && { signal }) });
}

/** The JSON of an answer, and its status. */
export async function postJson(
  fetch: Fetch,
  path: string,
  body: unknown,
): Promise<{ status: number; json: Wire }> {
  const response = await post(fetch, path, body);
  return { status: response.status, json: await jsonOf(response) };
}

export async function jsonOf(response: Response): Promise<Wire> {
  return (await response.json()) as Wire;
}

/** What an independent parser makes of an event stream that comes in these pieces. */
export function parseEvents(pieces: readonly (string | Uint8Array)[]): {
  events: EventSourceMessage[];
  comments: string[];
} {
  const events: EventSourceMessage[] = [];
  const comments: string[] = [];
  const parser = createParser({
    onEvent: (event) => events.push(event),
    onComment: (comment) => comments.push(comment),
    onError: (error) => {
      throw error;
    },
  });
  const decoder = new TextDecoder();
  for (const piece of pieces)
    parser.feed(typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true }));
  return { events, comments };
}

/** The chunks of a whole stream, in order, and whether `[DONE]` ended it. */
export async function streamed(response: Response): Promise<{ chunks: Wire[]; done: boolean }> {
  const { events } = parseEvents([await response.text()]);
  const done = events.at(-1)?.data === '[DONE]';
  const chunks = events.slice(0, done ? -1 : undefined).map(({ data }) => JSON.parse(data) as Wire);
  return { chunks, done };
}
