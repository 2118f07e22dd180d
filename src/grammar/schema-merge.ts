// Several schemas that hold at once (`allOf`, and what stands beside `anyOf`) as one; and whether two can hold at once (`oneOf`).

import { invalid, resolveReference, unsupported, type JsonSchema, type SchemaObject } from './schema-bounds';
import { IGNORED } from './schema-keywords';

/** Follows a reference that stands alone, as often as there is one. Throws for one that goes in a circle. */
export function dereferenced(schema: JsonSchema, root: JsonSchema, at: string): JsonSchema {
  let found = schema;
  for (let i = 0; typeof found === 'object' && '$ref' in found; i++) {
    if (i > 64) throw invalid(`${at}: a reference goes in a circle.`);
    const { $ref: reference, ...beside } = found;
    const target = resolveReference(root, reference, `${at}/$ref`);
    found = Object.keys(beside).every((key) => IGNORED.has(key)) ? target : merged(target, beside, root, at);
  }
  return withNull(found);
}

/**
 * `nullable` of OpenAPI 3.0, said as JSON Schema does: it adds a type to the one beside it, and says nothing without one. Values
 * that are listed have to list null as well.
 */
export function withNull(schema: JsonSchema): JsonSchema {
  if (typeof schema === 'boolean' || !('nullable' in schema)) return schema;
  const { nullable, ...rest } = schema;
  if (nullable !== true || rest['type'] === undefined) return rest;
  return { ...rest, type: [...new Set([...typesOf(rest['type']), 'null'])] };
}

/** The schema of what both allow. Throws `unsupported-feature` by the keyword that cannot be put together. */
export function merged(a: JsonSchema, b: JsonSchema, root: JsonSchema, at: string): JsonSchema {
  const [first, second] = [dereferenced(a, root, at), dereferenced(b, root, at)];
  if (typeof first === 'boolean') return first ? second : false;
  if (typeof second === 'boolean') return second ? first : false;
  checkClosed(first, second, at);
  checkPlaces(first, second, at);
  const result: Record<string, unknown> = { ...first };
  for (const [keyword, value] of Object.entries(second)) {
    if (IGNORED.has(keyword) || !Object.hasOwn(first, keyword)) result[keyword] ??= value;
    else result[keyword] = mergedKeyword(keyword, first[keyword], value, root, at);
  }
  return result;
}

