// The compression function of SHA-256 (FIPS 180-4, section 6.2.2), in JavaScript and as WebAssembly.

import { BlockFunction, i32, memory, OP, TYPE, type Code } from './wasm-module';

/** Bytes of a block. */
export const BLOCK_BYTES = 64;

/** A hash under way: eight words, and what puts blocks into them. */
export interface Compression {
  /** Takes a whole number of blocks. */
  read(blocks: Uint8Array): void;
  /** The eight words, in the order of bytes of a hash. */
  words(): DataView;
}

const ROUNDS = 64;
const PRIMES = firstPrimes(ROUNDS);
/** The first 32 bits of what is behind the point of square roots (where a hash begins) and cube roots (for each round). */
const INITIAL = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const K = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

function fraction(root: number): number {
  return ((root % 1) * 2 ** 32) | 0;
}

/** In JavaScript. */
export function plainCompression(): Compression {
  const state = Int32Array.from(INITIAL);
  const schedule = new Int32Array(ROUNDS);
  return {
    read(blocks) {
      const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
      for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
        for (let i = 0; i < 16; i++) schedule[i] = view.getInt32(at + 4 * i);
        compress(state, schedule);
      }
    },
    words() {
      const view = new DataView(new ArrayBuffer(32));
      state.forEach((word, i) => view.setInt32(4 * i, word));
      return view;
    },
  };
}

const rotate = (x: number, bits: number): number => (x >>> bits) | (x << (32 - bits));

/** `w` has the block as its first 16 words. */
function compress(state: Int32Array, w: Int32Array): void {
  for (let i = 16; i < ROUNDS; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[i] = w[i - 16]! + s0 + w[i - 7]! + s1;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < ROUNDS; i++) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + sum1 + (g ^ (e & (f ^ g))) + K[i]! + w[i]!) | 0;
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = sum0 + ((a & b) | (c & (a | b)));
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

/** In WebAssembly. Rejects where that may not be compiled. */
export async function compiledCompression(): Promise<Compression> {
  const func = await BlockFunction.compile(Array<number>(24).fill(TYPE.i32), blockCode());
  const { state } = func;
  INITIAL.forEach((word, i) => state.setInt32(4 * i, word, true));
  return {
    read: (blocks) => func.read(blocks),
    words() {
      const view = new DataView(new ArrayBuffer(32));
      for (let i = 0; i < 8; i++) view.setInt32(4 * i, state.getInt32(4 * i, true));
      return view;
    },
  };
}

/** Locals: 0 and 1 are where the blocks begin and end, then a to h, then the last 16 words of the schedule. */
const FIRST_VARIABLE = 2;
const FIRST_WORD = 10;

/** The same, with all rounds written out: which local is which variable changes from round to round. */
function blockCode(): Code {
  const rounds = PRIMES.map((_, i) => roundCode(i));
  const states = INITIAL.map((_, i) => i);
  return [
    OP.loop,
    states.map((i) => [i32(0), memory(OP.i32Load, 4 * i), OP.set, FIRST_VARIABLE + i]),
    rounds,
    // 64 rounds bring every variable back to its local.
    states.map((i) => [
      [i32(0), i32(0), memory(OP.i32Load, 4 * i), OP.get, FIRST_VARIABLE + i],
      [OP.i32Add, memory(OP.i32Store, 4 * i)],
    ]),
    [OP.get, 0, i32(BLOCK_BYTES), OP.i32Add, OP.tee, 0],
    [OP.get, 1, OP.i32LessUnsigned, OP.branchIf, 0, OP.end],
  ];
}

function roundCode(round: number): Code {
  const variable = (index: number): Code => [OP.get, FIRST_VARIABLE + ((index - round + ROUNDS) & 7)];
  const assign = (index: number): Code => [OP.set, FIRST_VARIABLE + ((index - round + ROUNDS) & 7)];
  const [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(variable) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  return [
    round < 16 ? loadCode(round) : scheduleCode(round),
    // h is t1, then d + t1 the next e, and t1 + t2 the next a.
    [h, OP.get, FIRST_WORD + (round & 15), OP.i32Add, i32(K[round] ?? 0), OP.i32Add],
    [rotations(e, 6, 11), e, i32(25), OP.i32RotateRight, OP.i32Xor, OP.i32Add],
    [g, e, f, g, OP.i32Xor, OP.i32And, OP.i32Xor, OP.i32Add, assign(7)],
    [d, h, OP.i32Add, assign(3)],
    [h, rotations(a, 2, 13), a, i32(22), OP.i32RotateRight, OP.i32Xor, OP.i32Add],
    [a, b, OP.i32And, c, a, b, OP.i32Or, OP.i32And, OP.i32Or, OP.i32Add, assign(7)],
  ];
}

/** Two rotations of a value, joined by xor. */
function rotations(value: Code, first: number, second: number): Code {
  return [value, i32(first), OP.i32RotateRight, value, i32(second), OP.i32RotateRight, OP.i32Xor];
}

/** A word of the block, the highest byte first. */
function loadCode(index: number): Code {
  const word = [OP.get, FIRST_WORD + index];
  return [
    [OP.get, 0, memory(OP.i32Load, 4 * index), OP.set, FIRST_WORD + index],
    [word, i32(8), OP.i32RotateLeft, i32(0x00ff00ff), OP.i32And],
    [word, i32(24), OP.i32RotateLeft, i32(0xff00ff00), OP.i32And, OP.i32Or, OP.set, FIRST_WORD + index],
  ];
}

/** A later word, in the place of the one 16 before it. */
function scheduleCode(index: number): Code {
  const back = (count: number): Code => [OP.get, FIRST_WORD + ((index - count) & 15)];
  const mixed = (word: Code, first: number, second: number, shift: number): Code => [
    rotations(word, first, second),
    [word, i32(shift), OP.i32ShiftRightUnsigned, OP.i32Xor],
  ];
  return [
    [back(16), mixed(back(15), 7, 18, 3), OP.i32Add, back(7), OP.i32Add],
    [mixed(back(2), 17, 19, 10), OP.i32Add, OP.set, FIRST_WORD + (index & 15)],
  ];
}
