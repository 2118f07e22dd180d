import { describe, expect, it } from 'vitest';
import { bytesSource, type ByteSource } from '../../../src/files/byte-source';
import { ENCODINGS, type EncodingName } from '../../../src/formats/encodings';
import { mergeSplits, parseGguf, splitNames, type GgufFile } from '../../../src/formats/gguf';
import {
  bool,
  f32,
  numbers,
  text,
  texts,
  u32,
  writeGguf,
  type GgufParts,
  type GgufTensor,
  type GgufValue,
} from '../../support/gguf-writer';
import { expectFailure } from '../../support/expect-failure';
import { fileSource } from '../../support/model-files';

const parse = (parts: GgufParts) => parseGguf(bytesSource(writeGguf(parts)));
const parseValue = async (value: GgufValue) => (await parse({ metadata: [['k', value]] })).metadata.get('k');

function tensor(name: string, type: EncodingName, ...shape: number[]): GgufTensor {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  return { name, type, shape, bytes: new Uint8Array(ENCODINGS[type].byteLength(elements)) };
}

describe('parseGguf', () => {
  it('reads the embedded model', async () => {
    const source = fileSource('public/models/ternion-tiny-i2_s.gguf');
    const file = await parseGguf(source);
    expect(file.version).toBe(3);
    expect(file.alignment).toBe(32);
    expect(file.metadata.getString('general.architecture')).toBe('bitnet-b1.58');
    expect(file.metadata.getInteger('bitnet-b1.58.block_count')).toBe(4);
    const tokens = file.metadata.getStringArray('tokenizer.ggml.tokens');
    expect(tokens.length).toBe(1536);
    expect(tokens[file.metadata.getInteger('tokenizer.ggml.eot_token_id')]).toBe('<|eot_id|>');
    expect(file.metadata.getNumberArray('tokenizer.ggml.token_type').length).toBe(1536);
    // 4 layers of 7 matrices and 4 norms, the embedding and the last norm.
    expect(file.tensors.size).toBe(4 * 11 + 2);
    expect(file.tensors.get('token_embd.weight')).toMatchObject({ shape: [1536, 256], encoding: 'F16' });
    const gate = file.tensors.get('blk.3.ffn_gate.weight')!;
    expect(gate).toMatchObject({
      shape: [512, 256],
      encoding: 'I2_S',
      byteLength: (512 * 256) / 4 + 32,
      file: 0,
    });
    const last = [...file.tensors.values()].reduce((a, b) => (b.offset > a.offset ? b : a));
    expect(Math.ceil((last.offset + last.byteLength) / 32) * 32).toBe(source.size);
  });

  it.each([
    ['random-bitnet-b1.58-i2_s', 'I2_S'],
    ['random-bitnet-tq2_0', 'TQ2_0'],
    ['random-llama-i2_s', 'I2_S'],
    ['random-llama-tq1_0', 'TQ1_0'],
    ['random-qwen3-q2_0', 'Q2_0'],
  ])('reads %s.gguf, whose matrices are %s', async (name, encoding) => {
    const { tensors } = await parseGguf(fileSource(`test/fixtures/${name}.gguf`));
    expect(tensors.get('blk.1.ffn_up.weight')!.encoding).toBe(encoding);
    expect(tensors.get('output_norm.weight')!.encoding).toBe('F32');
  });

  it.each([
    [{ type: 'u8', value: 255 }, 255],
    [{ type: 'i8', value: -128 }, -128],
    [{ type: 'u16', value: 65535 }, 65535],
    [{ type: 'i16', value: -32768 }, -32768],
    [{ type: 'u32', value: 4294967295 }, 4294967295],
    [{ type: 'i32', value: -2147483648 }, -2147483648],
    [{ type: 'f32', value: 0.1 }, Math.fround(0.1)],
    [{ type: 'f64', value: 0.1 }, 0.1],
    [{ type: 'u64', value: 2 ** 53 - 1 }, 2 ** 53 - 1],
    [{ type: 'u64', value: 2n ** 64n - 1n }, 2n ** 64n - 1n],
    [{ type: 'i64', value: -5 }, -5],
    [{ type: 'i64', value: -(2n ** 60n) }, -(2n ** 60n)],
    [{ type: 'bool', value: true }, true],
    [{ type: 'bool', value: false }, false],
    [{ type: 'string', value: 'Ġhé🙂' }, 'Ġhé🙂'],
    [{ type: 'string', value: '' }, ''],
    // A token may be a byte-order mark, or bytes that are no UTF-8.
    [{ type: 'string', value: '\ufeffa' }, '\ufeffa'],
    [{ type: 'string', value: Uint8Array.of(0x61, 0xff) }, 'a\ufffd'],
  ] as const)('reads the value %#', async (value, expected) => {
    expect(await parseValue(value)).toBe(expected);
  });

  it.each([
    [numbers('u8', [1, 255]), Uint8Array.of(1, 255)],
    [numbers('i8', [-1]), Int8Array.of(-1)],
    [numbers('u16', [65535]), Uint16Array.of(65535)],
    [numbers('i16', [-2]), Int16Array.of(-2)],
    [numbers('u32', [2 ** 32 - 1]), Uint32Array.of(2 ** 32 - 1)],
    [numbers('i32', [-3, 3]), Int32Array.of(-3, 3)],
    [numbers('f32', [0.5]), Float32Array.of(0.5)],
    [numbers('f64', [0.1]), Float64Array.of(0.1)],
    [numbers('u64', [5, 2 ** 40]), [5, 2 ** 40]],
    [numbers('i64', [-5]), [-5]],
    [numbers('i32', []), new Int32Array(0)],
    [texts(['a', '', 'ß']), ['a', '', 'ß']],
    [{ type: 'array', of: 'bool', values: [bool(true), bool(false)] }, [true, false]],
    [{ type: 'array', of: 'u64', values: [{ type: 'u64', value: 2n ** 63n }] }, [2n ** 63n]],
    [{ type: 'array', of: 'array', values: [numbers('u8', [1]), texts(['x'])] }, [Uint8Array.of(1), ['x']]],
  ] as [GgufValue, unknown][])('reads the array %#', async (value, expected) => {
    expect(await parseValue(value)).toEqual(expected);
  });

  it('reads version 2 as it reads 3', async () => {
    const parts = { metadata: [['a', text('b')]], tensors: [tensor('w', 'F32', 3, 2)] } as const;
    const two = await parse({ ...parts, version: 2 });
    const three = await parse({ ...parts, version: 3 });
    expect(two).toEqual({ ...three, version: 2 });
  });

  it('aligns tensors as the file says', async () => {
    const { alignment, dataOffset, tensors } = await parse({
      alignment: 256,
      tensors: [tensor('a', 'F32', 3), tensor('b', 'F16', 5)],
    });
    expect(alignment).toBe(256);
    expect(dataOffset % 256).toBe(0);
    expect(tensors.get('a')).toMatchObject({ offset: dataOffset, byteLength: 12, shape: [3] });
    expect(tensors.get('b')!.offset).toBe(dataOffset + 256);
  });

  it.each(Object.keys(ENCODINGS) as EncodingName[])('knows how long a tensor of %s is', async (encoding) => {
    const w = tensor('w', encoding, 64, 256);
    const { tensors } = await parse({ tensors: [w, tensor('n', 'F32', 1)] });
    expect(tensors.get('w')).toMatchObject({ encoding, shape: [64, 256], byteLength: w.bytes.length });
  });

  describe('tells blocks of 64 and 128 of Q2_0 apart', () => {
    it.each(['Q2_0', 'Q2_0_128'] as const)('%s, by the next tensor', async (encoding) => {
      const { tensors } = await parse({ tensors: [tensor('w', encoding, 8, 1024), tensor('n', 'F32', 4)] });
      expect(tensors.get('w')!.encoding).toBe(encoding);
    });

    it.each(['Q2_0', 'Q2_0_128'] as const)('%s, by the end of the file, padded or not', async (encoding) => {
      for (const unpadded of [false, true]) {
        const { tensors } = await parse({ tensors: [tensor('w', encoding, 8, 1024)], unpadded });
        expect(tensors.get('w')!.encoding).toBe(encoding);
      }
    });

    it('also for a tensor so small that both fit, by the others', async () => {
      // 128 weights: 36 or 34 bytes, 64 with padding.
      const { tensors } = await parse({
        tensors: [tensor('small', 'Q2_0_128', 1, 128), tensor('w', 'Q2_0_128', 8, 1024)],
      });
      expect(tensors.get('small')).toMatchObject({ encoding: 'Q2_0_128', byteLength: 34 });
    });

    it('also beside PQ2_0, which always has blocks of 128', async () => {
      const { tensors } = await parse({
        tensors: [tensor('p', 'PQ2_0', 8, 1024), tensor('w', 'Q2_0', 8, 1024)],
      });
      expect(tensors.get('p')).toMatchObject({ encoding: 'PQ2_0', byteLength: 64 * 34 });
      expect(tensors.get('w')!.encoding).toBe('Q2_0');
    });

    it('and refuses a truncated file rather than to guess', async () => {
      const bytes = writeGguf({ tensors: [tensor('a', 'Q2_0', 8, 1024), tensor('w', 'Q2_0', 8, 1024)] });
      await expectFailure(parseGguf(bytesSource(bytes.subarray(0, bytes.length - 100))), 'corrupt-file');
    });
  });

  it('reads only the header, in growing pieces', async () => {
    const tokens = Array.from({ length: 70_000 }, (_, i) => `token number ${i} of many`);
    const w = tensor('w', 'F32', 4_000_000);
    const bytes = writeGguf({ metadata: [['tokens', texts(tokens)]], tensors: [w] });
    const reads: [number, number][] = [];
    const inner = bytesSource(bytes);
    const source: ByteSource = {
      size: inner.size,
      read: (offset, length) => {
        reads.push([offset, length]);
        return inner.read(offset, length);
      },
    };
    const file = await parseGguf(source);
    expect(file.metadata.getStringArray('tokens')).toEqual(tokens);
    // 70,000 strings of some 34 bytes have 2.3 MB: 1 MiB, 1 more, 2 more.
    expect(reads).toEqual([
      [0, 1 << 20],
      [1 << 20, 1 << 20],
      [2 << 20, 2 << 20],
    ]);
  });

  it('reads strings of every length and script, across the pieces that are decoded and fetched at once', async () => {
    const words = [
      'a',
      'Ġthe',
      'können',
      '語',
      '\u{1F600}',
      '\uFEFFmark',
      'x'.repeat(300),
      'y'.repeat(20_000),
    ];
    const values = Array.from({ length: 30_000 }, (_, i) => words[i % 499 === 0 ? 7 : i % 7]! + String(i));
    expect(await parseValue(texts(values))).toEqual(values);
  });

  it('stops when the signal fires', async () => {
    await expectFailure(parseGguf(bytesSource(writeGguf({})), AbortSignal.abort()), 'aborted');
  });
});

