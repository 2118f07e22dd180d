import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { samples } from '../../support/effort';
import { TernionError } from '../../../src/errors';
import { bytesSource, type ByteSource } from '../../../src/files/byte-source';
import { parseGguf } from '../../../src/formats/gguf';
import { parseSafetensors } from '../../../src/formats/safetensors';
import { expectFailure } from '../../support/expect-failure';
import { bool, f32, numbers, text, texts, u32, writeGguf, type GgufValue } from '../../support/gguf-writer';

const SEED = 20240227; // any, but fixed: a failure can be repeated

const gguf = writeGguf({
  metadata: [
    ['general.architecture', text('bitnet-b1.58')],
    ['general.alignment', u32(32)],
    ['eps', f32(1e-5)],
    ['add', bool(true)],
    ['tokens', texts(['a', 'bc', 'Ġthe', ''])],
    ['types', numbers('i32', [1, 2, 3])],
    ['nested', { type: 'array', of: 'array', values: [numbers('u8', [1]), texts(['x'])] }],
    ['seed', { type: 'u64', value: 2n ** 60n }],
  ],
  tensors: [
    { name: 'token_embd.weight', type: 'F16', shape: [4, 32], bytes: new Uint8Array(256) },
    { name: 'a', type: 'I2_S', shape: [2, 128], bytes: new Uint8Array(96) },
    { name: 'b', type: 'Q2_0', shape: [2, 64], bytes: new Uint8Array(36) },
  ],
});

const json = JSON.stringify({
  __metadata__: { format: 'pt' },
  a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
  b: { dtype: 'U8', shape: [8], data_offsets: [24, 32] },
});
const safetensors = new Uint8Array(8 + json.length + 32);
safetensors[0] = json.length;
safetensors.set(new TextEncoder().encode(json), 8);

/** Changes that damage does and that an attacker would try: single bits, bytes, and numbers at the edges of 32 and 64 bits. */
function mutation(size: number): fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> {
  const at = fc.nat(size - 1);
  const edges = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
  return fc.oneof(
    fc.tuple(at, fc.nat(7)).map(
      ([i, bit]) =>
        (b: Uint8Array) =>
          b.with(i, b[i]! ^ (1 << bit)),
    ),
    fc.tuple(at, fc.nat(255)).map(
      ([i, byte]) =>
        (b: Uint8Array) =>
          b.with(i, byte),
    ),
    fc.tuple(at, fc.constantFrom(...edges)).map(([i, edge]) => (b: Uint8Array) => {
      const out = b.slice();
      if (i + 8 <= out.length) new DataView(out.buffer).setBigUint64(i, edge, true);
      return out;
    }),
    at.map((end) => (b: Uint8Array) => b.slice(0, Math.max(end, 1))),
    fc.tuple(at, at).map(
      ([from, to]) =>
        (b: Uint8Array) =>
          b.slice().copyWithin(to, from, from + 40),
    ),
  );
}

/** Parses 500 damaged files; gives how each ended, and throws at anything but success and the three codes. */
async function outcomes(
  original: Uint8Array,
  parse: (source: ByteSource) => Promise<unknown>,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const mutations = fc.array(mutation(original.length), { minLength: 1, maxLength: 3 });
  const property = fc.asyncProperty(mutations, async (changes) => {
    const bytes = changes.reduce((b, change) => (b.length === original.length ? change(b) : b), original);
    const { source, read } = counted(bytes);
    const outcome = await parse(source).then(() => 'fine', codeOf);
    expect(['fine', 'corrupt-file', 'unsupported-format', 'unsupported-tensor-type']).toContain(outcome);
    // No byte is read again and again, whatever the header says. Memory and time that a number in it asks for would show
    // as a failed allocation, which is none of the codes, or as a test that does not end.
    expect(read()).toBeLessThanOrEqual(4 * bytes.length);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  });
  await fc.assert(property, { seed: SEED, numRuns: samples(500) });
  return counts;
}

