// What two schemas say together, as one schema that says exactly that.

import type { FlatSchema, ObjectKeywords, TypeName } from './schema-keywords';
import { unsupported, type JsonSchema } from './schema-document';
import { valueText } from './value-text';

/** Makes the schema that says what two others say. */
type Both = (a: JsonSchema, b: JsonSchema) => JsonSchema;

/** @throws TernionError `unsupported-feature` where the two cannot be put into one. */
export function merged(a: FlatSchema, b: FlatSchema, both: Both): FlatSchema {
  const at = a.pointer;
  if (a.alternatives && b.alternatives) throw unsupported(at, 'several anyOf or oneOf that hold together');
  const types = a.types && b.types ? commonTypes(a.types, b.types) : (a.types ?? b.types);
  const values = a.values && b.values ? commonValues(a.values, b.values) : (a.values ?? b.values);
  const alternatives = a.alternatives ?? b.alternatives;
  const numbers = combined(a.numbers, b.numbers, (x, y) => tightened(x, y, at));
  const strings = combined(a.strings, b.strings, (x, y) => tightened(x, y, at));
  const arrays = combined(a.arrays, b.arrays, (x, y) => mergedArrays(x, y, at, both));
  const objects = combined(a.objects, b.objects, (x, y) => mergedObjects(x, y, at, both));
  return {
    pointer: at,
    ...(types ? { types } : {}),
    ...(values ? { values } : {}),
    ...(alternatives ? { alternatives } : {}),
    ...(numbers ? { numbers } : {}),
    ...(strings ? { strings } : {}),
    ...(arrays ? { arrays } : {}),
    ...(objects ? { objects } : {}),
  };
}

function combined<T>(a: T | undefined, b: T | undefined, merge: (a: T, b: T) => T): T | undefined {
  return a !== undefined && b !== undefined ? merge(a, b) : (a ?? b);
}

function commonTypes(a: readonly TypeName[], b: readonly TypeName[]): TypeName[] {
  const has = (types: readonly TypeName[], type: TypeName): boolean =>
    types.includes(type) || (type === 'integer' && types.includes('number'));
  return [...new Set([...a, ...b])].filter((type) => has(a, type) && has(b, type));
}

function commonValues(a: readonly unknown[], b: readonly unknown[]): unknown[] {
  const texts = new Set(b.map(canonicalText));
  return a.filter((value) => texts.has(canonicalText(value)));
}

/** The same text for values that are equal, whatever the order of their members. */
export function canonicalText(value: unknown): string {
  return valueText(ordered(value), 'json');
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, ordered(item)]));
}

/** Bounds by their narrower one, lists by all that is in them; others have to be the same. */
function tightened<T extends object>(a: T, b: T, at: string): T {
  const result = new Map<string, unknown>(Object.entries(a));
  for (const [name, value] of Object.entries(b)) {
    const other = result.get(name);
    if (other === undefined || other === value) result.set(name, value);
    else if (Array.isArray(other) && Array.isArray(value))
      result.set(name, Array.from(new Set<unknown>((other as unknown[]).concat(value))));
    else if (typeof other === 'number' && typeof value === 'number' && name !== 'multipleOf') {
      result.set(name, /^(min|exclusiveMin)/.test(name) ? Math.max(other, value) : Math.min(other, value));
    } else throw unsupported(at, `two different ${name} that hold together`);
  }
  return Object.fromEntries(result) as T;
}

type Arrays = NonNullable<FlatSchema['arrays']>;

function mergedArrays(a: Arrays, b: Arrays, at: string, both: Both): Arrays {
  const { prefix: p, items: i, ...boundsA } = a;
  const { prefix: q, items: j, ...boundsB } = b;
  const bounds = tightened(boundsA, boundsB, at);
  const length = Math.max(p?.length ?? 0, q?.length ?? 0);
  const prefix = Array.from({ length }, (_, n) => conjunction(p?.[n] ?? i, q?.[n] ?? j, both) ?? true);
  const items = conjunction(i, j, both);
  return { ...bounds, ...(length > 0 ? { prefix } : {}), ...(items === undefined ? {} : { items }) };
}

function mergedObjects(a: ObjectKeywords, b: ObjectKeywords, at: string, both: Both): ObjectKeywords {
  const {
    properties: p,
    required: r,
    others: s,
    patternProperties: patternsA,
    propertyNames: namesA,
    ...restA
  } = a;
  const {
    properties: q,
    required: t,
    others: u,
    patternProperties: patternsB,
    propertyNames: namesB,
    ...restB
  } = b;
  if ((patternsA && says(b)) || (patternsB && says(a)))
    throw unsupported(at, 'patternProperties merged with other members');
  const names = [...new Set([...p.keys(), ...q.keys()])];
  // A name that one of them does not have is one of its additional properties.
  const properties = names.map(
    (name) => [name, conjunction(p.get(name) ?? s, q.get(name) ?? u, both) ?? true] as const,
  );
  const others = conjunction(s, u, both);
  const propertyNames = conjunction(namesA, namesB, both);
  const patternProperties = patternsA ?? patternsB;
  return {
    ...tightened(restA, restB, at),
    properties: new Map(properties),
    required: new Set([...r, ...t]),
    ...(others === undefined ? {} : { others }),
    ...(propertyNames === undefined ? {} : { propertyNames }),
    ...(patternProperties ? { patternProperties } : {}),
  };
}

function says({ properties, others, patternProperties }: ObjectKeywords): boolean {
  return properties.size > 0 || others !== undefined || patternProperties !== undefined;
}

function conjunction(
  a: JsonSchema | undefined,
  b: JsonSchema | undefined,
  both: Both,
): JsonSchema | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a === false || b === false) return false;
  if (a === true || b === true) return a === true ? b : a;
  return both(a, b);
}
