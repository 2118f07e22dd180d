// A session as bytes, which may come back on another day, on another page, or from somebody who means no good.
//
//   bytes 0 to 7    the letters TERNSESS
//   u32             version of this layout, 1
//   u32             bytes of the header
//   header          JSON in UTF-8, see `Header`
//   u32 [tokens]    the ids of the conversation
//   keys            if the header has any: of each layer keys, values and, in int8, scales of `positions` positions
//
// Numbers are little-endian.

import { TernionError } from '../errors';
import { parseJson } from '../formats/json';
import { positionBytes, type AttentionShape, type CacheFormat } from '../kernels/kv-layout';
import type { ChatMessage } from '../tokenizer';
import type { ConversationData, Mark } from './conversation';
import type { KeyData, KeyKind } from './session-cache';

const MAGIC = 'TERNSESS';
const VERSION = 1;
const PREAMBLE_BYTES = 16;

/** The longest conversation that can be had (2^24 characters), in UTF-8, and as much again for what is around it. */
const MOST_HEADER_BYTES = 2 ** 26;
/** As many ids as the longest prompt that is read at all. */
const MOST_TOKENS = 2 ** 24;

/** What tells a model from others. */
export interface ModelIdentity extends AttentionShape {
  architecture: string;
  name: string;
  layers: number;
  width: number;
  vocabularySize: number;
  /** Of what was read of its files; '' where nobody watched. */
  fingerprint: string;
}

/** What the header has in JSON. */
interface Header {
  model: ModelIdentity;
  /** How many ids follow. */
  tokens: number;
  messages: ChatMessage[];
  marks: Mark[];
  keys?: { kind: KeyKind; positions: number };
}

/** A session that was read. */
export interface SavedSession {
  conversation: ConversationData;
  keys: KeyData | undefined;
}

/** A session as a Blob. */
export function writeSession(
  model: ModelIdentity,
  { messages, sequence, marks }: ConversationData,
  keys: KeyData | undefined,
): Blob {
  const header: Header = {
    model,
    tokens: sequence.length,
    messages: [...messages],
    marks: [...marks],
    ...(keys && { keys: { kind: keys.kind, positions: keys.positions } }),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(header));
  const preamble = new Uint8Array(PREAMBLE_BYTES);
  preamble.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(preamble.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, bytes.length, true);
  return new Blob([preamble, bytes, Uint32Array.from(sequence), ...(keys ? [keys.parts] : [])]);
}

/**
 * The session in `blob`, which is to be one of `model`. Rejects with `unsupported-format`, `corrupt-file` or
 * `invalid-argument`, see `Engine.restoreSession`. Reads no more than the header before all sizes are known to fit.
 */
export async function readSession(blob: Blob, model: ModelIdentity): Promise<SavedSession> {
  const { header, end } = await readHeader(blob);
  checkModel(header.model, model);
  const { tokens, messages, marks, keys } = header;
  const idsEnd = end + tokens * 4;
  const keyBytes = keys ? keys.positions * model.layers * bytesOfPosition(model, keys.kind) : 0;
  if (blob.size !== idsEnd + keyBytes)
    throw corrupt(`has ${blob.size} bytes where ${idsEnd + keyBytes} are foretold`);
  const sequence = Array.from(new Uint32Array(await blob.slice(end, idsEnd).arrayBuffer()));
  if (sequence.some((id) => id >= model.vocabularySize))
    throw corrupt('has tokens that are none of the vocabulary');
  return {
    conversation: { messages, sequence, marks },
    keys: keys && { ...keys, parts: blob.slice(idsEnd) },
  };
}

async function readHeader(blob: Blob): Promise<{ header: Header; end: number }> {
  const preamble = new Uint8Array(await blob.slice(0, PREAMBLE_BYTES).arrayBuffer());
  if (preamble.length < PREAMBLE_BYTES || new TextDecoder().decode(preamble.subarray(0, 8)) !== MAGIC)
    throw new TernionError('unsupported-format', 'This is no saved session.');
  const view = new DataView(preamble.buffer);
  const [version, length] = [view.getUint32(8, true), view.getUint32(12, true)];
  if (version !== VERSION) {
    const message = `This session was saved in version ${version}; this one of Ternion reads version ${VERSION}.`;
    throw new TernionError('unsupported-format', message);
  }
  const end = PREAMBLE_BYTES + length;
  if (length > MOST_HEADER_BYTES || end > blob.size)
    throw corrupt('has a header that is longer than it can be');
  const text = await blob.slice(PREAMBLE_BYTES, end).text();
  const header = parseJson(text, 'The saved session');
  if (isHeader(header)) return { header, end };
  throw corrupt('has a header that says not what it should');
}

function checkModel(saved: ModelIdentity, own: ModelIdentity): void {
  const differs = (Object.keys(own) as (keyof ModelIdentity)[]).find((key) => saved[key] !== own[key]);
  if (differs === undefined) return;
  const message =
    `The session was saved with another model: its ${differs} is ${String(saved[differs]).slice(0, 60)}, ` +
    `that of this one ${own[differs]}.`;
  throw new TernionError('invalid-argument', message);
}

const FORMATS: Record<CacheFormat, true> = { f16: true, f32: true, int8: true };

function bytesOfPosition(shape: AttentionShape, { format }: KeyKind): number {
  if (!Object.hasOwn(FORMATS, format))
    throw corrupt(`has keys in the format '${format}', which there is not`);
  const { keys, values, scales } = positionBytes(shape, format as CacheFormat);
  return keys + values + scales;
}

function isHeader(value: unknown): value is Header {
  if (!isRecord(value) || !isRecord(value['model'])) return false;
  const { tokens, messages, marks, keys } = value;
  return (
    isCount(tokens, MOST_TOKENS) &&
    isListOf(messages, isMessage) &&
    isListOf(marks, (mark) => isMark(mark, tokens, messages.length)) &&
    (keys === undefined || isKeys(keys, tokens))
  );
}

function isMark(value: unknown, mostTokens: number, mostMessages: number): value is Mark {
  return isRecord(value) && isCount(value['tokens'], mostTokens) && isCount(value['messages'], mostMessages);
}

function isKeys(value: unknown, tokens: number): value is NonNullable<Header['keys']> {
  if (!isRecord(value) || !isRecord(value['kind'])) return false;
  const { format, activations, embedding, rope } = value['kind'];
  return isCount(value['positions'], tokens) && [format, activations, embedding, rope].every(isText);
}

/** As the boundary lets one through; JSON has nothing that would have to be copied. */
function isMessage(value: unknown): value is ChatMessage {
  if (!isRecord(value) || !isText(value['role'])) return false;
  const { content, tool_calls: calls, tool_call_id: id, name, reasoning_content: reasoning } = value;
  return (
    (isText(content) || content === null || isListOf(content, isPart)) &&
    (calls === undefined || isListOf(calls, isCall)) &&
    [id, name, reasoning].every((note) => note === undefined || isText(note))
  );
}

function isPart(value: unknown): value is object {
  return isRecord(value) && value['type'] === 'text' && isText(value['text']);
}

function isCall(value: unknown): value is object {
  if (!isRecord(value) || !isRecord(value['function'])) return false;
  const { name, arguments: given } = value['function'];
  return isText(name) && (isText(given) || isRecord(given));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOf<T>(value: unknown, is: (each: unknown) => each is T): value is T[] {
  return Array.isArray(value) && value.every(is);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function corrupt(what: string): TernionError {
  return new TernionError('corrupt-file', `The saved session ${what}.`);
}