describe('parseGguf refuses', () => {
  it.each([
    ['a file of another kind', new TextEncoder().encode('PK\x03\x04 and so on, for long enough')],
    ['an empty file', new Uint8Array(0)],
    ['a file of four bytes', new TextEncoder().encode('GGUF')],
    ['version 1', writeGguf({ version: 1 })],
    ['version 4', writeGguf({ version: 4 })],
  ])('%s', async (_, bytes) => {
    await expectFailure(parseGguf(bytesSource(bytes)), 'unsupported-format');
  });

  it('a big-endian file, by name', async () => {
    const bytes = writeGguf({});
    bytes.set([0, 0, 0, 3], 4);
    await expectFailure(parseGguf(bytesSource(bytes)), 'unsupported-format', 'big endian');
  });

  it.each([
    [23, 'IQ4_XS'],
    [39, 'MXFP4'],
    [13, 'Q5_K'],
    [777, 'unknown'],
  ])('tensor type %i (%s), by name', async (type, name) => {
    const w = { ...tensor('blk.0.w', 'F32', 8), type };
    const words = new RegExp(`'blk\\.0\\.w'.*${type}.*${name}`);
    await expectFailure(parse({ tensors: [w] }), 'unsupported-tensor-type', words);
  });

  it.each<[string, GgufParts, string]>([
    ['a key that occurs twice', { metadata: [['a', u32(1)], ['a', u32(2)]] }, "'a' occurs twice"], // prettier-ignore
    [
      'a tensor that occurs twice',
      { tensors: [tensor('a', 'F32', 1), tensor('a', 'F32', 1)] },
      "'a' occurs twice",
    ],
    ['no dimensions', { tensors: [{ ...tensor('a', 'F32', 1), shape: [] }] }, '0 dimensions'],
    ['five dimensions', { tensors: [tensor('a', 'F32', 1, 1, 1, 1, 1)] }, '5 dimensions'],
    ['a dimension of 0', { tensors: [tensor('a', 'F32', 4, 0)] }, 'impossible shape'],
    [
      'a shape beyond 2^53',
      { tensors: [{ ...tensor('a', 'F32', 1), shape: [2 ** 30, 2 ** 30] }] },
      'impossible shape',
    ],
    [
      'elements that are no whole blocks',
      { tensors: [{ ...tensor('a', 'Q8_0', 32), shape: [33] }] },
      'whole blocks',
    ],
    [
      'an offset off the alignment',
      { tensors: [{ ...tensor('a', 'F32', 4), offset: 16 }] },
      'multiple of 32',
    ],
    [
      'an overlap',
      { tensors: [tensor('a', 'F32', 9), { ...tensor('b', 'F32', 9), offset: 32 }] },
      'overlaps',
    ],
    ['a tensor past the end', { tensors: [{ ...tensor('a', 'F32', 4), shape: [4000] }] }, 'truncated'],
    [
      'an offset past the end',
      { tensors: [{ ...tensor('a', 'F32', 4), offset: 4096, bytes: new Uint8Array(0) }] },
      'truncated',
    ],
    ['an alignment of 0', { metadata: [['general.alignment', u32(0)]] }, 'power of two'],
    ['an alignment of 24', { metadata: [['general.alignment', u32(24)]] }, 'power of two'],
    ['an alignment of 2^31', { metadata: [['general.alignment', u32(2 ** 31)]] }, 'power of two'],
    [
      'an alignment that is a word',
      { metadata: [['general.alignment', text('32')]] },
      'should be an integer',
    ],
  ])('%s', async (_, parts, words) => {
    await expectFailure(parse(parts), 'corrupt-file', words);
  });

  it('arrays in arrays in arrays, ever deeper', async () => {
    const nested = (depth: number): GgufValue =>
      depth === 0 ? numbers('u8', [1]) : { type: 'array', of: 'array', values: [nested(depth - 1)] };
    expect(await parseValue(nested(3))).toEqual([[[Uint8Array.of(1)]]]);
    await expectFailure(parseValue(nested(4)), 'corrupt-file', 'deep');
    await expectFailure(parseValue(nested(500)), 'corrupt-file', 'deep');
  });

  // The header of a file with one entry k, an array: counts at 8 and 16, length of the key at 24, key, then the type of
  // the value at 33, of the array's entries at 37, and its length at 41.
  it.each([
    ['more tensors than it has bytes for', 8, 1000n],
    ['a tensor count beyond 2^53', 8, 2n ** 63n],
    ['more metadata than it has bytes for', 16, 1000n],
    ['a key longer than the file', 24, 2n ** 40n],
    ['a length of 2^64 - 1', 24, 2n ** 64n - 1n],
    ['an array longer than the file', 41, 2n ** 50n],
    ['an array beyond 2^53', 41, 2n ** 62n],
  ])('%s', async (_, at, value) => {
    const bytes = writeGguf({ metadata: [['k', texts(['a', 'b'])]], tensors: [tensor('w', 'F32', 64)] });
    new DataView(bytes.buffer).setBigUint64(at, value, true);
    await expectFailure(parseGguf(bytesSource(bytes)), 'corrupt-file');
  });

  it('unknown types of values and of array entries', async () => {
    for (const at of [33, 37]) {
      const bytes = writeGguf({ metadata: [['k', texts(['a', 'b'])]] });
      bytes[at] = 13;
      await expectFailure(parseGguf(bytesSource(bytes)), 'corrupt-file', 'unknown type 13');
    }
  });

  it('a boolean that is neither', async () => {
    const bytes = writeGguf({ metadata: [['k', bool(true)]] });
    bytes[37] = 2;
    await expectFailure(parseGguf(bytesSource(bytes)), 'corrupt-file', 'true or false');
  });

  it('every truncation of a file', async () => {
    const whole = writeGguf({
      metadata: [['a', text('word')], ['b', numbers('i32', [1, 2])], ['c', texts(['x', 'y'])]], // prettier-ignore
      tensors: [tensor('w', 'F32', 10)],
      unpadded: true,
    });
    await parseGguf(bytesSource(whole));
    for (let length = 8; length < whole.length; length++) {
      await expectFailure(parseGguf(bytesSource(whole.subarray(0, length))), 'corrupt-file');
    }
  });
});

