// Saved sessions that are damaged, or were made to do harm: each is refused by name, at once.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConversationData } from '../../../src/engine/conversation';
import { readSession, writeSession, type ModelIdentity } from '../../../src/engine/saved-session';
import type { KeyData } from '../../../src/engine/session-cache';
import { TernionError } from '../../../src/errors';
import { samples } from '../../support/effort';
import { expectFailure } from '../../support/expect-failure';

const MODEL: ModelIdentity = {
  architecture: 'llama',
  name: 'A model',
  layers: 2,
  width: 32,
  heads: 2,
  kvHeads: 1,
  headDim: 16,
  vocabularySize: 100,
  fingerprint: '1-2',
};
const TALK: ConversationData = {
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'Größe?' }] },
    { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] },
    { role: 'tool', content: 'x', tool_call_id: '1', name: 'f' },
    { role: 'assistant', content: 'y', reasoning_content: 'z' },
  ],
  sequence: [1, 99, 0, 5],
  marks: [{ tokens: 3, messages: 3 }],
};
const KIND = { format: 'int8', activations: 'int8-token', embedding: 'int8', rope: 'short' };
/** Three positions: in each of two layers 16 bytes of keys, 16 of values and 8 of scales for each. */
const KEYS: KeyData = { kind: KIND, positions: 3, parts: new Blob([new Uint8Array(3 * 2 * 40).fill(7)]) };

const saved = (keys?: KeyData): Blob => writeSession(MODEL, TALK, keys);
const bytesOf = async (blob: Blob): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await blob.arrayBuffer());

/** A saved session whose header is another one. */
async function withHeader(
  change: (header: Record<string, unknown>) => unknown,
  keys?: KeyData,
): Promise<Blob> {
  const bytes = await bytesOf(saved(keys));
  const length = new DataView(bytes.buffer).getUint32(12, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(16, 16 + length))) as object;
  const text = new TextEncoder().encode(JSON.stringify(change({ ...header })));
  const preamble = bytes.slice(0, 16);
  new DataView(preamble.buffer).setUint32(12, text.length, true);
  return new Blob([preamble, text, bytes.subarray(16 + length)]);
}

/** A Blob that says it has so many bytes, and has no more than it begins with. */
function claiming(size: number, beginning: Uint8Array<ArrayBuffer>): Blob {
  const blob = new Blob([beginning]);
  Object.defineProperty(blob, 'size', { value: size });
  return blob;
}

describe('a session', () => {
  test.each([undefined, KEYS])('is read as it was written', async (keys) => {
    const { conversation, keys: read } = await readSession(saved(keys), MODEL);
    expect(conversation).toEqual(TALK);
    expect(read && { ...read, parts: await bytesOf(read.parts) }).toEqual(
      keys && { ...keys, parts: await bytesOf(keys.parts) },
    );
  });

  test('of nothing is one, too', async () => {
    const nothing = { messages: [], sequence: [], marks: [] };
    expect(await readSession(writeSession(MODEL, nothing, undefined), MODEL)).toEqual({
      conversation: nothing,
      keys: undefined,
    });
  });

  test.each(Object.keys(MODEL) as (keyof ModelIdentity)[])(
    'of a model with another %s is refused',
    async (key) => {
      const other = { ...MODEL, [key]: typeof MODEL[key] === 'string' ? 'other' : 7 };
      await expectFailure(readSession(saved(), other), 'invalid-argument', new RegExp(`its ${key} is`));
    },
  );
});

describe('what is no session, or of another version, is refused', () => {
  test.each<[string, BlobPart[]]>([
    ['nothing', []],
    ['a few bytes', ['TERNSESS']],
    ['a text', ['This is a text, and no session.']],
    ['another version', ['TERNSESS', Uint32Array.of(2, 2), '{}']],
  ])('%s', async (_name, parts) => {
    await expectFailure(readSession(new Blob(parts), MODEL), 'unsupported-format');
  });
});

