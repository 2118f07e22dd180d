// What is looked at before a schema becomes a grammar: how large and how deep it is, where its references lead, whether its values end.

import { TernionError } from '../errors';

/** A JSON Schema: an object of keywords, or whether anything is allowed. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };
export type SchemaObject = Exclude<JsonSchema, boolean>;

const MAX_CHARACTERS = 256 * 1024;
const MAX_DEPTH = 64;
const MAX_NODES = 20_000;

/** Throws `invalid-argument` for a schema that no grammar is made of: too large, too deep, with a circle of objects. */
export function checkSize(schema: JsonSchema): void {
  let nodes = 0;
  let characters = 0;
  const walk = (value: unknown, depth: number): void => {
    if (++nodes > MAX_NODES) throw invalid(`The schema has more than ${MAX_NODES} values.`);
    if (depth > MAX_DEPTH)
      throw invalid(`The schema is nested more than ${MAX_DEPTH} deep, or goes in a circle.`);
    if (typeof value === 'string') characters += value.length;
    if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        characters += key.length;
        walk(item, depth + 1);
      }
    }
    if (characters > MAX_CHARACTERS)
      throw invalid(`The schema has more than ${MAX_CHARACTERS / 1024} KiB of text.`);
  };
  walk(schema, 0);
}

/** The part of a schema that a reference names: `#`, or `#/` and the path to it. */
export function resolveReference(root: JsonSchema, reference: unknown, at: string): JsonSchema {
  if (typeof reference !== 'string') throw invalid(`${at} is no text.`);
  if (reference !== '#' && !reference.startsWith('#/')) {
    throw unsupported(
      `${at}: only references within the schema can be followed (#/$defs/…), not ${reference}.`,
    );
  }
  const steps = reference
    .split('/')
    .slice(1)
    .map((step) => unescaped(step));
  let part: unknown = root;
  for (const step of steps) {
    const isThere = typeof part === 'object' && part !== null && Object.hasOwn(part, step);
    if (!isThere) throw invalid(`${at}: there is nothing at ${reference}.`);
    part = (part as Record<string, unknown>)[step];
  }
  return asSchema(part, reference);
}

function unescaped(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return step;
  }
}

/** `value` as a schema. Throws `invalid-argument` if it is none. */
export function asSchema(value: unknown, at: string): JsonSchema {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as SchemaObject;
  throw invalid(`${at} is no schema: it has to be an object, or true or false.`);
}

/**
 * Whether some value of the schema is finite: one that must have itself inside, without an end, is none. What is malformed is
 * found elsewhere.
 */
export function hasValues(schema: JsonSchema, root: JsonSchema, behind: readonly string[] = []): boolean {
  if (typeof schema === 'boolean') return schema;
  const every = (list: unknown): boolean => schemas(list).every((each) => hasValues(each, root, behind));
  const { $ref: reference, type, nullable, required, properties, anyOf, oneOf, allOf } = schema;
  if (typeof reference === 'string') {
    if (behind.includes(reference) || behind.length > MAX_DEPTH) return false;
    return hasValues(resolveReference(root, reference, '$ref'), root, [...behind, reference]);
  }
  for (const list of [anyOf, oneOf]) {
    if (Array.isArray(list) && !schemas(list).some((each) => hasValues(each, root, behind))) return false;
  }
  if (!every(allOf)) return false;
  // Another type that is allowed may have an end.
  if ((Array.isArray(type) && type.length > 1) || (type !== undefined && nullable === true)) return true;
  if (!every(itemsNeeded(schema))) return false;
  const named =
    Array.isArray(required) && typeof properties === 'object' && properties !== null ? required : [];
  return every(named.map((name) => (properties as Record<string, unknown>)[String(name)]));
}

/** The schemas of the items that an array has at least. */
function itemsNeeded({ minItems, items, prefixItems, additionalItems }: SchemaObject): readonly unknown[] {
  const least = typeof minItems === 'number' ? minItems : 0;
  const isTuple = Array.isArray(items);
  const places: unknown = isTuple ? items : prefixItems;
  const first: readonly unknown[] = Array.isArray(places) ? places : [];
  const behind: unknown = isTuple ? additionalItems : items;
  return [...first.slice(0, least), ...(least > first.length ? [behind] : [])];
}

function schemas(list: unknown): JsonSchema[] {
  const all: readonly unknown[] = Array.isArray(list) ? list : [];
  return all.filter(
    (each): each is JsonSchema => typeof each === 'boolean' || (typeof each === 'object' && each !== null),
  );
}

export function invalid(message: string): TernionError {
  return new TernionError('invalid-argument', message);
}

export function unsupported(message: string): TernionError {
  return new TernionError('unsupported-feature', message);
}
