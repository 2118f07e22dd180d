import { mkdtemp, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GeneratedModel } from '../../../bench/core/generated-model';
import { SHAPES, shapeNamed, type ShapeName } from '../../../bench/core/shapes';
import { writeModel } from '../../../bench/write-model';
import { floatPieces } from '../../../src/formats/floats';
import { parseGguf, type GgufFile } from '../../../src/formats/gguf';
import { ternaryPieces } from '../../../src/formats/ternary';
import { codeAt } from '../../../src/formats/canonical';
import { architectures } from '../../../src/model/architectures';
import { configFromMetadata } from '../../../src/model/config';
import { checkTensors } from '../../../src/model/load';
import { toHalf } from '../../support/gguf-writer';
import { Tokenizer, tokenizerSpecFromGguf } from '../../../src/tokenizer';

const names = Object.keys(SHAPES) as ShapeName[];

const model = (name: ShapeName, options = {}): GeneratedModel =>
  new GeneratedModel(name, SHAPES[name], options);

const wholeOf = (source: GeneratedModel): Promise<Uint8Array> => source.read(0, source.size);

const tokenizerOf = (file: GgufFile): Tokenizer =>
  new Tokenizer(tokenizerSpecFromGguf((key) => file.metadata.get(key)));

describe('a generated model', () => {
  it('is the same for the same seed, and another for another', async () => {
    const bytes = await wholeOf(model('tiny'));
    expect(Buffer.compare(await wholeOf(model('tiny', { seed: 1 })), bytes)).toBe(0);
    expect(Buffer.compare(await wholeOf(model('tiny', { seed: 2 })), bytes)).not.toBe(0);
  });

  it('gives the same bytes however it is read', async () => {
    const source = model('tiny');
    const bytes = await wholeOf(source);
    // Steps that meet no boundary of words, blocks or pages.
    for (let at = 0; at < source.size; at += 77_777) {
      const length = Math.min(77_777, source.size - at);
      expect(Buffer.compare(await source.read(at, length), bytes.subarray(at, at + length))).toBe(0);
    }
  });

  it('refuses to read beyond its end', async () => {
    const source = model('tiny');
    await expect(source.read(source.size - 1, 2)).rejects.toMatchObject({ code: 'corrupt-file' });
  });

  it.each(names)('%s parses, with tokenizer, and with the tensors of its shape', async (name) => {
    const source = model(name);
    const file = await parseGguf(source);
    const { layers, width, ffnWidth, heads, kvHeads, headDim, vocabulary } = SHAPES[name];
    expect(file.tensors.get('token_embd.weight')?.shape).toEqual([vocabulary, width]);
    expect(file.tensors.get(`blk.${layers - 1}.attn_q.weight`)?.shape).toEqual([heads * headDim, width]);
    expect(file.tensors.get('blk.0.attn_v.weight')?.shape).toEqual([kvHeads * headDim, width]);
    expect(file.tensors.get('blk.0.ffn_down.weight')?.shape).toEqual([width, ffnWidth]);
    expect(file.tensors.has(`blk.${layers}.attn_q.weight`)).toBe(false);
    const tokenizer = tokenizerOf(file);
    expect(tokenizer.vocabularySize).toBe(vocabulary);
    expect(tokenizer.decode(tokenizer.encode('Grüße, 世界'))).toBe('Grüße, 世界');
  });

  it('has the encodings and the size of the official BitNet b1.58 2B4T file', async () => {
    const source = model('bitnet-2b4t');
    const { tensors } = await parseGguf(source);
    const encodings = [...tensors.values()].map(({ encoding }) => encoding);
    // docs of the model: 332 tensors, of which 210 I2_S, 121 F32, 1 F16; 1.19 GB, 5 to 7 MB of it merges and vocabulary.
    expect(encodings.filter((encoding) => encoding === 'I2_S')).toHaveLength(210);
    expect(encodings.filter((encoding) => encoding === 'F32')).toHaveLength(121);
    expect(encodings.filter((encoding) => encoding === 'F16')).toHaveLength(1);
    expect(tensors.get('token_embd.weight')?.byteLength).toBe(656_670_720);
    expect(source.size).toBeGreaterThan(1.175e9);
    expect(source.size).toBeLessThan(1.19e9);
  });

  it.each<[ShapeName, number]>([
    // Matrices at 2 bits (2.125 in PQ2_0, the embedding too), embedding and head at 16, norms at 32.
    ['bitnet-large-0.7b', 24 * (4 * 1536 ** 2 + 3 * 1536 * 4096) * 0.25 + 32002 * 1536 * 2],
    ['falcon-e-1b', 24 * (2 * 2048 ** 2 + 2 * 2048 * 256 + 3 * 2048 * 8192) * 0.25 + 2 * 32768 * 2048 * 2],
    // In TQ2_0 2.0625 bits, in Q4_K 4.5 and in Q6_K 6.5625.
    ['trilm-3.9b', (30 * (4 * 3072 ** 2 + 3 * 3072 * 9216) * 2.0625 + 50688 * 3072 * (4.5 + 6.5625)) / 8],
    ['bonsai-1.7b', ((28 * (2 * 2048 ** 2 + 2 * 2048 * 1024 + 3 * 2048 * 6144) + 151936 * 2048) * 2.125) / 8],
    ['125m', 12 * (4 * 768 ** 2 + 3 * 768 * 3072) * 0.25 + 32000 * 768 * 2],
  ])('%s is as large as its matrices, within 2 %% for norms and header', async (name, bytes) => {
    const { size } = model(name);
    expect(size / bytes).toBeGreaterThan(1);
    // The header of a vocabulary of 150,000 is some 3 MB.
    expect(size / bytes).toBeLessThan(1.02);
  });

  it('written as another architecture has the norms that one needs, and keeps its activation', async () => {
    const { metadata, tensors } = await parseGguf(
      model('bitnet-large-0.7b', { architecture: 'bitnet-b1.58' }),
    );
    expect(metadata.get('bitnet-b1.58.hidden_activation')).toBe('silu');
    expect(tensors.get('blk.0.attn_sub_norm.weight')?.shape).toEqual([1536]);
    const bonsai = await parseGguf(model('bonsai-1.7b', { architecture: 'bitnet-b1.58' }));
    expect(bonsai.tensors.has('blk.0.attn_q_norm.weight')).toBe(false);
    expect(bonsai.tensors.get('blk.0.ffn_sub_norm.weight')?.shape).toEqual([6144]);
  });

  it.each(names)('%s, as bitnet-b1.58, is what the loader asks for', async (name) => {
    const file = await parseGguf(model(name, { architecture: 'bitnet-b1.58' }));
    const config = configFromMetadata(file.metadata, architectures, SHAPES[name].vocabulary);
    expect(() => checkTensors({ ...file, config })).not.toThrow();
  });

  it.each(names)('%s, as its own architecture, is what the loader asks for', async (name) => {
    const file = await parseGguf(model(name));
    const config = configFromMetadata(file.metadata, architectures, SHAPES[name].vocabulary);
    expect(config.architecture).toBe(SHAPES[name].architecture);
    expect(() => checkTensors({ tensors: file.tensors, config })).not.toThrow();
  });

  it('cannot be of an architecture that nobody knows', () => {
    expect(() => model('tiny', { architecture: 'gpt2' })).toThrow(/cannot be generated/);
  });
});

