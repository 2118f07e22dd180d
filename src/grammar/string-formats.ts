// What is derived for `format` of a string: texts that every validator takes, which are not all that some would take.

/** Patterns, by name. Years are those of four digits from 1000 on; days are those that the month has in every year. */
const DATE =
  '[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)';
const TIME =
  '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,3})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])';
const BYTE = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
/** Lengths are bounded, and tightly: each character that is counted takes time to compile. */
const HOST = '(?:[a-z][a-z0-9]{0,11}\\.){1,3}[a-z]{2,6}';

export const FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', `^${DATE}$`],
  ['time', `^${TIME}$`],
  ['date-time', `^${DATE}T${TIME}$`],
  ['uuid', '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'],
  ['ipv4', `^${BYTE}\\.${BYTE}\\.${BYTE}\\.${BYTE}$`],
  ['email', `^[a-z0-9]{1,12}(?:[._+-][a-z0-9]{1,12}){0,2}@${HOST}$`],
  ['uri', `^https?://${HOST}(?:/[A-Za-z0-9_~-]{0,16}){0,3}$`],
]);

/** Formats of numbers that say how they are stored, not which they are. */
export const OF_NUMBERS: ReadonlySet<unknown> = new Set(['int32', 'int64', 'float', 'double', 'safeint']);
