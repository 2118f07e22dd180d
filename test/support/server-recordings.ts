// Recordings of servers: what was asked, and what came back, piece by piece as it arrived.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Where } from './server-questions';

/** One request and its answer. */
export interface Exchange {
  method: string;
  path: string;
  /** What was sent, parsed; absent where nothing was. */
  body?: unknown;
  status: number;
  contentType: string | null;
  /** The pieces of the answer, as they arrived: text, or base64 where one ends within a character. */
  pieces: (string | { base64: string })[];
}

/** The recorded answers of one server. */
export interface Recording {
  /** The server's own word of its version. */
  version: string;
  /** The exchanges of each question, in order. */
  questions: Record<string, Exchange[]>;
}

const FOLDER = new URL('../fixtures/servers/', import.meta.url);

/** A recording of test/fixtures/servers, such as `llama-server/words`. */
export function recording(name: string): Recording {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as Recording;
}

/** The bytes of an answer, in the pieces in which they arrived. */
export function bytesOf({ pieces }: Exchange): Uint8Array<ArrayBuffer>[] {
  return pieces.map((piece) =>
    typeof piece === 'string'
      ? new TextEncoder().encode(piece)
      : Uint8Array.from(Buffer.from(piece.base64, 'base64')),
  );
}

/** The whole answer, as text. */
export function textOf(exchange: Exchange): string {
  return Buffer.concat(bytesOf(exchange)).toString();
}

/** Cuts the pieces of an answer differently from how they arrived. */
export type Cut = (pieces: Uint8Array<ArrayBuffer>[]) => Uint8Array<ArrayBuffer>[];

/**
 * A server that answers as it was recorded to. It takes no other requests than were recorded, in no other order; what differs is an
 * error, in the message of which is what was to be asked.
 */
export function replaying(exchanges: readonly Exchange[], cut: Cut = (pieces) => pieces): Where {
  const left = [...exchanges];
  return {
    baseURL: 'http://recorded/v1',
    fetch: async (input, init = {}) => {
      const exchange = left.shift();
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
      const asked = { method: init.method ?? 'GET', path: pathname, ...(body !== undefined && { body }) };
      if (!exchange || !isDeepStrictEqual(asked, requestOf(exchange)))
        throw new Error(
          `Asked was ${JSON.stringify(asked)}, recorded ${JSON.stringify(exchange && requestOf(exchange))}.`,
        );
      return responseOf(exchange, cut);
    },
  };
}

function requestOf({ method, path, body }: Exchange): object {
  return { method, path, ...(body !== undefined && { body }) };
}

function responseOf(exchange: Exchange, cut: Cut): Response {
  const { status, contentType } = exchange;
  const left = cut(bytesOf(exchange));
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = left.shift();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
  });
  return new Response(body, { status, headers: contentType === null ? {} : { 'content-type': contentType } });
}
