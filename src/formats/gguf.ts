// Reads the header of a GGUF file: its metadata and the table of its tensors. Tensor data is left where it is.

import { TernionError, throwIfAborted } from '../errors';
import type { ByteSource } from '../files/byte-source';
import { ENCODINGS, encodingOfId, type EncodingName } from './encodings';
import { Metadata, type MetadataValue } from './metadata';

/** Where a tensor is, and how to read it. */
export interface TensorInfo {
  readonly name: string;
  /** Row-major, outermost first: a matrix is [rows, cols]. (GGUF itself counts from the innermost.) */
  readonly shape: readonly number[];
  readonly encoding: EncodingName;
  /** First byte, counted from the beginning of its file. */
  readonly offset: number;
  /** Bytes of data, without padding. */
  readonly byteLength: number;
  /** Which of several files it is in (see {@link mergeSplits}); 0 where there is one. */
  readonly file: number;
}

/** What one GGUF file, or a set of split ones, holds. */
export interface GgufContents {
  /** Format version, 2 or 3. */
  readonly version: number;
  readonly metadata: Metadata;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** The header of one GGUF file. */
export interface GgufFile extends GgufContents {
  /** Tensors begin at multiples of this many bytes. */
  readonly alignment: number;
  /** Where tensor data begins, in bytes from the beginning of the file. */
  readonly dataOffset: number;
}

const MAGIC = 0x46554747; // 'GGUF'
const FIRST_READ = 1 << 20;
// The largest known headers (vocabularies of 262,144 tokens with merges) have some 20 MB. The limit bounds what a damaged
// file can make us read.
const MAX_HEADER = 128 << 20;
const MAX_NAME = 65535; // bytes, as the specification has it
const MAX_DEPTH = 4;
// What one of these takes in memory is many times its bytes in the file, and no model has nearly as many.
const MAX_ENTRIES = 1 << 16; // of metadata, and of tensors
const MAX_NESTED_ARRAYS = 1 << 16;
const MAX_BOOLEANS = 1 << 16;
const STRINGS_AT_ONCE = 4096;
const MAX_DIMS = 4;
const MAX_ALIGNMENT = 1 << 20;
const DEFAULT_ALIGNMENT = 32;

/**
 * Reads the header of a GGUF file, version 2 or 3, little endian. Reads only the header, in pieces that double from 1 MiB.
 * Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * Rejects with `unsupported-format` (no GGUF, other version, big endian), `unsupported-tensor-type`, or `corrupt-file`
 * (truncated, or anything that contradicts itself; every count and offset is checked against the file's size first).
 */
export async function parseGguf(source: ByteSource, signal?: AbortSignal): Promise<GgufFile> {
  const header = new HeaderReader(source, signal);
  const counts = await header.take(() => readPreamble(header));
  const values = new Map<string, MetadataValue>();
  for (let i = 0; i < counts.metadata; i++) {
    const [key, value] = await readEntry(header);
    if (values.has(key)) throw corrupt(`metadata key '${key}' occurs twice`);
    values.set(key, value);
  }
  const entries = new Map<string, TensorEntry>();
  for (let i = 0; i < counts.tensors; i++) {
    const entry = await header.take(() => readTensorEntry(header));
    if (entries.has(entry.name)) throw corrupt(`tensor '${entry.name}' occurs twice`);
    entries.set(entry.name, entry);
  }
  const metadata = new Metadata(values);
  const alignment = readAlignment(metadata);
  const dataOffset = alignUp(header.position, alignment);
  const tensors = placeTensors([...entries.values()], { dataOffset, alignment, size: source.size });
  return { version: counts.version, metadata, tensors, alignment, dataOffset };
}

/**
 * Joins the files of a split model (`name-00001-of-00003.gguf`): the metadata of split 0, and all tensors, whose `file`
 * is the index in `files`. One file that is not split passes as it is. Throws `corrupt-file` if a file is missing, is
 * there twice, or belongs to another model. Keys: `split.no`, `split.count`, `split.tensors.count` of llama.cpp.
 */
export function mergeSplits(files: readonly GgufFile[]): GgufContents {
  const numbers = files.map((file) => file.metadata.optionalInteger('split.no') ?? 0);
  const first = files[numbers.indexOf(0)];
  if (!first) throw corrupt('the first file of the split model is missing');
  for (const [index, file] of files.entries())
    checkSplit(file, files.length, numbers.indexOf(numbers[index]!) !== index);
  const tensors = new Map<string, TensorInfo>();
  for (const [file, { tensors: own }] of files.entries()) {
    for (const [name, tensor] of own) {
      if (tensors.has(name)) throw corrupt(`tensor '${name}' is in two files of the split model`);
      tensors.set(name, { ...tensor, file });
    }
  }
  const expected = first.metadata.optionalInteger('split.tensors.count') ?? tensors.size;
  if (expected !== tensors.size) {
    throw corrupt(`the split model should have ${expected} tensors, but its files have ${tensors.size}`);
  }
  return { version: first.version, metadata: first.metadata, tensors };
}

function checkSplit(file: GgufFile, files: number, repeated: boolean): void {
  const count = file.metadata.optionalInteger('split.count') ?? 1;
  const number = file.metadata.optionalInteger('split.no') ?? 0;
  if (repeated) throw corrupt(`split ${number + 1} is there twice`);
  // Unsplit files may carry split.count 0.
  if (Math.max(count, 1) !== files)
    throw corrupt(`the model is split into ${count} files, but ${files} were given`);
  if (number < 0 || number >= files) throw corrupt(`a file says that it is split ${number + 1} of ${files}`);
}

/**
 * All names of a split model, given any of them: `m-00002-of-00003.gguf` gives three. A name (or URL) of no split model
 * gives itself.
 */
export function splitNames(name: string): string[] {
  const match = /^(.*)-(\d{5})-of-(\d{5})(\.gguf(?:[?#].*)?)$/s.exec(name);
  if (!match) return [name];
  const [, stem, , count, end] = match;
  return Array.from(
    { length: Number(count) },
    (_, i) => `${stem}-${String(i + 1).padStart(5, '0')}-of-${count}${end}`,
  );
}

/** A row of the tensor table as it is in the file. */
interface TensorEntry {
  name: string;
  shape: number[];
  elements: number;
  encoding: EncodingName;
  /** From the beginning of the tensor data. */
  relativeOffset: number;
}

interface Placement {
  dataOffset: number;
  alignment: number;
  /** Bytes of the file. */
  size: number;
}

function corrupt(what: string): TernionError {
  return new TernionError('corrupt-file', `The GGUF file is damaged: ${what}.`);
}

function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function readPreamble(header: HeaderReader): { version: number; tensors: number; metadata: number } {
  if (header.remaining < 8 || header.u32() !== MAGIC) {
    throw new TernionError('unsupported-format', 'This is not a GGUF file: it does not begin with "GGUF".');
  }
  const version = header.u32();
  if (version !== 2 && version !== 3) throw unsupportedVersion(version);
  const tensors = header.u64('tensor count');
  const metadata = header.u64('metadata count');
  // The shortest tensor entry has 32 bytes (an empty name, one dimension), the shortest metadata entry 13.
  if (tensors * 32 + metadata * 13 > header.remaining) {
    throw corrupt(
      `${tensors} tensors and ${metadata} metadata entries do not fit into ${header.remaining} bytes`,
    );
  }
  if (tensors > MAX_ENTRIES || metadata > MAX_ENTRIES) {
    throw corrupt(`it has ${tensors} tensors and ${metadata} metadata entries, more than any model`);
  }
  return { version, tensors, metadata };
}

function unsupportedVersion(version: number): TernionError {
  const bigEndian = version !== 0 && (version & 0xffff) === 0;
  const what = bigEndian ? 'is big endian' : `has version ${version}`;
  return new TernionError(
    'unsupported-format',
    `This GGUF file ${what}; only little-endian files of version 2 and 3 can be read.`,
  );
}

async function readEntry(header: HeaderReader): Promise<[string, MetadataValue]> {
  const [key, type] = await header.take(() => [header.name('a metadata key'), header.u32()] as const);
  const value =
    type === ARRAY ? await readArray(header, key, 1) : await header.take(() => readScalar(header, type, key));
  return [key, value];
}

// Value types of the specification, by id.
const BOOLEAN = 7;
const STRING = 8;
const ARRAY = 9;
const VALUE_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];

function readScalar(header: HeaderReader, type: number, key: string): MetadataValue {
  switch (type) {
    case 0:
      return header.view(1).getUint8(0);
    case 1:
      return header.view(1).getInt8(0);
    case 2:
      return header.view(2).getUint16(0, true);
    case 3:
      return header.view(2).getInt16(0, true);
    case 4:
      return header.u32();
    case 5:
      return header.view(4).getInt32(0, true);
    case 6:
      return header.view(4).getFloat32(0, true);
    case BOOLEAN:
      return toBoolean(header.view(1).getUint8(0), key);
    case STRING:
      return header.string(`the value of '${key}'`);
    case 10:
      return toNumber(header.view(8).getBigUint64(0, true));
    case 11:
      return toNumber(header.view(8).getBigInt64(0, true));
    case 12:
      return header.view(8).getFloat64(0, true);
    default:
      throw corrupt(`metadata key '${key}' has unknown type ${type}`);
  }
}

function toBoolean(byte: number, key: string): boolean {
  if (byte > 1) throw corrupt(`metadata key '${key}' should be true or false, but is ${byte}`);
  return byte === 1;
}

function toNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

async function readArray(header: HeaderReader, key: string, depth: number): Promise<MetadataValue> {
  const [type, count] = await header.take(() => readArrayHead(header, key, depth));
  if (type === STRING) return readStrings(header, count, key);
  if (type === ARRAY) return readArrays(header, count, key, depth);
  return header.take(() => toNumbers(type, header.copy(count * VALUE_BYTES[type]!), key));
}

/** The type of the entries, and how many there are. */
function readArrayHead(header: HeaderReader, key: string, depth: number): [number, number] {
  const type = header.u32();
  const count = header.u64(`length of '${key}'`);
  const bytes = VALUE_BYTES[type];
  if (bytes === undefined) throw corrupt(`metadata key '${key}' is an array of unknown type ${type}`);
  if (depth > MAX_DEPTH) throw corrupt(`metadata key '${key}' nests arrays more than ${MAX_DEPTH} deep`);
  if (count * bytes > header.remaining) {
    throw corrupt(`metadata key '${key}' has ${count} entries, more than the rest of the file can hold`);
  }
  if (type === BOOLEAN && count > MAX_BOOLEANS) {
    throw corrupt(`metadata key '${key}' has ${count} truth values, more than any model`);
  }
  return [type, count];
}

/** Batch by batch: one that needs more bytes than are at hand is read again, not the whole array. */
async function readStrings(header: HeaderReader, count: number, key: string): Promise<string[]> {
  const what = `an entry of '${key}'`;
  // Grown, not allocated at once: `count` may be wrong, and then reading ends before long.
  const strings: string[] = [];
  while (strings.length < count) {
    const batch = Math.min(STRINGS_AT_ONCE, count - strings.length);
    strings.push(...(await header.take(() => Array.from({ length: batch }, () => header.string(what)))));
  }
  return strings;
}

async function readArrays(
  header: HeaderReader,
  count: number,
  key: string,
  depth: number,
): Promise<MetadataValue[]> {
  header.nestedArrays += count;
  if (header.nestedArrays > MAX_NESTED_ARRAYS) {
    throw corrupt(`its metadata, up to the key '${key}', nest ${header.nestedArrays} arrays in others`);
  }
  const arrays: MetadataValue[] = [];
  for (let i = 0; i < count; i++) arrays.push(await readArray(header, key, depth + 1));
  return arrays;
}

function toNumbers(type: number, bytes: ArrayBuffer, key: string): MetadataValue {
  switch (type) {
    case 0:
      return new Uint8Array(bytes);
    case 1:
      return new Int8Array(bytes);
    case 2:
      return new Uint16Array(bytes);
    case 3:
      return new Int16Array(bytes);
    case 4:
      return new Uint32Array(bytes);
    case 5:
      return new Int32Array(bytes);
    case 6:
      return new Float32Array(bytes);
    case BOOLEAN:
      return Array.from(new Uint8Array(bytes), (byte) => toBoolean(byte, key));
    case 12:
      return new Float64Array(bytes);
    default:
      return safeIntegers(type === 10 ? new BigUint64Array(bytes) : new BigInt64Array(bytes));
  }
}

function safeIntegers(values: BigUint64Array | BigInt64Array): number[] | bigint[] {
  const numbers = Array.from(values, Number);
  return numbers.every(Number.isSafeInteger) ? numbers : Array.from(values);
}

function readTensorEntry(header: HeaderReader): TensorEntry {
  const name = header.name('a tensor name');
  const dims = header.u32();
  if (dims < 1 || dims > MAX_DIMS) throw corrupt(`tensor '${name}' has ${dims} dimensions`);
  const shape: number[] = [];
  let elements = 1;
  for (let i = 0; i < dims; i++) {
    const extent = header.u64(`shape of '${name}'`);
    elements *= extent;
    if (extent === 0 || elements > Number.MAX_SAFE_INTEGER)
      throw corrupt(`tensor '${name}' has an impossible shape`);
    shape.unshift(extent);
  }
  const encoding = encodingOfId(header.u32(), name);
  return { name, shape, elements, encoding, relativeOffset: header.u64(`offset of '${name}'`) };
}

function readAlignment(metadata: Metadata): number {
  const alignment = metadata.optionalInteger('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (alignment >= 1 && alignment <= MAX_ALIGNMENT && Number.isInteger(Math.log2(alignment)))
    return alignment;
  throw corrupt(`general.alignment is ${alignment}, which is no power of two up to ${MAX_ALIGNMENT}`);
}

/** Absolute offsets and lengths, with every tensor inside the file and none on top of another. */
function placeTensors(entries: readonly TensorEntry[], place: Placement): Map<string, TensorInfo> {
  for (const { name, relativeOffset } of entries) {
    if (relativeOffset % place.alignment !== 0) {
      throw corrupt(
        `tensor '${name}' begins at ${relativeOffset}, which is no multiple of ${place.alignment}`,
      );
    }
  }
  const q2Name = q2Encoding(entries, place);
  const tensors = new Map(entries.map((entry) => [entry.name, placeTensor(entry, place, q2Name)]));
  let end = place.dataOffset;
  for (const { name, offset, byteLength } of [...tensors.values()].sort((a, b) => a.offset - b.offset)) {
    if (offset < end) throw corrupt(`tensor '${name}' overlaps the one before it`);
    end = offset + byteLength;
    if (end > place.size) {
      throw corrupt(
        `tensor '${name}' ends at ${end}, but the file has ${place.size} bytes; it may be truncated`,
      );
    }
  }
  return tensors;
}

function placeTensor(entry: TensorEntry, { dataOffset }: Placement, q2Name: EncodingName): TensorInfo {
  const { name, shape, elements, relativeOffset } = entry;
  const encoding = entry.encoding === 'Q2_0' ? q2Name : entry.encoding;
  const { blockElements, byteLength } = ENCODINGS[encoding];
  if (elements % blockElements !== 0) {
    throw corrupt(
      `tensor '${name}' has ${elements} elements, no whole blocks of ${blockElements} (${encoding})`,
    );
  }
  return {
    name,
    shape,
    encoding,
    offset: dataOffset + relativeOffset,
    byteLength: byteLength(elements),
    file: 0,
  };
}

/**
 * Which blocks type 42 has in this file: those whose tensors exactly fill the room up to the next tensor (or the end of
 * the file). Nothing else in the file says it. All tensors decide together, as small ones fit both ways.
 */
function q2Encoding(entries: readonly TensorEntry[], place: Placement): EncodingName {
  const sorted = entries.toSorted((a, b) => a.relativeOffset - b.relativeOffset);
  const rooms = sorted.flatMap(({ encoding, elements, relativeOffset }, i) => {
    const end = sorted[i + 1]?.relativeOffset ?? place.size - place.dataOffset;
    return encoding === 'Q2_0' ? [{ elements, room: alignUp(end - relativeOffset, place.alignment) }] : [];
  });
  const fits = (name: EncodingName) =>
    rooms.every(
      ({ elements, room }) => alignUp(ENCODINGS[name].byteLength(elements), place.alignment) === room,
    );
  if (fits('Q2_0')) return 'Q2_0';
  if (fits('Q2_0_128')) return 'Q2_0_128';
  throw corrupt('its Q2_0 tensors have neither blocks of 64 nor of 128; it may be truncated');
}

/** Thrown inside the reader when the bytes at hand do not suffice, though the file has more. */
class MoreBytes extends Error {
  constructor(readonly end: number) {
    super('more bytes are needed');
  }
}

/** A cursor over the beginning of the file that fetches more of it as it goes. Little endian. */
class HeaderReader {
  /** Next byte to read, from the beginning of the file. */
  position = 0;
  /** Arrays inside of arrays in what was read. */
  nestedArrays = 0;
  private bytes = new Uint8Array(0);
  private data = new DataView(this.bytes.buffer);
  private readonly strings = new StringReader();

  constructor(
    private readonly source: ByteSource,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Bytes between here and the end of the file. */
  get remaining(): number {
    return this.source.size - this.position;
  }

  /** Runs `parse` from here; starts it over with more bytes as often as those at hand are too few. */
  async take<T>(parse: () => T): Promise<T> {
    const start = this.position;
    for (;;) {
      try {
        return parse();
      } catch (error) {
        if (!(error instanceof MoreBytes)) throw error;
        this.position = start;
        await this.fetch(error.end);
      }
    }
  }

  u32(): number {
    return this.data.getUint32(this.advance(4), true);
  }

  /** A count or an offset: refuses what a JavaScript number cannot hold, which is more than any file has. */
  u64(what: string): number {
    const at = this.advance(8);
    const high = this.data.getUint32(at + 4, true);
    if (high >= 1 << 21) throw corrupt(`the ${what} is beyond 2^53`);
    return high * 2 ** 32 + this.data.getUint32(at, true);
  }

  string(what: string): string {
    const length = this.u64(`length of ${what}`);
    if (length > this.remaining) throw corrupt(`${what} has ${length} bytes, more than the rest of the file`);
    const at = this.advance(length);
    return this.strings.read(this.bytes, at, at + length);
  }

  name(what: string): string {
    const name = this.string(what);
    if (name.length > MAX_NAME) throw corrupt(`${what} has ${name.length} characters`);
    return name;
  }

  view(length: number): DataView {
    return new DataView(this.bytes.buffer, this.advance(length), length);
  }

  copy(length: number): ArrayBuffer {
    const at = this.advance(length);
    return this.bytes.buffer.slice(at, at + length);
  }

  /** Steps over `length` bytes, which are then at hand; gives where they begin. */
  private advance(length: number): number {
    const at = this.position;
    if (at + length > this.bytes.length) this.refuseOrFetch(at + length);
    this.position = at + length;
    return at;
  }

  private refuseOrFetch(end: number): never {
    if (end > this.source.size) throw corrupt('it ends inside the header; it is truncated');
    if (end > MAX_HEADER) throw corrupt(`its header has more than ${MAX_HEADER} bytes`);
    throw new MoreBytes(end);
  }

  private async fetch(end: number): Promise<void> {
    throwIfAborted(this.signal);
    const loaded = this.bytes.length;
    const target = Math.min(this.source.size, MAX_HEADER, Math.max(end, loaded * 2, FIRST_READ));
    const more = await this.source.read(loaded, target - loaded, { signal: this.signal });
    const grown = new Uint8Array(target);
    grown.set(this.bytes);
    grown.set(more, loaded);
    this.bytes = grown;
    this.data = new DataView(grown.buffer);
  }
}

/** UTF-8 out of the bytes of one header, most of which are short strings of ASCII. */
class StringReader {
  // Byte-order marks are part of a token like anything else; invalid UTF-8 becomes U+FFFD.
  private readonly utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
  /** One character a byte, that of ASCII where the byte is. */
  private readonly bytewise = new TextDecoder('windows-1252');
  /** The characters of the bytes from `start` on: a decoder takes many bytes at once in little more time than a few. */
  private window = { start: 0, text: '' };

  /** The text of `bytes` from `start` up to `end`. Each call gives the same bytes as the last one, or more. */
  read(bytes: Uint8Array, start: number, end: number): string {
    if (end - start > WINDOW || !isAscii(bytes, start, end))
      return this.utf8.decode(bytes.subarray(start, end));
    const { window } = this;
    if (start < window.start || end > window.start + window.text.length) {
      this.window = { start, text: this.bytewise.decode(bytes.subarray(start, start + WINDOW)) };
    }
    return this.window.text.slice(start - this.window.start, end - this.window.start);
  }
}

const WINDOW = 1 << 14; // bytes

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (bytes[i]! > 127) return false;
  }
  return true;
}