describe('the weights', () => {
  it('are ternary, half of them 0, with a scale that keeps the variance of the input', async () => {
    const source = model('tiny');
    const { tensors } = await parseGguf(source);
    const tensor = tensors.get('blk.0.ffn_gate.weight')!;
    const counts = [0, 0, 0, 0];
    const scales: number[] = [];
    // I2_S has its scale behind the codes, so it may come in a piece of its own.
    for await (const piece of ternaryPieces(source, tensor, { group: 'row' })) {
      scales.push(...piece.scales);
      if (piece.words.length === 0) continue;
      for (let row = 0; row < piece.rows; row++)
        for (let col = 0; col < 256; col++) counts[codeAt(piece.words, row, col, 256)]!++;
    }
    expect(new Set(scales)).toEqual(new Set([Math.fround(Math.sqrt(2 / 256))]));
    const shares = counts.map((count) => count / (512 * 256));
    expect(shares[3]).toBe(0);
    for (const [code, share] of [0.25, 0.5, 0.25].entries()) expect(shares[code]).toBeCloseTo(share, 1);
  });

  it('of embeddings in blocks of four and six bits are small, and fill their range', async () => {
    for (const encoding of ['Q4_K', 'Q6_K'] as const) {
      const source = new GeneratedModel('small', { ...SHAPES.tiny, embedding: encoding });
      const { tensors } = await parseGguf(source);
      let largest = 0;
      for await (const { values } of floatPieces(source, tensors.get('token_embd.weight')!, 'f32')) {
        largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), largest);
      }
      expect(largest).toBeGreaterThan(2 ** -6);
      expect(largest).toBeLessThan(2 ** -4);
    }
  });

  it('of Q2_0 are the same kind, with a scale in every block', async () => {
    const source = new GeneratedModel('small', { ...SHAPES.tiny, ternary: 'Q2_0' });
    const { tensors } = await parseGguf(source);
    const tensor = tensors.get('blk.0.ffn_gate.weight')!;
    expect(tensor.encoding).toBe('Q2_0');
    const bytes = await source.read(tensor.offset, tensor.byteLength);
    const view = new DataView(bytes.buffer);
    const scales = new Set<number>();
    let threes = 0;
    for (let block = 0; block < bytes.length; block += 18) {
      scales.add(view.getUint16(block, true));
      for (const byte of bytes.subarray(block + 2, block + 18)) if (byte & (byte >> 1) & 0x55) threes++;
    }
    expect([...scales]).toEqual([toHalf(Math.sqrt(2 / 256))]);
    expect(threes).toBe(0);
  });

  it('of embedding and norms are finite and of a sane size', async () => {
    const source = model('tiny');
    const { tensors } = await parseGguf(source);
    const magnitudes = async (name: string): Promise<number[]> => {
      const all: number[] = [];
      for await (const { values } of floatPieces(source, tensors.get(name)!, 'f32'))
        for (const value of values) all.push(Math.abs(value));
      return all.sort((a, b) => a - b);
    };
    const embedding = await magnitudes('token_embd.weight');
    expect(embedding[0]).toBeGreaterThanOrEqual(2 ** -7);
    expect(embedding.at(-1)).toBeLessThan(2 ** -5);
    const norm = await magnitudes('output_norm.weight');
    expect(norm[0]).toBeGreaterThanOrEqual(0.9);
    expect(norm.at(-1)).toBeLessThanOrEqual(1.1);
  });
});

describe('writeModel', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ternion-test-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('writes what the model reads as', async () => {
    const path = await writeModel('tiny', { out: join(folder, 'tiny.gguf') });
    expect(Buffer.compare(await readFile(path), await wholeOf(model('tiny')))).toBe(0);
  });

  it('takes the file of an earlier run where it goes without saying, if that is whole', async () => {
    const path = await writeModel('tiny', { seed: 77 });
    const past = new Date(1e12);
    await utimes(path, past, past);
    expect(await writeModel('tiny', { seed: 77 })).toBe(path);
    expect((await stat(path)).mtime).toEqual(past);
    await rm(path);
  });
});

describe('names of shapes', () => {
  it('have short forms', () => {
    expect(shapeNamed('2b4t')).toBe('bitnet-2b4t');
    expect(shapeNamed('700m')).toBe('bitnet-large-0.7b');
    expect(shapeNamed('125m')).toBe('125m');
    expect(shapeNamed('constructor')).toBeUndefined();
  });
});
