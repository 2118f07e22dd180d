// Rules for numbers between bounds: by their digits, so that what is derived is in the range exactly.
//
// Integers have up to 15 digits, other numbers up to 9 before the point and 6 behind it: a double keeps 15 digits, so a reader
// that compares doubles agrees with what is decided here on digits. Exponents, leading zeros and minus zero are not derived.

import { anyOf, literal, repeated } from './ebnf';

/** Bounds of a number, each with itself or without. */
export interface NumberBounds {
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

const INTEGER_DIGITS = 15;
const WHOLE_DIGITS = 9;
const DECIMALS = 6;
const SCALE = 10n ** BigInt(DECIMALS);
const MAX_INTEGER = 10n ** BigInt(INTEGER_DIGITS) - 1n;
const MAX_SCALED = 10n ** BigInt(WHOLE_DIGITS + DECIMALS) - 1n;
/** Multiples in a range are listed, up to so many. */
const MAX_MULTIPLES = 2000n;

/** Whether a number is within bounds. */
export function isWithin(value: number, bounds: NumberBounds): boolean {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum, exclusiveMaximum } = bounds;
  const isAbove = exclusiveMinimum === undefined || value > exclusiveMinimum;
  const isBelow = exclusiveMaximum === undefined || value < exclusiveMaximum;
  return value >= minimum && value <= maximum && isAbove && isBelow;
}

/** The EBNF of the integers within bounds; undefined if there are none of up to 15 digits. */
export function integers(bounds: NumberBounds): string | undefined {
  const [low, high] = scaledRange(bounds, 1n, MAX_INTEGER);
  const signed = bySign(low, high, (from, to) => wholeRange(from, to));
  return signed.length === 0 ? undefined : anyOf(signed);
}

/** The EBNF of all numbers within bounds; undefined if there are none of so few digits. */
export function numbers(bounds: NumberBounds): string | undefined {
  const whole = integers(bounds);
  const [low, high] = scaledRange(bounds, SCALE, MAX_SCALED);
  const decimal = bySign(low, high, decimalRange);
  const all = [...(whole === undefined ? [] : [whole]), ...decimal];
  return all.length === 0 ? undefined : anyOf(all);
}

/** The EBNF of the multiples of an integer within bounds; undefined if there are none. They must be few. */
export function multiples(of: number, bounds: NumberBounds): string | undefined {
  const [first, last] = multiplesWithin(of, bounds);
  if (first > last) return undefined;
  return anyOf(
    Array.from({ length: Number(last - first) + 1 }, (_, i) =>
      literal(`${(first + BigInt(i)) * BigInt(of)}`),
    ),
  );
}

/** Whether the multiples of an integer within bounds can be listed. */
export function areMultiplesFew(of: number, bounds: NumberBounds): boolean {
  const [first, last] = multiplesWithin(of, bounds);
  return last - first < MAX_MULTIPLES;
}

function multiplesWithin(of: number, bounds: NumberBounds): [first: bigint, last: bigint] {
  const [low, high] = scaledRange(bounds, 1n, MAX_INTEGER);
  return [ceilDiv(low, BigInt(of)), -ceilDiv(-high, BigInt(of))];
}

/** The least and the greatest integer n within ±`most` for which n / scale is within the bounds. */
function scaledRange(bounds: NumberBounds, scale: bigint, most: bigint): [low: bigint, high: bigint] {
  let low = -most;
  let high = most;
  const atLeast = (n: bigint): bigint => (low = n > low ? n : low);
  const atMost = (n: bigint): bigint => (high = n < high ? n : high);
  if (bounds.minimum !== undefined) atLeast(ceilScaled(bounds.minimum, scale));
  if (bounds.maximum !== undefined) atMost(-ceilScaled(-bounds.maximum, scale));
  if (bounds.exclusiveMinimum !== undefined) atLeast(-ceilScaled(-bounds.exclusiveMinimum, scale) + 1n);
  if (bounds.exclusiveMaximum !== undefined) atMost(ceilScaled(bounds.exclusiveMaximum, scale) - 1n);
  return [low, high];
}

