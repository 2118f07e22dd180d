// Connecting to a server: which one, of what kind, and the engine that speaks to it.

import { headers } from '../../boundary/options';
import {
  argument,
  callable,
  fields,
  invalid,
  number,
  oneOf,
  optional,
  refusal,
  text,
  type Read,
} from '../../boundary/read';
import { abortSignal } from '../../boundary/signals';
import { HttpServer } from './http';
import { LlamaDialect } from './llama-dialect';
import { plainDialect, ternionDialect, vllmDialect } from './openai-dialect';
import { probe } from './probe';
import { DialectEngine } from './remote-engine';
import type { ConnectedEngine, ConnectOptions, RemoteEngine, WithIds, WithoutIds } from './types';

const address: Read<string> = (value, at) => {
  const given = value instanceof URL ? value.href : text({ least: 1, most: 4096 })(value, at);
  const url = absolute(given);
  if (url && /^https?:$/.test(url.protocol)) return url.origin + url.pathname;
  throw invalid(at, value, 'an http or https URL');
};

/** Relative addresses are relative to the page; under Node there is none. */
function absolute(given: string): URL | undefined {
  try {
    return new URL(given, globalThis.location?.href);
  } catch {
    return undefined;
  }
}

/** A key that a header can carry: one that was copied with more than itself cannot be sent. */
const apiKey: Read<string> = (value, at) => {
  const key = text({ most: 65_536 })(value, at);
  try {
    new Headers({ authorization: `Bearer ${key}` });
    return key;
  } catch (cause) {
    throw refusal(at, 'has characters that no header can carry', cause);
  }
};

/** How to connect, as callers say it. */
export const connectOptions: Read<ConnectOptions & { baseURL: string }> = fields({
  baseURL: address,
  model: optional(text({ least: 1, most: 4096 })),
  apiKey: optional(apiKey),
  server: optional(oneOf('vllm', 'llama-server', 'ternion', 'openai')),
  headers: optional(headers),
  fetch: optional(callable<typeof fetch>()),
  maxRetries: optional(number({ min: 0, max: 100, integer: true })),
  signal: optional(abortSignal),
});

/**
 * An engine over a server, with sessions like those of a local one. What kind of server it is and which model it has is asked
 * once, unless both are said. Rejects with a `TernionError`: `server-failed`, `invalid-argument` or `aborted`.
 */
export function connect(
  options: ConnectOptions & { server: 'vllm' | 'llama-server' | 'ternion' },
): Promise<RemoteEngine<WithIds>>;
export function connect(options: ConnectOptions & { server: 'openai' }): Promise<RemoteEngine<WithoutIds>>;
export function connect(options: ConnectOptions): Promise<ConnectedEngine>;
export async function connect(options: ConnectOptions): Promise<ConnectedEngine> {
  const { model, server, signal, ...given } = argument(connectOptions, options, 'options');
  const http = new HttpServer({
    baseURL: given.baseURL,
    apiKey: given.apiKey,
    headers: given.headers ?? {},
    // Called by itself: a browser's own must not be called as somebody's method.
    fetch: given.fetch ?? ((...request) => fetch(...request)),
    maxRetries: given.maxRetries ?? 2,
  });
  const info = await probe(http, { model, server }, signal);
  switch (info.kind) {
    case 'vllm':
      return new DialectEngine(info, vllmDialect(http, info.model));
    case 'llama-server':
      return new DialectEngine(info, new LlamaDialect(http, info.model));
    case 'ternion':
      return new DialectEngine(info, ternionDialect(http, info.model));
    case 'openai':
      return new DialectEngine(info, plainDialect(http, info.model));
  }
}
