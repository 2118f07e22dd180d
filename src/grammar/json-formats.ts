// Formats of strings, each as texts that every validator takes: fewer than the format allows, never more.

import type { RegexTree } from './regex-shape';
import { regexTree } from './regex-tree';
import { unsupported } from './schema-document';

const DATE =
  '(?:19|20)\\d\\d-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d';
const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
/** Part of a host's name, which has at most 63 characters. */
const LABEL = '[a-z0-9]{1,12}(?:-[a-z0-9]{1,12}){0,2}';

/** February has 28 days, times are in UTC, uuids are of version 4, addresses and URIs are plain ones of the web. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', DATE],
  ['time', `${TIME}Z`],
  ['date-time', `${DATE}T${TIME}(?:\\.\\d{3})?Z`],
  ['uuid', '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'],
  ['ipv4', `${BYTE}(?:\\.${BYTE}){3}`],
  ['email', `[a-z0-9]{1,12}(?:[._-][a-z0-9]{1,12}){0,3}@(?:${LABEL}\\.){1,3}[a-z]{2,10}`],
  [
    'uri',
    `https?://(?:${LABEL}\\.){1,3}[a-z]{2,10}(?:/[A-Za-z0-9._~-]*)*(?:\\?[A-Za-z0-9._~=&-]*)?(?:#[A-Za-z0-9._~-]*)?`,
  ],
]);

/** Other formats of JSON Schema, which a validator may check beyond any pattern beside them. */
const REFUSED: ReadonlySet<string> = new Set(
  `duration hostname idn-hostname idn-email ipv6 uri-reference iri iri-reference uri-template json-pointer
  relative-json-pointer regex`.split(/\s+/),
);

/**
 * The texts of a format; undefined where a pattern says it all: libraries write names of their own beside one, such as `nanoid`
 * and `starts_with`.
 *
 * @throws TernionError `unsupported-feature` if the format is not known.
 */
export function formatTree(format: string, hasPattern: boolean, pointer: string): RegexTree | undefined {
  const texts = FORMATS.get(format);
  if (texts !== undefined) return regexTree(texts, 'whole', `The format ${format}`);
  if (hasPattern && !REFUSED.has(format)) return undefined;
  throw unsupported(pointer, `the format ${JSON.stringify(format.slice(0, 80))}`);
}
