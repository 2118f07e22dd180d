// A whole answer, of the parts of its stream.

import type {
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider';
import { TernionError } from '../../errors';

/** Reads the parts to the end. Rejects with what the stream fails with. */
export async function collectParts(
  stream: ReadableStream<LanguageModelV4StreamPart>,
): Promise<LanguageModelV4GenerateResult> {
  const content: LanguageModelV4Content[] = [];
  let begun: Pick<LanguageModelV4GenerateResult, 'warnings' | 'response'> = { warnings: [] };
  let end: Pick<LanguageModelV4GenerateResult, 'finishReason' | 'usage' | 'providerMetadata'> | undefined;
  const reader = stream.getReader();
  for (;;) {
    const { done, value: part } = await reader.read();
    if (done) break;
    if (part.type === 'error') throw part.error;
    if (part.type === 'stream-start') begun = { ...begun, warnings: part.warnings };
    else if (part.type === 'response-metadata') {
      const { id, timestamp, modelId } = part;
      begun = { ...begun, response: { id, timestamp, modelId } };
    } else if (part.type === 'finish') {
      const { finishReason, usage, providerMetadata } = part;
      end = { finishReason, usage, providerMetadata };
    } else addTo(content, part);
  }
  if (!end) throw new TernionError('internal', 'An answer ended without its last part.');
  return { content, ...begun, ...end };
}

function addTo(content: LanguageModelV4Content[], part: LanguageModelV4StreamPart): void {
  if (part.type === 'text-start') content.push({ type: 'text', text: '' });
  if (part.type === 'reasoning-start') content.push({ type: 'reasoning', text: '' });
  if (part.type === 'tool-call') content.push(part);
  if (part.type !== 'text-delta' && part.type !== 'reasoning-delta') return;
  // Blocks do not overlap, so a delta belongs to what was begun last.
  const last = content.at(-1);
  if (last?.type === 'text' || last?.type === 'reasoning') last.text += part.delta;
}
