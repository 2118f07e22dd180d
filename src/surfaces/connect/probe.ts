// What kind of server it is, and what it serves: asked once.

import type { HttpServer } from './http';
import { listIn, numberIn, objectIn, textIn, type Json } from './json';
import { serverFailed } from './failures';
import type { ServerInfo, ServerKind } from './types';

/** What the caller said already. */
export interface Known {
  model: string | undefined;
  server: ServerKind | undefined;
}

/** Whom a server's models belong to, by its own word. */
const OWNERS: Readonly<Record<string, ServerKind>> = {
  vllm: 'vllm',
  llamacpp: 'llama-server',
  ternion: 'ternion',
};

/** Learns what the caller did not say. Where both are said nothing is asked. */
export async function probe(
  http: HttpServer,
  known: Known,
  signal: AbortSignal | undefined,
): Promise<ServerInfo> {
  const { baseURL } = http;
  if (known.model !== undefined && known.server !== undefined)
    return { kind: known.server, baseURL, model: known.model, contextLength: undefined };
  const url = `${baseURL}/models`;
  const models = listIn(objectIn(await http.get(url, signal)).data).map(objectIn);
  const card = models.find(({ id }) => id === known.model) ?? models[0] ?? {};
  const model = known.model ?? textIn(card.id);
  if (model === '') throw serverFailed(url, 'lists no model; say which with `model`');
  const kind = known.server ?? OWNERS[textIn(card.owned_by)] ?? 'openai';
  return { kind, baseURL, model, contextLength: contextLengthIn(card) };
}

/** vLLM has it in the card of a model, llama-server in the card's `meta`. */
function contextLengthIn({ max_model_len, meta }: Json): number | undefined {
  return numberIn(max_model_len) ?? numberIn(objectIn(meta).n_ctx);
}
