// The keywords of JSON Schema: those that say nothing about values, and those of each type.

/** Annotations, and where definitions stand: they hold no value to anything. */
export const IGNORED: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  'id',
  '$anchor',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'examples',
  'example',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentMediaType',
  'contentEncoding',
  'discriminator',
  'externalDocs',
  'xml',
]);

/** The types, each with the keywords that are about it alone. */
export const OF_TYPE = {
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  integer: [],
  boolean: [],
  null: [],
  object: [
    'properties',
    'required',
    'additionalProperties',
    'unevaluatedProperties',
    'minProperties',
    'maxProperties',
    'patternProperties',
    'propertyNames',
    'dependentRequired',
    'dependentSchemas',
    'dependencies',
  ],
  array: [
    'items',
    'prefixItems',
    'additionalItems',
    'unevaluatedItems',
    'minItems',
    'maxItems',
    'uniqueItems',
    'contains',
  ],
} as const satisfies Record<string, readonly string[]>;

export type TypeName = keyof typeof OF_TYPE;

export function isTypeName(type: unknown): type is TypeName {
  return typeof type === 'string' && Object.hasOwn(OF_TYPE, type);
}

/** What can be said beside a type. */
const GENERAL = ['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', '$ref', 'nullable'];

/** Keywords whose meaning is known here, enforced or not. */
export const KNOWN: ReadonlySet<string> = new Set([...GENERAL, ...IGNORED, ...Object.values(OF_TYPE).flat()]);
