// A `fetch` that writes down what is asked and what comes back.

import type { Exchange } from '../../test/support/server-recordings';

/** Calls the global `fetch`, waits for the whole answer, and appends both to `exchanges`. */
export function recordingFetch(exchanges: Exchange[]): typeof fetch {
  return async (input, init = {}) => {
    const response = await fetch(input, init);
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of response.body ?? []) pieces.push(Uint8Array.from(piece));
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    exchanges.push({
      method: init.method ?? 'GET',
      path: new URL(response.url).pathname,
      ...(body !== undefined && { body }),
      status: response.status,
      contentType: response.headers.get('content-type'),
      pieces: pieces.map(written),
    });
    const { status, statusText, headers } = response;
    return new Response(new Blob(pieces), { status, statusText, headers });
  };
}

/** As text where that says all of it. */
function written(piece: Uint8Array<ArrayBuffer>): Exchange['pieces'][number] {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(piece);
  const same = Buffer.from(text).equals(piece);
  return same ? text : { base64: Buffer.from(piece).toString('base64') };
}
