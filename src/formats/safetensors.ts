// Reads the header of a safetensors file, and the index of a model that is spread over several.

import { TernionError } from '../errors';
import type { ByteSource } from '../files/byte-source';
import { parseJson } from './json';

/** Element types of safetensors, as written there, and their size in bytes. */
const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;

/** An element type of safetensors. */
export type SafetensorsDtype = keyof typeof DTYPE_BYTES;

/** Where a tensor is, and what it holds. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  /** Row-major, outermost first. Empty for a scalar. */
  readonly shape: readonly number[];
  /** First byte, counted from the beginning of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** Which file each tensor of a model is in. */
export interface SafetensorsIndex {
  /** Names of the files, each once, sorted. */
  readonly files: readonly string[];
  /** The index in `files`, by name of the tensor. */
  readonly fileOf: ReadonlyMap<string, number>;
}

const MAX_HEADER = 100_000_000; // the limit of the reference implementation

/**
 * Reads the header of a safetensors file; tensors by name, in the order of their data.
 * Layout: https://github.com/huggingface/safetensors#format
 *
 * Rejects with `unsupported-format` (no safetensors file), `unsupported-tensor-type`, or `corrupt-file` (truncated, or
 * shapes and offsets that contradict each other; data must be gapless, as the specification demands).
 */
export async function parseSafetensors(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, SafetensorsTensor>> {
  if (source.size < 10) throw noSafetensors('it is too short');
  const length = await readLength(source, signal);
  const bytes = await source.read(8, length, { signal });
  if (bytes[0] !== 0x7b) throw noSafetensors('it has no JSON header');
  const dataOffset = 8 + length;
  const tensors = Object.entries(parseObject(bytes))
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => readTensor(name, entry, dataOffset))
    .sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkGapless(tensors, dataOffset, source.size);
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

/**
 * Reads `model.safetensors.index.json`: its `weight_map`, tensor names to file names beside it. Throws `corrupt-file` if
 * there is none or a file name leads elsewhere.
 */
export function parseSafetensorsIndex(json: string): SafetensorsIndex {
  const index = parseJson(json, 'The index of the safetensors files');
  const map = isObject(index) ? index['weight_map'] : undefined;
  if (!isObject(map)) throw corrupt('the index has no weight_map');
  const names = Object.entries(map).map(([tensor, file]) => [tensor, checkFileName(file)] as const);
  const files = [...new Set(names.map(([, file]) => file))].sort();
  const numbers = new Map(files.map((file, number) => [file, number]));
  return { files, fileOf: new Map(names.map(([tensor, file]) => [tensor, numbers.get(file)!])) };
}

/** File names come from the file: one with a path in it could make us fetch or read something else. */
function checkFileName(file: unknown): string {
  if (typeof file === 'string' && /^[^/\\:?#%]+$/.test(file) && !file.startsWith('.')) return file;
  throw corrupt(`the index names the file ${JSON.stringify(file)}`);
}

function corrupt(what: string): TernionError {
  return new TernionError('corrupt-file', `The safetensors file is damaged: ${what}.`);
}

function noSafetensors(why: string): TernionError {
  return new TernionError('unsupported-format', `This is not a safetensors file: ${why}.`);
}

async function readLength(source: ByteSource, signal?: AbortSignal): Promise<number> {
  const bytes = await source.read(0, 8, { signal });
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) throw noSafetensors(`its header would have ${length} bytes`);
  if (Number(length) > source.size - 8) throw corrupt('it ends inside the header; it is truncated');
  if (length < 2n) throw noSafetensors('its header is empty');
  return Number(length);
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  const header = parseJson(new TextDecoder().decode(bytes), 'The header of the safetensors file');
  if (!isObject(header)) throw corrupt('its header is no JSON object');
  return header;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readTensor(name: string, entry: unknown, dataOffset: number): SafetensorsTensor {
  if (!isObject(entry)) throw corrupt(`tensor '${name}' is not described`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) throw unknownDtype(name, dtype);
  if (!isSizes(shape)) throw corrupt(`tensor '${name}' has an impossible shape`);
  if (!isSizes(offsets) || offsets.length !== 2) throw corrupt(`tensor '${name}' has no proper data_offsets`);
  const [begin, end] = offsets as [number, number];
  const byteLength = shape.reduce((product, extent) => product * extent, DTYPE_BYTES[dtype]);
  if (end - begin !== byteLength) {
    throw corrupt(`tensor '${name}' should have ${byteLength} bytes, but has ${end - begin}`);
  }
  return { name, dtype, shape, offset: dataOffset + begin, byteLength };
}

function isDtype(dtype: unknown): dtype is SafetensorsDtype {
  return typeof dtype === 'string' && Object.hasOwn(DTYPE_BYTES, dtype);
}

function unknownDtype(name: string, dtype: unknown): TernionError {
  return new TernionError(
    'unsupported-tensor-type',
    `Tensor '${name}' has the type ${JSON.stringify(dtype)}, which is not known.`,
  );
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function checkGapless(tensors: readonly SafetensorsTensor[], dataOffset: number, size: number): void {
  let end = dataOffset;
  for (const { name, offset, byteLength } of tensors) {
    if (offset < end) throw corrupt(`tensor '${name}' overlaps the one before it`);
    if (offset > end) throw corrupt(`there is a gap before tensor '${name}'`);
    end = offset + byteLength;
  }
  if (end > size) throw corrupt(`its tensors end at ${end}, but it has ${size} bytes; it may be truncated`);
  if (end < size) throw corrupt(`${size - end} bytes at its end belong to no tensor`);
}