/** The least integer that is not below value · scale, computed on the digits that the number is written with. */
function ceilScaled(value: number, scale: bigint): bigint {
  const [, sign = '', whole = '0', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(String(value)) ?? [];
  const digits = BigInt(sign + whole + fraction) * scale;
  const shift = Number(exponent) - fraction.length;
  return shift >= 0 ? digits * 10n ** BigInt(shift) : ceilDiv(digits, 10n ** BigInt(-shift));
}

function ceilDiv(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return quotient * by < value ? quotient + 1n : quotient;
}

/** The parts below and from zero on, of which `range` gives the magnitudes. */
function bySign(
  low: bigint,
  high: bigint,
  range: (from: bigint, to: bigint) => string | undefined,
): string[] {
  if (low > high) return [];
  const from = low > 0n ? low : 0n;
  const positive = high >= from ? range(from, high) : undefined;
  const to = high < 0n ? -high : 1n;
  const negative = low < 0n && -low >= to ? range(to, -low) : undefined;
  return [
    ...(negative === undefined ? [] : [`"-" ${negative}`]),
    ...(positive === undefined ? [] : [positive]),
  ];
}

/** The integers from `from` (0 or more) to `to`, without leading zeros. */
function wholeRange(from: bigint, to: bigint): string {
  const [low, high] = [String(from), String(to)];
  if (low.length === high.length) return sameLength(low, high);
  const alternatives = [sameLength(low, '9'.repeat(low.length))];
  const between = high.length - low.length - 1;
  if (between > 0) alternatives.push(`[1-9] ${digitsBetween(low.length, high.length - 2)}`);
  alternatives.push(sameLength(`1${'0'.repeat(high.length - 1)}`, high));
  return anyOf(alternatives);
}

function digitsBetween(min: number, max: number): string {
  return repeated('[0-9]', min, max);
}

/** The digits from `low` to `high`, which are of the same length, as texts of that length. */
function sameLength(low: string, high: string): string {
  const rest = low.length - 1;
  if (rest < 0) return '""';
  if (isAll('0', low) && isAll('9', high)) return digitsBetween(low.length, low.length);
  const [a = 0, b = 0] = [Number(low[0]), Number(high[0])];
  if (a === b) return rest === 0 ? digit(a, a) : `${digit(a, a)} ${sameLength(low.slice(1), high.slice(1))}`;
  const lowIsWhole = isAll('0', low.slice(1));
  const highIsWhole = isAll('9', high.slice(1));
  const alternatives: string[] = [];
  if (!lowIsWhole) alternatives.push(`${digit(a, a)} ${sameLength(low.slice(1), '9'.repeat(rest))}`);
  const [first, last] = [lowIsWhole ? a : a + 1, highIsWhole ? b : b - 1];
  if (first <= last)
    alternatives.push(rest === 0 ? digit(first, last) : `${digit(first, last)} ${digitsBetween(rest, rest)}`);
  if (!highIsWhole) alternatives.push(`${digit(b, b)} ${sameLength('0'.repeat(rest), high.slice(1))}`);
  return anyOf(alternatives);
}

function digit(first: number, last: number): string {
  return first === last ? `"${first}"` : `[${first}-${last}]`;
}

/** The numbers with a point from `from` to `to` (0 or more), in units of the last decimal. */
function decimalRange(from: bigint, to: bigint): string {
  const [firstWhole, lastWhole] = [from / SCALE, to / SCALE];
  const [low, high] = [decimalsOf(from), decimalsOf(to)];
  if (firstWhole === lastWhole) return pointed(firstWhole, fraction(low, high));
  const alternatives: string[] = [];
  const firstIsWhole = isAll('0', low);
  const lastIsWhole = isAll('9', high);
  if (!firstIsWhole) alternatives.push(pointed(firstWhole, fraction(low, '9'.repeat(DECIMALS))));
  const first = firstIsWhole ? firstWhole : firstWhole + 1n;
  const last = lastIsWhole ? lastWhole : lastWhole - 1n;
  if (first <= last) alternatives.push(`${wholeRange(first, last)} "." ${digitsBetween(1, DECIMALS)}`);
  if (!lastIsWhole) alternatives.push(pointed(lastWhole, fraction('0'.repeat(DECIMALS), high)));
  return anyOf(alternatives);
}

function pointed(whole: bigint, decimals: string): string {
  return `"${whole}." ${decimals}`;
}

function decimalsOf(scaled: bigint): string {
  return String(scaled % SCALE).padStart(DECIMALS, '0');
}

/** One to `low.length` decimals that are from `low` to `high` when they are filled up with zeros. */
function fraction(low: string, high: string): string {
  const rest = low.length - 1;
  if (isAll('0', low) && isAll('9', high)) return digitsBetween(1, low.length);
  const [a = 0, b = 0] = [Number(low[0]), Number(high[0])];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  if (a === b) return `${digit(a, a)} ${moreDecimals(lowRest, highRest)}`;
  const lowIsWhole = isAll('0', lowRest);
  const highIsWhole = isAll('9', highRest);
  const alternatives: string[] = [];
  if (!lowIsWhole) alternatives.push(`${digit(a, a)} ${moreDecimals(lowRest, '9'.repeat(rest))}`);
  const [first, last] = [lowIsWhole ? a : a + 1, highIsWhole ? b : b - 1];
  if (first <= last) alternatives.push(`${digit(first, last)} ${rest === 0 ? '""' : digitsBetween(0, rest)}`);
  if (!highIsWhole) alternatives.push(`${digit(b, b)} ${moreDecimals('0'.repeat(rest), highRest)}`);
  return anyOf(alternatives);
}

function moreDecimals(low: string, high: string): string {
  if (low === '') return '""';
  return isAll('0', low) ? `(${fraction(low, high)})?` : fraction(low, high);
}

function isAll(character: '0' | '9', digits: string): boolean {
  return digits === character.repeat(digits.length);
}
