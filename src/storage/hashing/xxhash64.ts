// xxHash64, by which the cache knows its pieces again.
// Definition: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, with seed 0.

import { compiledOr } from './compiled-or';

/** The xxHash64 of bytes, as 16 hexadecimal digits. */
export type XxHash64 = (bytes: Uint8Array) => string;

/** What computes an xxHash64 here. */
export function createXxHash64(): Promise<XxHash64> {
  return compiledOr<XxHash64>(
    async () => {
      const { createXXHash64 } = await import('./compiled');
      const hasher = await createXXHash64();
      return (bytes) => hasher.init().update(bytes).digest();
    },
    () => plainXxHash64,
  );
}

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

/** Bytes of a stripe: eight for each of four lanes. */
const STRIPE = 32;

/** xxHash64 in JavaScript. The lanes take nearly all the time; what follows them may use slow numbers. */
export function plainXxHash64(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const stripes = Math.floor(bytes.length / STRIPE);
  const hash = stripes === 0 ? P5 : joined(lanesOf(view, stripes));
  const tail = withTail(u64(hash + BigInt(bytes.length)), view, stripes * STRIPE);
  return avalanche(tail).toString(16).padStart(16, '0');
}

function lanesOf(view: DataView, stripes: number): bigint[] {
  return [P1 + P2, P2, 0n, -P1].map((start, lane) => laneOf(view, stripes, lane * 8, u64(start)));
}

function joined(lanes: readonly bigint[]): bigint {
  const ROTATIONS = [1n, 7n, 12n, 18n];
  const hash = u64(lanes.reduce((sum, lane, i) => sum + rotate(lane, ROTATIONS[i]!), 0n));
  return lanes.reduce((merged, lane) => u64((merged ^ round(lane)) * P1 + P4), hash);
}

/** Adds what is left after the last stripe: words of eight bytes, then one of four, then bytes. */
function withTail(hash: bigint, view: DataView, from: number): bigint {
  let at = from;
  for (; at + 8 <= view.byteLength; at += 8) {
    hash = u64(rotate(hash ^ round(view.getBigUint64(at, true)), 27n) * P1 + P4);
  }
  if (at + 4 <= view.byteLength) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < view.byteLength; at++) hash = u64(rotate(hash ^ u64(BigInt(view.getUint8(at)) * P5), 11n) * P1);
  return hash;
}

function avalanche(hash: bigint): bigint {
  hash = u64((hash ^ (hash >> 33n)) * P2);
  hash = u64((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}

/** One round of a lane that was 0. */
function round(word: bigint): bigint {
  return u64(rotate(u64(word * P2), 31n) * P1);
}

function rotate(word: bigint, bits: bigint): bigint {
  return u64(word << bits) | (word >> (64n - bits));
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

const [P1_LOW, P1_HIGH] = halves(P1);
const [P2_LOW, P2_HIGH] = halves(P2);

/**
 * A lane after all stripes: for each word at `from`, `from` + 32, …: lane = rotate(lane + word · P2, 31) · P1. Numbers of 64
 * bits are pairs of 32 here, low and high: some fifty times as fast as BigInt.
 */
function laneOf(view: DataView, stripes: number, from: number, start: bigint): bigint {
  let [low, high] = halves(start);
  for (let at = from, end = stripes * STRIPE; at < end; at += STRIPE) {
    const wordLow = view.getInt32(at, true);
    const wordHigh = view.getInt32(at + 4, true);
    const addLow = Math.imul(wordLow, P2_LOW);
    const addHigh =
      highOfProduct(wordLow, P2_LOW) + Math.imul(wordHigh, P2_LOW) + Math.imul(wordLow, P2_HIGH);
    const sumLow = (low + addLow) | 0;
    const carry = sumLow >>> 0 < addLow >>> 0 ? 1 : 0;
    const sumHigh = (high + addHigh + carry) | 0;
    const turnedLow = (sumLow << 31) | (sumHigh >>> 1);
    const turnedHigh = (sumHigh << 31) | (sumLow >>> 1);
    low = Math.imul(turnedLow, P1_LOW);
    high =
      (highOfProduct(turnedLow, P1_LOW) + Math.imul(turnedHigh, P1_LOW) + Math.imul(turnedLow, P1_HIGH)) | 0;
  }
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** The upper 32 bits of the product of two numbers of 32 bits without a sign. */
function highOfProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16);
  const upper = Math.imul(aLow, bHigh) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (upper >>> 16)) | 0;
}

function halves(value: bigint): [low: number, high: number] {
  return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
}
