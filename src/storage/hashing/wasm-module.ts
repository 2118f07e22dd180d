// WebAssembly modules of one function that reads blocks of bytes: their code is written by the hashes themselves, which is a
// tenth of what compiled ones take.

/** What instructions are called, and their opcodes (WebAssembly Core Specification 2.0, section 5.4). */
export const OP = {
  loop: [0x03, 0x40],
  end: 0x0b,
  branchIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  i32Load: 0x28,
  i64Load: 0x29,
  i32Store: 0x36,
  i64Store: 0x37,
  i32Const: 0x41,
  i64Const: 0x42,
  i32LessUnsigned: 0x49,
  i32Add: 0x6a,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32ShiftRightUnsigned: 0x76,
  i32RotateLeft: 0x77,
  i32RotateRight: 0x78,
  i64Add: 0x7c,
  i64Multiply: 0x7e,
  i64RotateLeft: 0x89,
} as const;

/** The types of values. */
export const TYPE = { i32: 0x7f, i64: 0x7e } as const;

/** Bytes of code, in as many lists as the author likes. */
export type Code = number | readonly Code[];

/** Bytes at the beginning of the memory that are a function's own: what it keeps from call to call. */
const STATE_BYTES = 64;
/** Bytes of blocks that are given to a function at once. */
const CHUNK_BYTES = 1 << 18;
const PAGE_BYTES = 1 << 16;

/** A function in WebAssembly, and the memory that it works on. */
export class BlockFunction {
  private constructor(
    private readonly memory: Uint8Array,
    private readonly call: (begin: number, end: number) => void,
  ) {}

  /**
   * Compiles `body`, which is called with the addresses of the first block (local 0) and of what is behind the last one (local
   * 1); `locals` are the types of the others. Rejects where WebAssembly may not be compiled.
   */
  static async compile(locals: readonly number[], body: Code): Promise<BlockFunction> {
    const { instance } = await WebAssembly.instantiate(moduleOf(locals, body));
    const { m, f } = instance.exports as { m: WebAssembly.Memory; f: (begin: number, end: number) => void };
    return new BlockFunction(new Uint8Array(m.buffer), f);
  }

  /** Where the function keeps what it works out. */
  get state(): DataView {
    return new DataView(this.memory.buffer, 0, STATE_BYTES);
  }

  /** Has the function read `bytes`, a whole number of blocks of at most 64 bytes each. */
  read(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      this.memory.set(chunk, STATE_BYTES);
      this.call(STATE_BYTES, STATE_BYTES + chunk.length);
    }
  }
}

function moduleOf(locals: readonly number[], body: Code): Uint8Array<ArrayBuffer> {
  const func = [locals.length, locals.map((type) => [1, type]), body, OP.end];
  const pages = Math.ceil((STATE_BYTES + CHUNK_BYTES) / PAGE_BYTES);
  const name = (text: string): Code => [text.length, text.charCodeAt(0)];
  const sections: [id: number, content: Code][] = [
    // One type: two i32, no result. One function of it; a memory; both exported; the code.
    [1, [1, 0x60, 2, TYPE.i32, TYPE.i32, 0]],
    [3, [1, 0]],
    [5, [1, 0, pages]],
    [7, [2, name('m'), 2, 0, name('f'), 0, 0]],
    [10, [1, sized(func)]],
  ];
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  return Uint8Array.from(flat([header, sections.map(([id, content]) => [id, sized(content)])]));
}

/** Code after its length. */
function sized(content: Code): Code {
  const bytes = flat(content);
  return [leb128(BigInt(bytes.length), false), bytes];
}

function flat(code: Code): number[] {
  return typeof code === 'number' ? [code] : (code.flat(Infinity as 1) as number[]);
}

/** A number of the code, seven bits a byte, the lowest first. One with a sign ends where its sign is clear. */
function leb128(value: bigint, signed: boolean): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const isLast = signed ? value === (low & 0x40 ? -1n : 0n) : value === 0n;
    if (isLast) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** Pushes a constant; the word may be written with or without a sign. */
export function i32(value: number): Code {
  return [OP.i32Const, leb128(BigInt(value | 0), true)];
}

/** Pushes a constant; the word may be written with or without a sign. */
export function i64(value: bigint): Code {
  return [OP.i64Const, leb128(BigInt.asIntN(64, value), true)];
}

/** A load from, or a store to, the address on the stack plus `offset`. Addresses need not be aligned. */
export function memory(op: number, offset: number): Code {
  return [op, 0, offset];
}
