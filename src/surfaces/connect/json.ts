// Reads what a server sent: anything may be missing, or of another type than was documented.

/** A JSON object of which nothing is known. */
export type Json = Readonly<Record<string, unknown>>;

/** The value as an object; one without fields if it is none. */
export function objectIn(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** The value as a list; an empty one if it is none. */
export function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value as text; '' if it is none. */
export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The value as a number, or undefined. */
export function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The value as token ids, or undefined if it is no list of them. */
export function idsIn(value: unknown): number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const ids = value.filter((id): id is number => Number.isSafeInteger(id));
  return ids.length === value.length ? ids : undefined;
}
