// Whether two schemas exclude each other, so that a value of the one is none of the other: what `oneOf` needs.

import { canonicalText } from './merge-schemas';
import type { JsonSchema } from './schema-document';
import { typesOf, valueFits, type FlatSchema, type ObjectKeywords, type TypeName } from './schema-keywords';

type Flatten = (schema: JsonSchema) => FlatSchema;

/** How deep discriminators are looked for. */
const MAX_DEPTH = 4;

/** The indices of two of the schemas that are not seen to exclude each other; undefined if all do. */
export function firstOverlap(schemas: readonly FlatSchema[], flatten: Flatten): [number, number] | undefined {
  for (const [i, a] of schemas.entries()) {
    for (const [j, b] of schemas.entries()) if (i < j && !excludes(a, b, flatten, MAX_DEPTH)) return [i, j];
  }
  return undefined;
}

function excludes(a: FlatSchema, b: FlatSchema, flatten: Flatten, depth: number): boolean {
  if (a.alternatives || b.alternatives) return false;
  if (a.values && b.values) return areApart(a.values.map(canonicalText), b.values.map(canonicalText));
  if (a.values || b.values) {
    const [values, other] = a.values ? [a.values, b] : [b.values ?? [], a];
    return values.every((value) => !valueFits(value, other.types));
  }
  const common = (a.types ?? typesOf(b)).filter((type) => hasType(b.types, type));
  // Keywords say nothing about values of other types, so types have to be named.
  if (!a.types || !b.types) return false;
  return common.every((type) => type === 'object' && areApartObjects(a.objects, b.objects, flatten, depth));
}

function hasType(types: readonly TypeName[] | undefined, type: TypeName): boolean {
  if (!types) return true;
  return types.some((one) => one === type || isPair(one, type) || isPair(type, one));
}

function isPair(a: TypeName, b: TypeName): boolean {
  return a === 'integer' && b === 'number';
}

function areApart(a: readonly string[], b: readonly string[]): boolean {
  const known = new Set(a);
  return b.every((text) => !known.has(text));
}

function areApartObjects(
  a: ObjectKeywords | undefined,
  b: ObjectKeywords | undefined,
  flatten: Flatten,
  depth: number,
): boolean {
  if (!a || !b || depth === 0) return false;
  if (refusesMemberOf(a, b) || refusesMemberOf(b, a)) return true;
  // A property that both describe and one requires tells them apart, if its values do.
  return [...a.properties].some(([name, schema]) => {
    const other = b.properties.get(name);
    if (other === undefined || !(a.required.has(name) || b.required.has(name))) return false;
    return excludes(flatten(schema), flatten(other), flatten, depth - 1);
  });
}

/** Whether `b` requires a property that `a` does not allow. */
function refusesMemberOf(a: ObjectKeywords, b: ObjectKeywords): boolean {
  if (a.others !== false || a.patternProperties) return false;
  return Array.from(b.required).some((name) => !a.properties.has(name));
}
