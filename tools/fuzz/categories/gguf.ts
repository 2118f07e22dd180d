// GGUF headers: damaged bytes, metadata and tensor tables that contradict themselves, and files made by a grammar.

import { bytesSource } from '../../../src/files/byte-source';
import { ENCODINGS } from '../../../src/formats/encodings';
import { parseGguf } from '../../../src/formats/gguf';
import { putTogether, split, takeApart, type GgufPieces } from '../../../test/support/gguf-rewriter';
import { writeGguf, type GgufTensor, type GgufValue } from '../../../test/support/gguf-writer';
import { category, type Category } from '../category';
import type { Draw } from '../draw';
import { mutateBytes, oddNumber, oddText } from '../mutate';
import { HEADER_CODES, lazily, readWhole, repositoryFile, smallGguf, digest, type FileSet } from './bases';

/** Damage beyond the header reaches tensors only, which are read elsewhere; in a file with a vocabulary this is all of it. */
const HEADER_BYTES = 40_000;

/** The category of GGUF headers. */
export function ggufCategory(): Category {
  const bases = lazily(makeBases);
  return category<FileSet>({
    name: 'gguf',
    share: 25,
    codes: HEADER_CODES,
    async generate(draw) {
      const base = draw.pick(await bases());
      switch (draw.below(5)) {
        case 0:
          return { 'model.gguf': fromGrammar(draw) };
        case 1:
          return {
            'model.gguf': putTogether(withOddMetadata(draw, base.pieces), draw.pick([1, 2, 3, 3, 4])),
          };
        case 2:
          return { 'model.gguf': withOddTensors(draw, base.pieces) };
        case 3:
          return draw.chance(0.2)
            ? damagedParts(draw, base.pieces)
            : { 'model.gguf': damaged(draw, base.bytes) };
        default:
          return { 'model.gguf': damaged(draw, base.bytes) };
      }
    },
    async run(set) {
      const [main] = Object.values(set);
      const { version, metadata, tensors } = await parseGguf(bytesSource(main!));
      const values = [...metadata.keys()].map((key) => [key, metadata.get(key)]);
      return digest([version, values, [...tensors]]) + (await readWhole(set));
    },
    save: (set) => set,
  });
}

interface Base {
  bytes: Uint8Array<ArrayBuffer>;
  pieces: GgufPieces;
}

async function makeBases(): Promise<Base[]> {
  const all = [
    await repositoryFile('public/models/ternion-tiny-i2_s.gguf'),
    await smallGguf(),
    await smallGguf({ architecture: 'llama', encoding: 'Q2_0', tied: true }),
    await smallGguf({ architecture: 'qwen3', encoding: 'TQ1_0', yarn: { factor: 4, originalContext: 64 } }),
    await smallGguf({
      architecture: 'minicpm',
      encoding: 'TQ2_0',
      scales: { embedding: 2, residual: 0.5, logits: 0.1 },
    }),
  ];
  return Promise.all(all.map(async (bytes) => ({ bytes, pieces: await takeApart(bytes) })));
}

/** Mostly the first bytes, where the counts are. */
function damaged(draw: Draw, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return mutateBytes(draw, bytes, draw.pick([64, 2000, HEADER_BYTES]));
}

function damagedParts(draw: Draw, pieces: GgufPieces): FileSet {
  const parts = Object.entries(split(pieces, draw.between(2, 3)));
  const at = draw.below(parts.length);
  const changed = parts.map(([name, bytes], i) => [
    name,
    i === at ? damaged(draw, Uint8Array.from(bytes)) : bytes,
  ]);
  return Object.fromEntries(draw.chance(0.2) ? changed.slice(0, -1) : changed) as FileSet;
}

/** One to four values are others, of other types, or gone. */
function withOddMetadata(draw: Draw, { metadata, tensors }: GgufPieces): GgufPieces {
  const changed = new Map(metadata);
  for (let left = draw.between(1, 4); left > 0; left--) {
    const key = draw.pick([...metadata.keys()]);
    if (draw.chance(0.15)) changed.delete(key);
    else changed.set(key, draw.chance(0.5) ? nearValue(draw, metadata.get(key)!) : oddValue(draw, 2));
  }
  return { metadata: changed, tensors };
}

/** A value of the same type, so that it is refused later, if at all. */
function nearValue(draw: Draw, value: GgufValue): GgufValue {
  switch (value.type) {
    case 'string':
      return { type: 'string', value: draw.pick([oddText(draw), `${String(value.value)}x`]) };
    case 'bool':
      return { type: 'bool', value: !value.value };
    case 'array':
      return { ...value, values: nearList(draw, value.values) };
    case 'f32':
    case 'f64':
      return { type: value.type, value: draw.pick([oddNumber(draw), NaN, Infinity, value.value * 2]) };
    default:
      return {
        type: value.type,
        value: draw.pick([0, 1, Number(value.value) * 2, Number(value.value) + 1, 2 ** 31]),
      };
  }
}