describe('a damaged session is refused', () => {
  test('wherever it was cut off, and with anything behind it', async () => {
    const bytes = await bytesOf(saved(KEYS));
    for (let length = 0; length < bytes.length; length++)
      await expectFailure(
        readSession(new Blob([bytes.subarray(0, length)]), MODEL),
        length < 16 ? 'unsupported-format' : 'corrupt-file',
      );
    await expectFailure(readSession(new Blob([bytes, 'x']), MODEL), 'corrupt-file');
  });

  test('that has tokens which are none', async () => {
    const bytes = await bytesOf(saved());
    bytes[bytes.length - 4] = 100;
    await expectFailure(readSession(new Blob([bytes]), MODEL), 'corrupt-file', /none of the vocabulary/);
  });

  const headers: [string, (header: Record<string, unknown>) => unknown][] = [
    ['is no object', () => []],
    ['is null', () => null],
    ['has no model', (header) => ({ ...header, model: undefined })],
    ['has no messages', (header) => ({ ...header, messages: undefined })],
    ['has messages that are none', (header) => ({ ...header, messages: [1] })],
    ['has a message without a role', (header) => ({ ...header, messages: [{ content: 'x' }] })],
    ['has a picture', (header) => ({ ...header, messages: [{ role: 'a', content: [{ type: 'image' }] }] })],
    [
      'has a call of nothing',
      (header) => ({ ...header, messages: [{ role: 'a', content: '', tool_calls: [{}] }] }),
    ],
    ['has a name that is none', (header) => ({ ...header, messages: [{ role: 'a', content: '', name: 1 }] })],
    ['has half a token', (header) => ({ ...header, tokens: 3.5 })],
    ['has fewer tokens than none', (header) => ({ ...header, tokens: -1 })],
    ['has more tokens than there are', (header) => ({ ...header, tokens: 2 ** 24 })],
    ['has more tokens than can be', (header) => ({ ...header, tokens: 1e300 })],
    ['has a mark beyond its end', (header) => ({ ...header, marks: [{ tokens: 5, messages: 0 }] })],
    [
      'has keys of more positions than tokens',
      (header) => ({ ...header, keys: { kind: KIND, positions: 5 } }),
    ],
    ['has keys that are not there', (header) => ({ ...header, keys: { kind: KIND, positions: 1 } })],
    ['has keys of no kind', (header) => ({ ...header, keys: { kind: {}, positions: 0 } })],
    [
      'has keys in a format that there is not',
      (header) => ({ ...header, keys: { kind: { ...KIND, format: 'toString' }, positions: 1 } }),
    ],
  ];
  test.each(headers)('whose header %s', async (_name, change) => {
    await expectFailure(readSession(await withHeader(change), MODEL), 'corrupt-file');
  });

  test('whose header nests for ever, or claims to be longer than anything', async () => {
    const nested = await withHeader((header) => ({ ...header, messages: [] }));
    const text = '['.repeat(1e6);
    const bytes = new Uint8Array([...(await bytesOf(nested)).subarray(0, 12), 0, 0, 0, 0]);
    new DataView(bytes.buffer).setUint32(12, text.length, true);
    await expectFailure(readSession(new Blob([bytes, text]), MODEL), 'corrupt-file', /nests/);
    new DataView(bytes.buffer).setUint32(12, 0xffffffff, true);
    await expectFailure(
      readSession(claiming(2 ** 40, bytes), MODEL),
      'corrupt-file',
      /longer than it can be/,
    );
  });

  test('whatever byte of its header is another one, if it is not read as a session', async () => {
    const bytes = await bytesOf(saved(KEYS));
    const end = bytes.length - 3 * 2 * 40;
    await fc.assert(
      fc.asyncProperty(fc.nat(end - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = bytes.with(at, bytes[at]! ^ flip);
        try {
          const { conversation } = await readSession(new Blob([changed]), MODEL);
          expect(conversation.sequence.every((id) => id < MODEL.vocabularySize)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(TernionError);
        }
      }),
      { numRuns: samples(500) },
    );
  });
});
