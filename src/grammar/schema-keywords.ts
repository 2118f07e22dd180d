// The keywords of one schema, read and checked; what nobody reads is refused, so that nothing is silently not enforced.

import type { NumberBounds } from './json-numbers';
import { isSchema, malformed, unsupported, type JsonSchema } from './schema-document';

export type TypeName = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

/** What a schema says, by the types that it says it of. */
export interface FlatSchema {
  pointer: string;
  /** All types where there are none. */
  types?: readonly TypeName[];
  /** Of `enum` and `const`. */
  values?: readonly unknown[];
  alternatives?: { keyword: 'anyOf' | 'oneOf'; of: readonly JsonSchema[] };
  numbers?: NumberBounds & { multipleOf?: number };
  strings?: { minLength?: number; maxLength?: number; patterns?: readonly string[]; format?: string };
  objects?: ObjectKeywords;
  arrays?: { prefix?: readonly JsonSchema[]; items?: JsonSchema; minItems?: number; maxItems?: number };
}

export interface ObjectKeywords {
  properties: ReadonlyMap<string, JsonSchema>;
  required: ReadonlySet<string>;
  /** `additionalProperties`. */
  others?: JsonSchema;
  patternProperties?: ReadonlyMap<string, JsonSchema>;
  propertyNames?: JsonSchema;
  /** `unevaluatedProperties: false`. */
  closed?: true;
  minProperties?: number;
  maxProperties?: number;
}

/** Keywords that say nothing about which values are right. */
const ANNOTATIONS: ReadonlySet<string> = new Set(
  `$schema $id id $comment $anchor $defs definitions title description default examples example deprecated readOnly writeOnly
  contentMediaType contentEncoding contentSchema discriminator externalDocs xml errorMessage ~standard`.split(
    /\s+/,
  ),
);

const TYPES: readonly TypeName[] = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
const MAX_VALUES = 10_000;
/** Whether a keyword says nothing about which values are right. */
export function isAnnotation(key: string): boolean {
  return ANNOTATIONS.has(key) || key.startsWith('x-');
}

export function isSchemaList(value: unknown): value is JsonSchema[] {
  return Array.isArray(value) && value.length > 0 && value.every(isSchema);
}

/** Reads the keywords of one schema, and refuses those that nobody has read. */
export class KeywordReader {
  readonly #read = new Set(['$ref', 'allOf']);

  constructor(
    private readonly schema: Exclude<JsonSchema, boolean>,
    private readonly pointer: string,
  ) {}

