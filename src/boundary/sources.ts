// What a caller may call a model, as `ModelSource` has it.

import { TernionError } from '../errors';
import { addressOf, isNameLike, unknownName } from '../storage/sources/known-models';
import type { ModelSource } from '../storage/sources/model-source';
import { isStreaming } from '../storage/sources/spool';
import { checkAttached } from './prompts';
import { list, refusal, text, type Read } from './read';

/** Files of the largest models, many times over. */
const MAX_FILES = 10_000;

const KINDS =
  'is none: a model is a name or a URL, a File or Blob or a list of them, an ArrayBuffer or Uint8Array, a Response or a stream';

/** A source. What is not copied (files, bytes, streams) is what it claims to be, and not a Proxy of it. */
export const modelSource: Read<ModelSource> = (value, at) => {
  if (typeof value === 'string') return address(text({ least: 1 })(value, at));
  if (value instanceof URL) return value.href;
  if (Array.isArray(value)) return files(value, at);
  if (value instanceof ArrayBuffer || value instanceof Uint8Array) return bytes(value, at);
  if (value instanceof Blob) return blob(value, at);
  if (isStreaming(value)) return stream(value);
  throw refusal(at, KINDS);
};

/** A source that is not used up by looking at it. */
export const planSource: Read<ModelSource> = (value, at) => {
  const source = modelSource(value, at);
  if (!isStreaming(source)) return source;
  const message = 'A stream can be read only once: plan a Blob, which can be loaded afterwards.';
  throw new TernionError('invalid-argument', message);
};

/** The address of a model, its name, or its id in the cache. */
export const modelName: Read<string> = (value, at) => {
  if (value instanceof URL) return value.href;
  const name = text({ least: 1 })(value, at);
  return addressOf(name) ?? name;
};

/** The address of a model that is known by this name; what can be no name is an address itself. */
function address(given: string): string {
  const known = addressOf(given);
  if (known === undefined && isNameLike(given)) throw unknownName(given);
  return known ?? given;
}

// The getters below belong to the platform: on a Proxy, or on what only inherits from the class, they throw.

const blob: Read<Blob> = (value, at) => {
  if (value instanceof Blob && value.size >= 0) return value;
  throw refusal(at, KINDS);
};

/** What `session.save` has given. */
export const savedSession: Read<Blob> = (value, at) => {
  if (value instanceof Blob && value.size >= 0) return value;
  throw refusal(at, 'is no Blob: it must be one that session.save has given');
};

const files = list(blob, { least: 1, most: MAX_FILES, wanted: 'a list of Files or Blobs' });

function bytes(value: ArrayBuffer | Uint8Array, at: string): ArrayBuffer | Uint8Array {
  const view = value instanceof Uint8Array ? value : viewOf(value, at);
  checkAttached(view, at);
  return value;
}

function viewOf(buffer: ArrayBuffer, at: string): Uint8Array {
  if (buffer.byteLength > 0) return new Uint8Array(buffer);
  try {
    return new Uint8Array(buffer);
  } catch (cause) {
    throw refusal(at, 'is detached: it was transferred to somebody else', cause);
  }
}

function stream<Stream extends Response | ReadableStream<Uint8Array>>(value: Stream): Stream {
  void (value instanceof Response ? value.bodyUsed : value.locked);
  return value;
}
