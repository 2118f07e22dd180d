// Answers the requests that come through a port, one after the other.

import type { GrammarReplies, GrammarReply, GrammarRequest, ThreadPort } from '../protocol';
import { GrammarHost } from './grammar-host';
import { grammarOf } from './grammar-of';

/** Serves grammars to whoever has the other end of `port`. */
export function serveGrammars(port: ThreadPort): void {
  const host = new GrammarHost();
  port.onmessage = ({ data }: MessageEvent) => void answer(host, data as GrammarRequest, port);
}

async function answer(host: GrammarHost, request: GrammarRequest, port: ThreadPort): Promise<void> {
  // What nobody waits for is done at once: a request comes only when the one before is answered, so it disturbs none.
  if (request.kind === 'release') return host.release(request.answer);
  const reply = await replyOf(host, request);
  const step = 'value' in reply && reply.value && 'mask' in reply.value ? reply.value : undefined;
  port.postMessage(reply, step ? [step.mask.buffer] : []);
}

async function replyOf(
  host: GrammarHost,
  request: Exclude<GrammarRequest, { kind: 'release' }>,
): Promise<GrammarReply> {
  try {
    return { value: await run(host, request) };
  } catch (error) {
    return { failure: await host.failureOf(error) };
  }
}

async function run(
  host: GrammarHost,
  request: Exclude<GrammarRequest, { kind: 'release' }>,
): Promise<GrammarReplies[keyof GrammarReplies]> {
  switch (request.kind) {
    case 'vocabulary':
      return host.vocabulary(request.bytes, request.ends);
    case 'follow':
      return host.follow(request.answer, grammarOf(request.source), request.endIds);
    case 'advance':
      return host.advance(request.answer, request.kept, request.tokenIds);
  }
}
