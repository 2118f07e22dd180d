import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src/files/byte-source';
import { parseSafetensors, parseSafetensorsIndex } from '../../../src/formats/safetensors';
import { expectFailure } from '../../support/expect-failure';
import { fileSource } from '../../support/model-files';

function file(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const parse = (header: unknown, dataBytes: number) => parseSafetensors(bytesSource(file(header, dataBytes)));
const tensor = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('parseSafetensors', () => {
  it('reads the tensors of a real file', async () => {
    const tensors = await parseSafetensors(
      fileSource('test/fixtures/models/ternion-tiny-safetensors/model.safetensors'),
    );
    // 4 layers of 7 matrices with scales and 4 norms, the embedding and the last norm.
    expect(tensors.size).toBe(4 * (7 * 2 + 4) + 2);
    expect(tensors.get('model.layers.0.self_attn.k_proj.weight')).toEqual({
      name: 'model.layers.0.self_attn.k_proj.weight',
      dtype: 'U8',
      shape: [32, 256],
      // The header of this file has 8408 bytes and puts this tensor at 805890.
      offset: 8 + 8408 + 805890,
      byteLength: 32 * 256,
    });
  });

  it('takes scalars, empty tensors, metadata and padding, in any order', async () => {
    const header = {
      __metadata__: { format: 'pt' },
      b: tensor('F32', [], 4, 8),
      empty: tensor('F16', [0, 5], 4, 4),
      a: tensor('BF16', [2, 1], 0, 4),
    };
    const tensors = await parse(`${JSON.stringify(header)}   `, 8);
    expect([...tensors.keys()]).toEqual(['a', 'empty', 'b']);
    expect(tensors.get('b')!.byteLength).toBe(4);
  });

  it.each([
    ['a length that contradicts the shape', { a: tensor('F32', [2], 0, 4) }, 4],
    ['an overlap', { a: tensor('U8', [4], 0, 4), b: tensor('U8', [4], 2, 6) }, 6],
    ['a hole', { a: tensor('U8', [4], 0, 4), b: tensor('U8', [4], 6, 10) }, 10],
    ['a truncated end', { a: tensor('U8', [4], 0, 4) }, 3],
    ['bytes that belong to nothing', { a: tensor('U8', [4], 0, 4) }, 5],
    ['a negative extent', { a: tensor('U8', [-4], 0, 4) }, 4],
    ['a broken extent', { a: tensor('U8', [1.5], 0, 4) }, 4],
    ['a shape beyond all numbers', { a: tensor('F64', [2 ** 50, 2 ** 50, 2 ** 50], 0, 8) }, 8],
    ['offsets that go back', { a: tensor('U8', [4], 4, 0) }, 4],
    ['no offsets', { a: { dtype: 'U8', shape: [4] } }, 4],
    ['no description', { a: 5 }, 4],
    ['broken JSON', '{"a": ', 4],
  ])('refuses %s', async (_, header, dataBytes) => {
    await expectFailure(parse(header, dataBytes), 'corrupt-file');
  });

  it('names a type it does not know, and its tensor', async () => {
    await expectFailure(parse({ w: tensor('F4', [2], 0, 1) }, 1), 'unsupported-tensor-type', /'w'.*"F4"/);
    await expectFailure(parse({ w: tensor('toString', [2], 0, 1) }, 1), 'unsupported-tensor-type');
  });

  it('says that other files are none', async () => {
    await expectFailure(parse('[1, 2]', 4), 'unsupported-format');
    await expectFailure(parseSafetensors(bytesSource(new Uint8Array(4))), 'unsupported-format');
    await expectFailure(
      parseSafetensors(fileSource('public/models/ternion-tiny-i2_s.gguf')),
      'unsupported-format',
    );
  });

  it('says that a file which ends in its header is truncated', async () => {
    const whole = file({ a: tensor('U8', [4], 0, 4) }, 4);
    await expectFailure(parseSafetensors(bytesSource(whole.subarray(0, 30))), 'corrupt-file', 'truncated');
  });
});

describe('parseSafetensorsIndex', () => {
  it('gives each file once and where each tensor is', () => {
    const map = {
      a: 'model-00002-of-00002.safetensors',
      b: 'model-00001-of-00002.safetensors',
      c: 'model-00002-of-00002.safetensors',
    };
    const index = parseSafetensorsIndex(JSON.stringify({ metadata: {}, weight_map: map }));
    expect(index.files).toEqual(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']);
    expect([...index.fileOf]).toEqual([
      ['a', 1],
      ['b', 0],
      ['c', 1],
    ]);
  });

  it.each(['../x.safetensors', 'https://example.org/x', 'a/b', '', '..', 'x?y', 5])(
    'refuses the file name %j, which leads elsewhere',
    async (name) => {
      const parsing = async () => parseSafetensorsIndex(JSON.stringify({ weight_map: { a: name } }));
      await expectFailure(parsing(), 'corrupt-file');
    },
  );

  it.each(['{', '[]', '{"weight_map": []}', 'null'])('refuses %s', async (json) => {
    await expectFailure((async () => parseSafetensorsIndex(json))(), 'corrupt-file');
  });
});
