// Small valid files to damage, and what is said of one that was read.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TernaryEncoding } from '../../../src/formats/encodings';
import type { ByteSource } from '../../../src/files/byte-source';
import type { ModelFiles } from '../../../src/files/model-files';
import { fitMemory, type TargetDevice } from '../../../src/plan/memory-fit';
import { readModel } from '../../../src/plan/read-model';
import { filesAtHand } from '../../../src/files/model-files';
import { bytesSource } from '../../../src/files/byte-source';
import { smallModel, type SmallShape } from '../../../test/support/small-model';

/** Files of a model by name; the first is the main one. */
export type FileSet = Record<string, Uint8Array<ArrayBuffer>>;

/** A model that is in the repository; paths are from its root, where the tools run. */
export async function repositoryFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await readFile(path));
}

/** A model of one layer, as small as all encodings allow. */
export async function smallGguf(shape: Partial<SmallShape> = {}): Promise<Uint8Array<ArrayBuffer>> {
  const sizes = { width: 256, ffnWidth: 256, heads: 4, kvHeads: 2, headDim: 64, layers: 1 };
  const kind = { architecture: 'bitnet-b1.58', encoding: 'I2_S' } as const;
  return (await smallModel({ ...sizes, ...kind, ...shape })).bytes;
}

/** The encodings of ternary matrices. */
export const TERNARY: readonly TernaryEncoding[] = ['I2_S', 'TQ1_0', 'TQ2_0', 'Q2_0', 'Q2_0_128', 'PQ2_0'];

/** Makes a value once, when it is first asked for. */
export function lazily<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
}

/** A desktop's device, for plans. */
const DEVICE: TargetDevice = {
  limits: { maxBufferSize: 2 ** 30, maxStorageBufferBindingSize: 2 ** 30 },
  capabilities: {
    subgroups: true,
    subgroupMinSize: 32,
    subgroupMaxSize: 32,
    shaderF16: true,
    packedDot: true,
    timestamps: false,
    vendor: 'unknown',
  },
};

/** Beside four times a file's own bytes, what readers of headers fetch at once. */
const FIRST_READ = 1 << 20;

/**
 * Reads the headers of a model as a load does, and plans its memory; all of it as one text. Throws if more is read than
 * the files' size accounts for.
 */
export async function readWhole(set: FileSet): Promise<string> {
  const { files, read } = counted(set);
  const { model, tokenizer, template } = await readModel(files);
  const { format, version, config, tensors, adjustments } = model;
  const bytes = Object.values(set).reduce((sum, { length }) => sum + length, 0);
  if (read() > 4 * bytes + FIRST_READ) throw new Error(`${read()} bytes were read of ${bytes}`);
  const { verdict, gpuBytes } = fitMemory(model, DEVICE, {});
  return digest({
    ...{ format, version, config, adjustments, verdict, gpuBytes },
    tensors: [...tensors],
    vocabulary: [tokenizer.vocabularySize, tokenizer.bosId, [...tokenizer.endIds]],
    ids: tokenizer.encode('Count from 3 to 9. 😀', { addBos: true }),
    template: [template.origin, model.tokenizer.chatTemplate],
  });
}

function counted(set: FileSet): { files: ModelFiles; read: () => number } {
  let total = 0;
  const counting = (inner: ByteSource): ByteSource => ({
    size: inner.size,
    read(offset, length, options) {
      total += length;
      return inner.read(offset, length, options);
    },
  });
  const [main, ...others] = Object.entries(set).map(([name, bytes]) => ({
    name,
    bytes: counting(bytesSource(bytes)),
  }));
  if (!main) throw new Error('A model has at least one file');
  return { files: filesAtHand([main, ...others]), read: () => total };
}

/** SHA-256 of a value as JSON. */
export function digest(value: unknown): string {
  const json = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each));
  return createHash('sha256').update(json).digest('hex');
}

/** `text` in UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The codes with which the headers of a model may be refused. */
export const HEADER_CODES = [
  'corrupt-file',
  'unsupported-format',
  'unsupported-architecture',
  'unsupported-tensor-type',
  'unsupported-tokenizer',
  'unsupported-feature',
  'template-failed',
] as const;
