// The one place that knows how far an answer can be held to a shape. Surfaces ask here; generations take no shape yet.

import { TernionError } from '../errors';

/** A shape that a caller wants an answer to have: JSON, perhaps of a schema. */
export interface WantedShape {
  schema?: unknown;
}

/** Why a shape is only asked for. For people. */
export const NOT_ENFORCED = 'Ternion does not hold a model to a shape yet: it is asked for in the prompt.';

/** What to tell a model that is to answer in JSON, since nothing holds it to that. */
export function shapeInWords({ schema }: WantedShape): string {
  if (schema === undefined) return 'Answer with JSON, and with nothing else.';
  const text = JSON.stringify(schema);
  return `JSON schema:\n${text}\nAnswer with a JSON object that matches this schema, and with nothing else.`;
}

/** Refuses a shape where asking for it would not do: `unsupported-feature`. */
export function refuseShape(what: string): never {
  throw new TernionError(
    'unsupported-feature',
    `${what} is not supported: a model cannot be held to it yet.`,
  );
}
