// Damage: what a broken disk does to bytes, and what an attacker would try.

import type { Draw } from './draw';

/** Numbers at the edges of 32 and 64 bits, and such that wrap when they are multiplied or aligned. */
const EDGES = [
  0n,
  1n,
  2n,
  255n,
  65_535n,
  2n ** 20n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 61n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 32n,
  2n ** 64n - 1n,
];

type ByteChange = (draw: Draw, bytes: Uint8Array<ArrayBuffer>, at: number) => Uint8Array<ArrayBuffer>;

const BYTE_CHANGES: readonly ByteChange[] = [
  (draw, bytes, at) => bytes.with(at, bytes[at]! ^ (1 << draw.below(8))),
  (draw, bytes, at) => bytes.with(at, draw.below(256)),
  (draw, bytes, at) => withNumber(bytes, at, 4, draw.pick(EDGES)),
  (draw, bytes, at) => withNumber(bytes, at, 8, draw.pick(EDGES)),
  (draw, bytes, at) => withNumber(bytes, at, 4, BigInt(draw.below(44))),
  (draw, bytes, at) => withNumber(bytes, at, 8, BigInt(draw.below(bytes.length + 9))),
  (_, bytes, at) => bytes.slice(0, at),
  (draw, bytes, at) => bytes.slice().copyWithin(at, draw.below(bytes.length), draw.below(bytes.length)),
  (draw, bytes, at) => spliced(bytes, at, 0, draw.bytes(draw.between(1, 40))),
  (draw, bytes, at) => spliced(bytes, at, draw.between(1, 40), new Uint8Array()),
  (draw, bytes, at) => spliced(bytes, at, 0, bytes.slice(at, at + draw.between(1, 200))),
  (draw, bytes, at) => bytes.slice().fill(draw.pick([0, 0xff, 0x7f, 0x80]), at, at + draw.between(1, 64)),
];

/** `bytes` with one to four changes that begin within the first `region` bytes. */
export function mutateBytes(
  draw: Draw,
  bytes: Uint8Array<ArrayBuffer>,
  region = bytes.length,
): Uint8Array<ArrayBuffer> {
  let changed = bytes;
  for (let left = draw.between(1, 4); left > 0 && changed.length > 0; left--) {
    const at = draw.below(Math.min(region, changed.length));
    changed = draw.pick(BYTE_CHANGES)(draw, changed, at);
  }
  return changed;
}

function withNumber(
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  width: 4 | 8,
  value: bigint,
): Uint8Array<ArrayBuffer> {
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  if (at + width > out.length) return out;
  if (width === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  else view.setBigUint64(at, BigInt.asUintN(64, value), true);
  return out;
}

function spliced(
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  removed: number,
  added: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed));
  const out = new Uint8Array(at + added.length + rest.length);
  out.set(bytes.subarray(0, at));
  out.set(added, at);
  out.set(rest, at + added.length);
  return out;
}

const ODD_TEXTS = [
  '',
  ' ',
  '\u0000',
  '__proto__',
  'constructor',
  'length',
  '\ud800',
  '😀',
  'null',
  '0',
  '-1',
  'x'.repeat(5000),
];
const ODD_NUMBERS = [
  0, -0, 1, -1, 2, 0.5, 1e-9, 1e9, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -(2 ** 53), 1e300, 5e-324,
]; // prettier-ignore

/** A text that breaks assumptions. */
export function oddText(draw: Draw): string {
  return draw.pick(ODD_TEXTS);
}

/** A number that breaks assumptions; it is finite. */
export function oddNumber(draw: Draw): number {
  return draw.pick(ODD_NUMBERS);
}

/** Any JSON value, nested up to `depth` deep. */
export function oddJson(draw: Draw, depth = 2): unknown {
  const kind = draw.below(depth > 0 ? 8 : 6);
  switch (kind) {
    case 0:
      return null;
    case 1:
      return draw.chance(0.5);
    case 2:
    case 3:
      return oddNumber(draw);
    case 4:
    case 5:
      return oddText(draw);
    case 6:
      return draw.many(0, 4, () => oddJson(draw, depth - 1));
    default:
      return Object.fromEntries(draw.many(0, 4, () => [oddText(draw), oddJson(draw, depth - 1)]));
  }
}

/** A copy of a JSON value in which one to three of its values are others, gone, twice there, or under other names. */
export function mutateJson(draw: Draw, value: unknown): unknown {
  const holder = { root: structuredClone(value) };
  for (let left = draw.between(1, 3); left > 0; left--) {
    const places = [...placesOf(holder)];
    if (places.length === 0) break;
    const { owner, key } = draw.pick(places);
    changePlace(draw, owner, key, places);
  }
  return holder.root;
}

/** A value's place: an entry of an object, or an element of a list. */
interface Place {
  owner: Record<string, unknown>;
  key: string;
}

/** Long lists are all alike: of each, so many elements count as places. */
const PLACES_OF_A_LIST = 20;

function* placesOf(value: unknown): Generator<Place, void, undefined> {
  if (typeof value !== 'object' || value === null) return;
  const owner = value as Record<string, unknown>;
  for (const key of Object.keys(owner).slice(0, PLACES_OF_A_LIST)) {
    yield { owner, key };
    yield* placesOf(owner[key]);
  }
}

function changePlace(
  draw: Draw,
  owner: Record<string, unknown>,
  key: string,
  places: readonly Place[],
): void {
  const put = (name: string, value: unknown): void =>
    void Object.defineProperty(owner, name, { value, enumerable: true, writable: true, configurable: true });
  switch (draw.below(6)) {
    case 0:
      // Of a list the element goes, and the others move up: JSON has no holes.
      return Array.isArray(owner) ? void owner.splice(Number(key), 1) : void delete owner[key];
    case 1:
      return put(Array.isArray(owner) ? String(owner.length) : oddText(draw), oddJson(draw));
    case 2: {
      const other = draw.pick(places);
      return put(key, structuredClone(other.owner[other.key]));
    }
    case 3:
      return typeof owner[key] === 'number'
        ? put(key, nearNumber(draw, owner[key]))
        : put(key, oddJson(draw));
    default:
      return put(key, oddJson(draw));
  }
}

function nearNumber(draw: Draw, value: number): number {
  return draw.pick([value + 1, value - 1, value * 2, value / 2, -value, value * 1e9]);
}

/** JSON text of `value`, sometimes with damage that no value has: brackets without end, keys twice, numbers too large. */
export function hostileJson(draw: Draw, value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  if (draw.chance(0.85)) return text;
  const at = draw.below(text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  const depth = draw.pick([10, 1000, 100_000]);
  return draw.pick([
    before,
    before + after.slice(1),
    `${before}1e999${after}`,
    `${before}\\ud800${after}`,
    before + '['.repeat(depth) + after,
    before + '[{"a":'.repeat(depth) + after,
    `{"a":1,"a":2,${text.slice(1)}`,
    `\ufeff${text}`,
    '',
  ]);
}
