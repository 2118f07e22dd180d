// How much an operation of a template makes, and how long it looks, told by its operands before it runs.
import type { Interpreter } from '@huggingface/jinja';

/** A value of the template library. */
export type Value = ReturnType<Interpreter['evaluate']>;

/** What a value comes to when it is written out, what it holds twice counted twice. */
export interface Extent {
  /** Itself and the values in it. */
  readonly values: number;
  /** Characters of its text, without what `tojson` may add. */
  readonly text: number;
  /** Levels of lists and mappings. */
  readonly depth: number;
}

/** The arguments of a call or a filter. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** Of a string and what is searched for in it, the product of their lengths is the most comparisons there can be. */
interface Search {
  readonly text: string;
  readonly wanted: string;
}

/** `JSON.stringify` and `ensure_ascii` write a character as six at most. */
const ESCAPED = 6;

/** The characters of what a filter or a method of the operand's makes; 0 where that is no longer than the operand. */
export function lengthAfter(
  operation: string,
  operand: Value,
  extent: Extent,
  { positional, named }: Arguments,
): number {
  const argument = (position: number, name: string): Value | undefined =>
    positional[position] ?? named.get(name);
  if (operation === 'tojson') return jsonLength(extent, named);
  if (operation === 'join') return extent.text + extent.values * stringOf(argument(0, 'separator')).length;
  const text = stringOf(operand);
  if (operation === 'indent') {
    const width = argument(0, 'width');
    return text.length + occurrences(text, '\n') * (width ? numberOf(width) : 4);
  }
  if (operation !== 'replace') return 0;
  const [old, by] = [stringOf(positional[0]), stringOf(positional[1])];
  return text.length + occurrences(text, old) * Math.max(0, by.length - old.length);
}

/** The values that a filter or a method makes, where these can be many more than before: the pieces of a text. */
export function valuesAfter(operation: string, operand: Value, { positional }: Arguments): number {
  if (operation !== 'split') return 0;
  const text = stringOf(operand);
  const [separator] = positional;
  if (separator?.type === 'StringValue') return occurrences(text, stringOf(separator));
  let words = 0;
  for (const match of text.matchAll(/\S+/g)) words += match.length;
  return words;
}

/** What a method searches for in its string. */
export function searchOf(operation: string, operand: Value, { positional }: Arguments): Search | undefined {
  if (operation !== 'split' && operation !== 'replace') return undefined;
  return { text: stringOf(operand), wanted: stringOf(positional[0]) };
}

/** What `in` searches for. */
export function searchOfIn(left: Value, right: Value): Search {
  return { text: stringOf(right), wanted: stringOf(left) };
}

function jsonLength({ values, text, depth }: Extent, named: ReadonlyMap<string, Value>): number {
  const separators = named.get('separators')?.value;
  const between = Array.isArray(separators)
    ? separators.reduce((sum, each) => sum + stringOf(each).length, 0)
    : 4;
  const indent = numberOf(named.get('indent'));
  // A newline and the padding before and after each value, at most.
  return ESCAPED * text + values * (between + 2 * (1 + indent * (depth + 1)));
}

/** How often `wanted` is in `text`, and once more: where it is empty, between all characters and at both ends. */
function occurrences(text: string, wanted: string): number {
  if (wanted === '') return text.length + 1;
  let count = 1;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) count++;
  return count;
}

function stringOf(value: Value | undefined): string {
  return typeof value?.value === 'string' ? value.value : '';
}

function numberOf(value: Value | undefined): number {
  return typeof value?.value === 'number' ? Math.max(0, value.value) : 0;
}
