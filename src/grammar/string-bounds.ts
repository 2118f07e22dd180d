// Where in a JSON value the strings are whose lengths the rules leave open.

import type { Flattener } from './flat-schema';
import type { StringLengths } from './grammar';
import { unsupported, type JsonSchema } from './schema-document';
import { typesOf, type FlatSchema } from './schema-keywords';

/**
 * The length up to which rules count: each character more takes 30 ms to compile for a vocabulary of 128,000 tokens (measured
 * with xgrammar 0.1.27 under Node).
 */
const COUNTED = 20;
const MAX_STEPS = 20_000;
/** As JSON has no infinity. */
const NO_MAXIMUM = Number.MAX_SAFE_INTEGER;

/** Whether rules do not count as far as these bounds. */
export function isLong(min: number, max: number): boolean {
  return min > COUNTED || (max > COUNTED && max !== Infinity);
}

/** Strings at one place: those that rules leave open, and those that they do not. */
interface Place {
  open?: { min: number; max: number };
  closed?: { min: number; max: number };
  pointer: string;
  /** By key or index; `*` is all that have no name of their own. */
  inside: Map<string, Place>;
  /** How many schemas say what is inside. */
  sources: number;
}

/**
 * The bounds of the strings that are too long for rules to count, by their paths.
 *
 * Where several schemas may describe the string at one path, the narrowest bounds of them hold for all.
 *
 * @throws TernionError `unsupported-feature` where the path does not say which bounds hold: below a schema that contains itself,
 *   or where alternatives differ in more than the length.
 */
export function stringBounds(flattener: Flattener, schema: JsonSchema): StringLengths['bounds'] {
  const root: Place = { pointer: '#', inside: new Map(), sources: 0 };
  new Walk(flattener).into(schema, root);
  return listed(root, []);
}

class Walk {
  readonly #open = new Set<JsonSchema>();
  readonly #recursive = new Set<JsonSchema>();
  #found = 0;
  #steps = 0;

  constructor(private readonly flattener: Flattener) {}

  into(named: JsonSchema, place: Place): void {
    if (typeof named === 'boolean') return;
    let schema = named;
    for (
      let target = this.flattener.target(schema);
      target !== undefined;
      target = this.flattener.target(schema)
    ) {
      if (typeof target === 'boolean') return;
      schema = target;
    }
    if (this.#open.has(schema)) {
      this.#recursive.add(schema);
      return;
    }
    this.#open.add(schema);
    const before = this.#found;
    const flat = this.flattener.flat(schema);
    this.#flat(flat, place);
    this.#open.delete(schema);
    if (this.#recursive.has(schema) && this.#found > before) {
      throw unsupported(flat.pointer, `minLength or maxLength above ${COUNTED} below a $ref that leads back`);
    }
  }

  #flat(flat: FlatSchema, place: Place): void {
    if (++this.#steps > MAX_STEPS)
      throw unsupported(flat.pointer, `more places for strings than can be told apart`);
    const { alternatives } = flat;
    if (alternatives) {
      const base = { ...flat };
      delete base.alternatives;
      for (const schema of alternatives.of) this.#alternative(schema, base, place);
      return;
    }
    if (flat.values) {
      for (const value of flat.values)
        if (typeof value === 'string') this.#closed(place, [...value].length, [...value].length);
      return;
    }
    const types = typesOf(flat);
    if (types.includes('string')) this.#string(flat, place);
    if (types.includes('array') && flat.arrays) this.#array(flat.arrays, place);
    if (types.includes('object') && flat.objects) this.#object(flat.objects, place);
  }

  #alternative(schema: JsonSchema, base: FlatSchema, place: Place): void {
    const isBare = Object.keys(base).length === 1;
    if (isBare) this.into(schema, place);
    else this.#flat(this.flattener.merge(base, this.flattener.flat(schema)), place);
  }

  #string({ strings = {}, pointer }: FlatSchema, place: Place): void {
    const { minLength: min = 0, maxLength: max = Infinity, patterns, format } = strings;
    if (patterns || format !== undefined) this.#closed(place, 0, Infinity);
    else if (!isLong(min, max)) {
      if (min > 0 || max < Infinity) this.#closed(place, min, max);
    } else {
      this.#found++;
      const { open = { min: 0, max: Infinity } } = place;
      place.open = { min: Math.max(open.min, min), max: Math.min(open.max, max) };
      place.pointer = pointer;
    }
  }

  #closed(place: Place, min: number, max: number): void {
    const { closed = { min: Infinity, max: 0 } } = place;
    place.closed = { min: Math.min(closed.min, min), max: Math.max(closed.max, max) };
  }

  #array({ prefix = [], items }: NonNullable<FlatSchema['arrays']>, place: Place): void {
    place.sources++;
    for (const [i, schema] of prefix.entries()) this.into(schema, inside(place, String(i)));
    if (items !== undefined) this.into(items, inside(place, '*'));
  }

  #object({ properties, others, patternProperties }: NonNullable<FlatSchema['objects']>, place: Place): void {
    place.sources++;
    for (const [name, schema] of properties) this.into(schema, inside(place, name));
    for (const schema of patternProperties?.values() ?? []) this.into(schema, inside(place, '*'));
    if (others !== undefined) this.into(others, inside(place, '*'));
  }
}

function inside(place: Place, key: string): Place {
  const known = place.inside.get(key) ?? {
    pointer: place.pointer,
    inside: new Map<string, Place>(),
    sources: 0,
  };
  place.inside.set(key, known);
  return known;
}

function listed(place: Place, path: readonly string[]): StringLengths['bounds'] {
  const { open, closed, pointer } = place;
  const own = open ? [{ path, min: open.min, max: Math.min(open.max, NO_MAXIMUM) }] : [];
  if (open && (open.min > open.max || (closed && (closed.min < open.min || closed.max > open.max)))) {
    throw unsupported(
      pointer,
      'alternatives with other bounds of the length, pattern or format at the same place',
    );
  }
  const names = Array.from(place.inside.keys()).filter((name) => name !== '*');
  const others = place.inside.get('*');
  const ofOthers = others ? listed(others, [...path, '*']) : [];
  if (ofOthers.length > 0 && names.length > 0 && place.sources > 1) {
    throw unsupported(
      pointer,
      'alternatives of which one names a member and another bounds the length of those without a name',
    );
  }
  const ofNames = names.flatMap((name) => {
    const bounds = listed(place.inside.get(name) ?? place, [...path, name]);
    // What has a name is none of the others, even if nothing is to be said of it.
    const nothing = ofOthers.length > 0 ? [{ path: [...path, name], min: 0, max: NO_MAXIMUM }] : [];
    return bounds.length > 0 ? bounds : nothing;
  });
  return [...own, ...ofNames, ...ofOthers];
}
