// What reads one call as its text comes, however the format writes it.
import type { CallPiece, FoundCall, WholeCall } from './tool-call-format';

/** `broken`: the text from where `read` has stopped does not belong to a call. */
export type CallState = 'reading' | 'closed' | 'broken';

/** One call, which may turn out to be none. */
export interface CallReader {
  readonly index: number;
  readonly state: CallState;
  /** Whether a part of it was given: then it is a call, whatever comes. */
  readonly isGiven: boolean;
  /** The call, once its name and its arguments are whole. */
  readonly call: FoundCall | undefined;
  /** Reads on in `text`; gives the number of characters that belong to the call. */
  read(text: string): number;
  /** What can be given since the last time: once the name is known, the arguments as far as they have come. */
  take(): CallPiece[];
}

/** Has `reader` read on in `text`, with what there is to give and the call that became whole; gives what `read` gives. */
export function follow(reader: CallReader, text: string, pieces: CallPiece[], calls: WholeCall[]): number {
  const wasWhole = reader.call !== undefined;
  const end = reader.read(text);
  pieces.push(...reader.take());
  const { call, index } = reader;
  if (call && !wasWhole) calls.push({ index, ...call });
  return end;
}
