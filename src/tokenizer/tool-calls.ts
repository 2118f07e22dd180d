// Finds the calls of tools in what a model writes, piece by piece. A page imports this file, so none of these imports more.
import { CallAnswer, JsonPunctuation, ListPunctuation } from './tool-call-answer';
import type { ToolCallFormat, ToolCallStream } from './tool-call-format';
import { CallObject } from './tool-call-object';
import { PythonicCall } from './tool-call-pythonic';
import { TaggedCalls } from './tool-call-tags';

export {
  toolCallFormatOf,
  type CallPiece,
  type FoundCall,
  type StreamedCalls,
  type ToolCallFormat,
  type ToolCallStream,
} from './tool-call-format';

/**
 * Follows one answer of a model that was told of the tools with these `names`. Other names make no call. However the answer is
 * cut into pieces, it gives the same text and the same calls.
 */
export function toolCallStream(format: ToolCallFormat, names: readonly string[]): ToolCallStream {
  const known = new Set(names);
  switch (format) {
    case 'hermes':
      return new TaggedCalls(known);
    case 'llama-3-json':
      return new CallAnswer(new JsonPunctuation(), (index) => new CallObject(index, known));
    case 'pythonic':
      return new CallAnswer(new ListPunctuation(), (index) => new PythonicCall(index, known));
  }
}