/** Closed objects refuse the members that only the other one names. */
function checkClosed(a: SchemaObject, b: SchemaObject, at: string): void {
  for (const [closed, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const isOpen = [undefined, true].some((open) => open === closed['additionalProperties']);
    // Where it is said of the whole, it is no matter; but whether it is, cannot be seen here.
    if (isOpen && closed['unevaluatedProperties'] !== false) continue;
    const known = Object.keys(closed['properties'] ?? {});
    const foreign = Object.keys(other['properties'] ?? {}).find((name) => !known.includes(name));
    if (foreign !== undefined)
      throw unsupported(
        `${at}: additionalProperties of one part is about the members of another (${foreign}).`,
      );
  }
}

/** What `items` is about depends on the places that stand beside it. */
function checkPlaces(a: SchemaObject, b: SchemaObject, at: string): void {
  const keywords = ['prefixItems', 'items', 'additionalItems', 'unevaluatedItems'];
  const [places, others] = [a, b].map((schema) => keywords.filter((keyword) => keyword in schema));
  if (!places?.length || !others?.length) return;
  const isTuple = [a, b].some((schema) => 'prefixItems' in schema || Array.isArray(schema['items']));
  const isSame = keywords.every((keyword) => JSON.stringify(a[keyword]) === JSON.stringify(b[keyword]));
  if (isTuple && !isSame)
    throw unsupported(`${at}: two of ${places[0] ?? 'items'} hold at once, which no grammar has.`);
}

function mergedKeyword(keyword: string, a: unknown, b: unknown, root: JsonSchema, at: string): unknown {
  if (JSON.stringify(a) === JSON.stringify(b)) return a;
  switch (keyword) {
    case 'type':
      return commonTypes(typesOf(a), typesOf(b));
    case 'required':
      return [...new Set([...(a as string[]), ...(b as string[])])];
    case 'enum':
      return (a as unknown[]).filter((value) => includes(b as unknown[], value));
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      // Draft 4 has flags here, which are about the bound beside them.
      if (typeof a !== 'number' || typeof b !== 'number')
        throw unsupported(`${at}: two of ${keyword} hold at once, which no grammar has.`);
      return keyword === 'exclusiveMinimum' ? Math.max(a, b) : Math.min(a, b);
    case 'minimum':
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return Math.max(a as number, b as number);
    case 'maximum':
    case 'maxLength':
    case 'maxItems':
    case 'maxProperties':
      return Math.min(a as number, b as number);
    case 'properties': {
      // A map: members may be called `constructor` or `__proto__`.
      const members = new Map(Object.entries(a as Record<string, JsonSchema>));
      for (const [name, schema] of Object.entries(b as Record<string, JsonSchema>)) {
        const own = members.get(name);
        members.set(name, own === undefined ? schema : merged(own, schema, root, `${at}/properties/${name}`));
      }
      return Object.fromEntries(members);
    }
    case 'items':
    case 'additionalProperties':
      return merged(a as JsonSchema, b as JsonSchema, root, `${at}/${keyword}`);
    default:
      throw unsupported(`${at}: two of ${keyword} hold at once, which no grammar has.`);
  }
}

function commonTypes(a: readonly string[], b: readonly string[]): string[] {
  const isInteger = (types: readonly string[]): boolean =>
    types.includes('integer') && !types.includes('number');
  const common = a.filter((type) => b.includes(type));
  return (isInteger(a) && b.includes('number')) || (isInteger(b) && a.includes('number'))
    ? [...common, 'integer']
    : common;
}

function typesOf(type: unknown): readonly string[] {
  return Array.isArray(type) ? (type as string[]) : [type as string];
}

function includes(values: readonly unknown[], value: unknown): boolean {
  return values.some((each) => JSON.stringify(each) === JSON.stringify(value));
}

/** Whether it is plain that no value fits both: by their types, by the values that they list, or by a member that both require. */
export function areDisjoint(a: JsonSchema, b: JsonSchema, root: JsonSchema, at: string, depth = 0): boolean {
  const [first, second] = [dereferenced(a, root, at), dereferenced(b, root, at)];
  if (typeof first === 'boolean' || typeof second === 'boolean') return first === false || second === false;
  const [listed, others] = [valuesOf(first), valuesOf(second)];
  if (listed && others) return !listed.some((value) => includes(others, value));
  const [types, otherTypes] = [typesAllowed(first, listed), typesAllowed(second, others)];
  if (types && otherTypes && !types.some((type) => otherTypes.includes(type))) return true;
  if (depth > 3) return false;
  const required = ((first['required'] ?? []) as string[]).filter((name) =>
    ((second['required'] ?? []) as string[]).includes(name),
  );
  const [members, otherMembers] = [first, second].map(
    ({ properties }) => new Map(Object.entries((properties ?? {}) as Record<string, JsonSchema>)),
  );
  return required.some((name) => {
    const [own, other] = [members?.get(name), otherMembers?.get(name)];
    return own !== undefined && other !== undefined && areDisjoint(own, other, root, at, depth + 1);
  });
}

function valuesOf({ enum: listed, const: only, ...rest }: SchemaObject): readonly unknown[] | undefined {
  if (only !== undefined || 'const' in rest) return [only];
  return Array.isArray(listed) ? listed : undefined;
}

/** Integers are numbers. */
function typesAllowed(
  { type }: SchemaObject,
  listed: readonly unknown[] | undefined,
): readonly string[] | undefined {
  if (listed) return listed.map((value) => typeOf(value));
  return type === undefined ? undefined : typesOf(type).map((each) => (each === 'integer' ? 'number' : each));
}

/** The type of a value, as JSON Schema names it; all numbers are `number`. */
export function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
