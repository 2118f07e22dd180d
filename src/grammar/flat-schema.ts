// One schema with all that applies to it in one place: its own keywords with those of $ref and allOf.

import { merged } from './merge-schemas';
import { malformed, unsupported, type JsonSchema, type SchemaDocument } from './schema-document';
import { isAnnotation, isSchemaList, KeywordReader, type FlatSchema } from './schema-keywords';

const MAX_STEPS = 20_000;
/** Within each other: whoever reads them recurses. */
const MAX_OPEN = 300;

/** Flattens the schemas of one document. */
export class Flattener {
  readonly #known = new Map<object, FlatSchema>();
  readonly #open = new Set<object>();
  #steps = 0;

  constructor(readonly document: SchemaDocument) {}

  /** @throws TernionError `invalid-argument` if a keyword is malformed, `unsupported-feature` if one is not known. */
  flat(schema: JsonSchema): FlatSchema {
    if (typeof schema === 'boolean') return { pointer: '#', ...(schema ? {} : { values: [] }) };
    const known = this.#known.get(schema);
    if (known) return known;
    const pointer = this.document.pointerOf(schema);
    if (this.#open.has(schema)) throw unsupported(pointer, 'a $ref leads back to itself without an end');
    if (++this.#steps > MAX_STEPS || this.#open.size > MAX_OPEN)
      throw unsupported(pointer, 'allOf and $ref come to more schemas than can be merged');
    this.#open.add(schema);
    const parts = this.#referred(schema, pointer).map((part) => this.flat(part));
    const own = new KeywordReader(schema, pointer).flat();
    const flat = parts.reduce((all, part) => this.merge(all, part), own);
    this.#open.delete(schema);
    this.#known.set(schema, flat);
    return flat;
  }

  /** What both say. */
  merge(a: FlatSchema, b: FlatSchema): FlatSchema {
    return merged(a, b, (first, second) => {
      const both = { allOf: [first, second] };
      this.document.place(both, typeof first === 'object' ? this.document.pointerOf(first) : a.pointer);
      return both;
    });
  }

  /** The schema that this one is another name of; undefined if it says something itself. */
  target(schema: JsonSchema): JsonSchema | undefined {
    if (typeof schema === 'boolean' || typeof schema.$ref !== 'string') return undefined;
    const says = Object.keys(schema).some((key) => key !== '$ref' && !isAnnotation(key));
    return says ? undefined : this.document.resolve(schema.$ref, this.document.pointerOf(schema));
  }

  #referred(schema: Exclude<JsonSchema, boolean>, pointer: string): JsonSchema[] {
    const { $ref, allOf } = schema;
    if ($ref !== undefined && typeof $ref !== 'string') throw malformed(pointer, '$ref is no text');
    if (allOf !== undefined && !isSchemaList(allOf)) throw malformed(pointer, 'allOf is no list of schemas');
    return [...($ref === undefined ? [] : [this.document.resolve($ref, pointer)]), ...(allOf ?? [])];
  }
}