/** A source of `bytes` that counts those that were read. */
function counted(bytes: Uint8Array): { source: ByteSource; read: () => number } {
  const inner = bytesSource(bytes);
  let total = 0;
  const source: ByteSource = {
    size: inner.size,
    read: (offset, length, options) => {
      total += length;
      return inner.read(offset, length, options);
    },
  };
  return { source, read: () => total };
}

function codeOf(error: unknown): string {
  if (error instanceof TernionError) return error.code;
  throw error;
}

it('a damaged GGUF header is refused with a reason, or read, at once', async () => {
  const counts = await outcomes(gguf, (source) => parseGguf(source));
  // The mutations reach everything: some are harmless, many are not.
  for (const outcome of ['fine', 'corrupt-file', 'unsupported-format'])
    expect(counts.get(outcome)).toBeGreaterThan(5);
});

it('a damaged safetensors header is refused with a reason, or read, at once', async () => {
  const counts = await outcomes(safetensors, (source) => parseSafetensors(source));
  for (const outcome of ['fine', 'corrupt-file', 'unsupported-format'])
    expect(counts.get(outcome)).toBeGreaterThan(5);
});

/** Refuses `bytes` as damaged, with words that say why, after reading no more than `most` of them. */
async function refusedAfter(
  most: number,
  bytes: Uint8Array,
  parse: (source: ByteSource) => Promise<unknown>,
  words: RegExp,
): Promise<void> {
  const { source, read } = counted(bytes);
  await expectFailure(parse(source), 'corrupt-file', words);
  expect(read()).toBeLessThanOrEqual(most);
}

const FIRST_READ = 1 << 20;

it('arrays inside an array are refused where they are more than any model has', async () => {
  const empty: GgufValue = { type: 'array', of: 'u8', values: [] };
  const list = (count: number): GgufValue => ({
    type: 'array',
    of: 'array',
    values: Array.from({ length: count }, () => empty),
  });
  const write = (...lists: GgufValue[]): Uint8Array =>
    writeGguf({ metadata: lists.map((value, i) => [`list${i}`, value]), tensors: [] });
  // The number stands before the arrays, so that those need not be read.
  await refusedAfter(FIRST_READ, write(list(70_000)), parseGguf, /'list0'.*nest 70000 arrays/);
  const many = write(...Array.from({ length: 20 }, () => list(5000)));
  await refusedAfter(2 * many.length, many, parseGguf, /nest 70000 arrays/);
  await expect(parseGguf(bytesSource(write(list(1000))))).resolves.toBeDefined();
});

it('more metadata, tensors or truth values than any model has are refused by their number', async () => {
  const metadata = Array.from({ length: 70_000 }, (_, i): [string, GgufValue] => [`${i}`, u32(i)]);
  await refusedAfter(FIRST_READ, writeGguf({ metadata, tensors: [] }), parseGguf, /70000 metadata entries/);
  const bytes = new Uint8Array(4);
  const tensors = Array.from({ length: 70_000 }, (_, i) => ({
    name: `${i}`,
    type: 'F32' as const,
    shape: [1],
    bytes,
  }));
  await refusedAfter(FIRST_READ, writeGguf({ metadata: [], tensors }), parseGguf, /70000 tensors/);
  const flags: GgufValue = {
    type: 'array',
    of: 'bool',
    values: new Array<GgufValue>(70_000).fill(bool(true)),
  };
  const file = writeGguf({ metadata: [['flags', flags]], tensors: [] });
  await refusedAfter(FIRST_READ, file, parseGguf, /'flags' has 70000 truth values/);
});

/** A safetensors file with this header. */
function withHeader(header: string): Uint8Array {
  const file = new Uint8Array(8 + header.length);
  new DataView(file.buffer).setUint32(0, header.length, true);
  file.set(new TextEncoder().encode(header), 8);
  return file;
}

it('a safetensors header that nests without end, or is all lists, is refused', async () => {
  const deep = `{"a":{"dtype":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
  await expectFailure(parseSafetensors(bytesSource(withHeader(deep))), 'corrupt-file', /nests.*64/);
  const lists = `{"a":[${'[],'.repeat(500_000)}[]]}`;
  await expectFailure(parseSafetensors(bytesSource(withHeader(lists))), 'corrupt-file', /lists and objects/);
});