  flat(): FlatSchema {
    const flat: FlatSchema = { pointer: this.pointer };
    const values = this.#values();
    const types = this.#types();
    const alternatives = this.#alternatives();
    if (types) flat.types = types;
    if (values) flat.values = values;
    if (alternatives) flat.alternatives = alternatives;
    const numbers = this.#numbers([
      'minimum',
      'maximum',
      'exclusiveMinimum',
      'exclusiveMaximum',
      'multipleOf',
    ]);
    const strings = { ...this.#counts(['minLength', 'maxLength']), ...this.#strings() };
    const arrays = { ...this.#items(), ...this.#counts(['minItems', 'maxItems']) };
    const objects = this.#objects();
    if (Object.keys(numbers).length > 0) flat.numbers = numbers;
    if (Object.keys(strings).length > 0) flat.strings = strings;
    if (Object.keys(arrays).length > 0) flat.arrays = arrays;
    if (objects) flat.objects = objects;
    this.#refuseOthers();
    return flat;
  }

  #take(key: string): unknown {
    this.#read.add(key);
    return Object.hasOwn(this.schema, key) ? this.schema[key] : undefined;
  }

  #refuseOthers(): void {
    // What is always true may stand there: tools write it without a thought.
    if (this.#take('uniqueItems') === true) throw unsupported(this.pointer, 'the keyword uniqueItems');
    const unread = Object.keys(this.schema).find((key) => !this.#read.has(key) && !isAnnotation(key));
    if (unread !== undefined) throw unsupported(this.pointer, `the keyword ${unread.slice(0, 80)}`);
  }

  #types(): readonly TypeName[] | undefined {
    const [type, nullable] = [this.#take('type'), this.#take('nullable')];
    if (type === undefined) return undefined;
    const names: unknown[] = Array.isArray(type) ? type : [type];
    const found = TYPES.filter((name) => names.includes(name) || (name === 'null' && nullable === true));
    const unknown = names.find((name) => !TYPES.some((known) => known === name));
    if (unknown !== undefined || names.length === 0)
      throw malformed(this.pointer, `type is ${JSON.stringify(type)}`);
    return found.includes('number') ? found.filter((name) => name !== 'integer') : found;
  }

  #values(): readonly unknown[] | undefined {
    const values = this.#take('enum');
    const hasConst = Object.hasOwn(this.schema, 'const');
    const constant = this.#take('const');
    // What excludes everything is how libraries write that no value is right.
    const not = this.#take('not');
    if (not === true || (isSchema(not) && Object.keys(not).length === 0 && not !== false)) return [];
    if (not !== undefined) throw unsupported(this.pointer, 'the keyword not');
    if (values !== undefined && !Array.isArray(values)) throw malformed(this.pointer, 'enum is no list');
    if (values && values.length > MAX_VALUES)
      throw malformed(this.pointer, `enum has more than ${MAX_VALUES} values`);
    if (!hasConst) return values;
    return values?.every((value) => JSON.stringify(value) !== JSON.stringify(constant)) ? [] : [constant];
  }

  #alternatives(): FlatSchema['alternatives'] {
    const [any, one] = [this.#take('anyOf'), this.#take('oneOf')];
    if (any !== undefined && one !== undefined) throw unsupported(this.pointer, 'anyOf beside oneOf');
    const of = any ?? one;
    if (of === undefined) return undefined;
    const keyword = any === undefined ? 'oneOf' : 'anyOf';
    if (!isSchemaList(of)) throw malformed(this.pointer, `${keyword} is no list of schemas`);
    return { keyword, of };
  }

  #numbers<Name extends string>(names: readonly Name[]): { [name in Name]?: number } {
    const read: { [name in Name]?: number } = {};
    for (const name of names) {
      const value = this.#take(name);
      if (value === undefined) continue;
      if (typeof value !== 'number') throw malformed(this.pointer, `${name} is no number`);
      read[name] = value;
    }
    return read;
  }

  #counts<Name extends string>(names: readonly Name[]): { [name in Name]?: number } {
    const read = this.#numbers(names);
    const bad = names.find((name) => !Number.isSafeInteger(read[name] ?? 0) || (read[name] ?? 0) < 0);
    if (bad !== undefined) throw malformed(this.pointer, `${bad} is no count`);
    return read;
  }

  #strings(): { patterns?: readonly string[]; format?: string } {
    const [pattern, format] = [this.#take('pattern'), this.#take('format')];
    for (const text of [pattern, format]) {
      if (text !== undefined && typeof text !== 'string')
        throw malformed(this.pointer, 'pattern or format is no text');
    }
    return {
      ...(typeof pattern === 'string' ? { patterns: [pattern] } : {}),
      ...(typeof format === 'string' ? { format } : {}),
    };
  }

  #schema(name: string): JsonSchema | undefined {
    const value = this.#take(name);
    if (value !== undefined && !isSchema(value)) throw malformed(this.pointer, `${name} is no schema`);
    return value;
  }

  #schemas(name: string): ReadonlyMap<string, JsonSchema> | undefined {
    const value = this.#schema(name);
    if (value === undefined) return undefined;
    const entries = Object.entries(value);
    const bad = entries.find(([, schema]) => !isSchema(schema));
    if (bad || typeof value === 'boolean') throw malformed(this.pointer, `${name} has what is no schema`);
    return new Map(entries.filter((entry): entry is [string, JsonSchema] => isSchema(entry[1])));
  }

  /** Draft 07 has a list in `items`, and `additionalItems` for those behind. */
  #items(): { prefix?: readonly JsonSchema[]; items?: JsonSchema } {
    const prefix = this.#take('prefixItems');
    const listed = Array.isArray(this.schema.items) ? this.#take('items') : undefined;
    const first = prefix ?? listed;
    if (first !== undefined && !isSchemaList(first))
      throw malformed(this.pointer, 'the first items are no list of schemas');
    const items = this.#schema(listed === undefined ? 'items' : 'additionalItems');
    return { ...(first ? { prefix: first } : {}), ...(items === undefined ? {} : { items }) };
  }

  #objects(): ObjectKeywords | undefined {
    const properties = this.#schemas('properties');
    const required = this.#take('required');
    const rest = {
      others: this.#schema('additionalProperties'),
      patternProperties: this.#schemas('patternProperties'),
      propertyNames: this.#schema('propertyNames'),
      closed: this.#take('unevaluatedProperties'),
      ...this.#counts(['minProperties', 'maxProperties']),
    };
    if (
      required !== undefined &&
      !(Array.isArray(required) && required.every((name) => typeof name === 'string'))
    ) {
      throw malformed(this.pointer, 'required is no list of names');
    }
    const { closed, ...given } = Object.fromEntries(
      Object.entries(rest).filter(([, value]) => value !== undefined),
    );
    if (closed !== undefined && closed !== false)
      throw unsupported(this.pointer, 'the keyword unevaluatedProperties');
    if (!properties && !required && closed === undefined && Object.keys(given).length === 0) return undefined;
    return {
      properties: properties ?? new Map<string, JsonSchema>(),
      required: new Set(required),
      ...given,
      ...(closed === false ? { closed: true } : {}),
    };
  }
}

/** The types that values of the schema are derived of: those that it names, or those that its keywords are about, or all. */
export function typesOf(flat: FlatSchema): readonly TypeName[] {
  if (flat.types) return flat.types;
  const about: readonly (TypeName | undefined)[] = [
    flat.numbers && 'number',
    flat.strings && 'string',
    flat.arrays && 'array',
    flat.objects && 'object',
  ];
  const named = about.filter((type) => type !== undefined);
  return named.length > 0 ? named : TYPES.filter((type) => type !== 'integer');
}

/** Whether a value is of one of these types; any is, where there are none. */
export function valueFits(value: unknown, types: readonly TypeName[] | undefined): boolean {
  if (!types) return true;
  if (value === null) return types.includes('null');
  if (Array.isArray(value)) return types.includes('array');
  if (typeof value === 'number')
    return types.includes('number') || (types.includes('integer') && Number.isInteger(value));
  return types.some((type) => type === typeof value);
}