describe('Metadata', () => {
  const metadata = parse({
    metadata: [
      ['text', text('t')],
      ['half', f32(0.5)],
      ['five', u32(5)],
      ['yes', bool(true)],
      ['huge', { type: 'u64', value: 2n ** 60n }],
      ['texts', texts(['a'])],
      ['numbers', numbers('i64', [7])],
      ['none', texts([])],
    ],
  }).then((file) => file.metadata);

  it('gives values of the right type', async () => {
    const m = await metadata;
    expect(m.getString('text')).toBe('t');
    expect(m.getNumber('half')).toBe(0.5);
    expect(m.getInteger('five')).toBe(5);
    expect(m.getBoolean('yes')).toBe(true);
    expect(m.getStringArray('texts')).toEqual(['a']);
    expect(m.getNumberArray('numbers')).toEqual([7]);
    expect(m.getStringArray('none')).toEqual([]);
    expect(m.get('huge')).toBe(2n ** 60n);
    expect([...m.keys()].length).toBe(8);
  });

  it.each([
    ['getString', 'five'],
    ['getNumber', 'text'],
    ['getNumber', 'huge'],
    ['getInteger', 'half'],
    ['getBoolean', 'five'],
    ['getStringArray', 'numbers'],
    ['getStringArray', 'text'],
    ['getNumberArray', 'texts'],
    ['optionalString', 'yes'],
  ] as const)('%s throws on %s, naming the key', async (getter, key) => {
    const m = await metadata;
    await expectFailure((async () => m[getter](key))(), 'corrupt-file', `'${key}' should be`);
  });

  it('tells missing from present', async () => {
    const m = await metadata;
    expect(m.has('absent')).toBe(false);
    expect(m.optionalNumber('absent')).toBeUndefined();
    await expectFailure((async () => m.getNumber('absent'))(), 'corrupt-file', "'absent' is missing");
  });
});