function nearList(draw: Draw, values: readonly GgufValue[]): readonly GgufValue[] {
  if (values.length === 0) return values;
  const at = draw.below(values.length);
  return draw.pick([
    values.slice(0, at),
    [...values, ...values.slice(at)],
    values.with(at, nearValue(draw, values[at]!)),
    values.with(at, draw.pick(values)),
  ]);
}

const INTEGERS = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64'] as const;

function oddValue(draw: Draw, depth: number): GgufValue {
  switch (draw.below(depth > 0 ? 5 : 4)) {
    case 0:
      return {
        type: draw.pick(INTEGERS),
        value: draw.pick([0n, 1n, 127n, 2n ** 31n, 2n ** 53n, 2n ** 63n, -1n]),
      };
    case 1:
      return { type: draw.pick(['f32', 'f64']), value: draw.pick([oddNumber(draw), NaN, -Infinity]) };
    case 2:
      return { type: 'bool', value: draw.chance(0.5) };
    case 3:
      return { type: 'string', value: draw.chance(0.7) ? oddText(draw) : draw.bytes(draw.below(20)) };
    default:
      return oddList(draw, depth);
  }
}

function oddList(draw: Draw, depth: number): GgufValue {
  const first = oddValue(draw, depth - 1);
  // A list has one type; what it holds repeats, so that some lists are long.
  const length = draw.pick([0, 1, 2, 30, 3000]);
  return { type: 'array', of: first.type, values: Array.from({ length }, () => first) };
}

/** Tensors with other names, shapes, types and places. */
function withOddTensors(draw: Draw, { metadata, tensors }: GgufPieces): Uint8Array<ArrayBuffer> {
  const changed = tensors.flatMap((tensor) =>
    draw.chance(0.9) ? [tensor] : oddTensors(draw, tensor, tensors),
  );
  return writeGguf({
    version: draw.pick([2, 3]),
    alignment: draw.pick([32, 32, 32, 1, 8, 64, 4096]),
    metadata: [...metadata],
    tensors: changed,
    unpadded: draw.chance(0.1),
  });
}

function oddTensors(draw: Draw, tensor: GgufTensor, all: readonly GgufTensor[]): GgufTensor[] {
  const other = draw.pick(all);
  const [rows = 1, cols = 1] = tensor.shape;
  return draw.pick<() => GgufTensor[]>([
    () => [],
    () => [tensor, tensor],
    () => [
      { ...tensor, name: draw.pick([other.name, oddText(draw), 'blk.0.attn_q.bias', 'rope_freqs.weight']) },
    ],
    () => [
      {
        ...tensor,
        shape: draw.pick([[], [cols, rows], [rows * cols], [1, 1, rows, cols], [0], oddShape(draw)]),
      },
    ],
    () => [{ ...tensor, type: draw.pick([...Object.values(ENCODINGS).map(({ id }) => id), 3, 99, 2 ** 31]) }],
    () => [{ ...tensor, offset: draw.pick([0, 1, 31, 32, 2 ** 20]) }],
    () => [{ ...tensor, bytes: tensor.bytes.slice(0, draw.below(tensor.bytes.length + 1)) }],
  ])();
}

function oddShape(draw: Draw): number[] {
  return draw.many(0, 6, () => draw.pick([0, 1, 2, 256, 2 ** 20, 2 ** 31, 2 ** 32, 2 ** 53 - 1]));
}

const KEYS = [
  'general.architecture',
  'general.alignment',
  'general.name',
  'split.count',
  'split.no',
  'tokenizer.ggml.model',
  'tokenizer.ggml.tokens',
  'llama.block_count',
  'llama.context_length',
  'a',
];

/** A file that was never valid: every part by chance, and counts that do not agree with what follows. */
function fromGrammar(draw: Draw): Uint8Array<ArrayBuffer> {
  const metadata = draw.many(0, 6, (): [string, GgufValue] => {
    return [draw.chance(0.7) ? draw.pick(KEYS) : oddText(draw), oddValue(draw, 4)];
  });
  const tensors = draw.many(0, 5, (i): GgufTensor => {
    const bytes = draw.bytes(draw.below(300));
    const encoding = draw.pick(Object.values(ENCODINGS));
    return {
      name: draw.pick([`t${i}`, 't', oddText(draw)]),
      shape: oddShape(draw),
      type: encoding.id,
      bytes,
    };
  });
  const bytes = writeGguf({ version: draw.pick([0, 1, 2, 3, 3, 3, 2 ** 31]), metadata, tensors });
  return draw.chance(0.5) ? bytes : mutateBytes(draw, bytes, 200);
}
