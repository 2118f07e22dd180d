// What the service and its thread say to each other: a request, and one reply to it before the next request.

import type { TernionErrorCode } from '../errors';
import type { GrammarSource } from './grammar';

/** From the service to the thread. `release` is the only one that is not answered. */
export type GrammarRequest =
  /** Comes first, once: the bytes of all tokens in a row, and where each of them ends. */
  | { kind: 'vocabulary'; bytes: Uint8Array; ends: Uint32Array }
  /** From now on the answer of that number follows the grammar; `endIds` end it. */
  | { kind: 'follow'; answer: number; source: GrammarSource; endIds: readonly number[] }
  /** The answer consists of the first `kept` tokens of those that it had, and these. */
  | { kind: 'advance'; answer: number; kept: number; tokenIds: readonly number[] }
  | { kind: 'release'; answer: number };

/** What comes back for each kind of request. */
export interface GrammarReplies {
  vocabulary: undefined;
  /** Whether the grammar had to be compiled. */
  follow: { compiled: boolean };
  advance: GrammarStep;
}

/** What may come next in an answer. */
export interface GrammarStep {
  /** Bit `id % 32` of word `id >> 5` is set for the tokens that may: ceil(vocabulary / 32) words. */
  mask: Uint32Array<ArrayBuffer>;
  /** Text that comes next whatever is chosen; '' where there is a choice, or the answer may end. */
  forced: string;
  /** Only end tokens may come. */
  ended: boolean;
  /** Only end tokens may come after `forced`. */
  endsWithForced: boolean;
}

/** A failure as plain data. */
export interface GrammarFailure {
  code: TernionErrorCode;
  message: string;
  /** There was not room enough in the thread's memory: there may be in another thread, which has nothing in it. */
  outOfRoom: boolean;
  /** The thread is of no use any more. */
  fatal: boolean;
}

export type GrammarReply = { value: GrammarReplies[keyof GrammarReplies] } | { failure: GrammarFailure };

/** What is used of a MessagePort. */
export interface ThreadPort {
  postMessage(message: GrammarRequest | GrammarReply, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
  close(): void;
  /** Of Node: whether the process waits for messages of this port. */
  ref?(): void;
  unref?(): void;
}

/** To a thread whose script has begun, as the first message. */
export interface ThreadGreeting {
  port: MessagePort;
}

/** From a thread, once its script has begun. */
export const THREAD_READY = 'ternion grammar thread';

/** Bytes that grammars may take in a thread's memory, beyond its vocabulary. */
export const GRAMMAR_BYTES = 256 * 2 ** 20;