/** One file of a split model of `count` files and `total` tensors. */
function split(number: number, count: number, names: string[], total = 4): Promise<GgufFile> {
  const metadata: [string, GgufValue][] = [
    ['split.no', { type: 'u16', value: number }],
    ['split.count', { type: 'u16', value: count }],
    ['split.tensors.count', { type: 'i32', value: total }],
  ];
  if (number === 0) metadata.push(['general.name', text('whole')]);
  return parse({ metadata, tensors: names.map((name) => tensor(name, 'F32', 2)) });
}

describe('mergeSplits', () => {
  it('joins the tensors of all files, in whatever order they come', async () => {
    const files = await Promise.all([split(1, 3, ['b', 'c']), split(0, 3, []), split(2, 3, ['d', 'e'])]);
    const { metadata, tensors } = mergeSplits(files);
    expect(metadata.getString('general.name')).toBe('whole');
    expect([...tensors.values()].map(({ name, file }) => [name, file])).toEqual([
      ['b', 0],
      ['c', 0],
      ['d', 2],
      ['e', 2],
    ]);
  });

  it('passes a file that is not split', async () => {
    const file = await parse({ tensors: [tensor('a', 'F32', 2)] });
    expect([...mergeSplits([file]).tensors.keys()]).toEqual(['a']);
  });

  it.each([
    ['a missing file', [split(0, 3, ['a', 'b']), split(1, 3, ['c', 'd'])], '3 files'],
    ['a missing first file', [split(1, 2, ['a', 'b', 'c', 'd'])], 'first file'],
    ['a file twice', [split(0, 2, ['a', 'b']), split(0, 2, ['c', 'd'])], 'twice'],
    ['a file of another set', [split(0, 2, ['a', 'b']), split(1, 3, ['c', 'd'])], '3 files'],
    ['a number out of range', [split(0, 2, ['a', 'b']), split(5, 2, ['c', 'd'])], 'split 6 of 2'],
    ['a tensor in two files', [split(0, 2, ['a', 'b']), split(1, 2, ['b', 'c'])], "'b'"],
    ['missing tensors', [split(0, 2, ['a', 'b']), split(1, 2, ['c'])], '4 tensors'],
  ])('refuses %s', async (_, files, words) => {
    const merge = async () => mergeSplits(await Promise.all(files));
    await expectFailure(merge(), 'corrupt-file', words);
  });
});

describe('splitNames', () => {
  it('gives all names of a split model', () => {
    const names = ['m-00001-of-00003.gguf', 'm-00002-of-00003.gguf', 'm-00003-of-00003.gguf'];
    for (const name of names) expect(splitNames(name)).toEqual(names);
    expect(splitNames('https://example.org/a/m-00002-of-00002.gguf?download=true')).toEqual([
      'https://example.org/a/m-00001-of-00002.gguf?download=true',
      'https://example.org/a/m-00002-of-00002.gguf?download=true',
    ]);
  });

  it.each(['model.gguf', 'm-1-of-2.gguf', 'm-00001-of-00002.safetensors'])('gives %s itself', (name) => {
    expect(splitNames(name)).toEqual([name]);
  });
});
