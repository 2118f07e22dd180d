// Numbers as a reader of reports wants them.

/** A number with three digits that count: 0.00123, 1.23, 123, 12300. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** In billions: 1.23e9 → "1.23". */
export const giga = (value: number): string => digits(value / 1e9);

/** Bytes: 1.23e6 → "1.23 MB". */
export const mega = (bytes: number): string => `${digits(bytes / 1e6)} MB`;

/** A share: 0.713 → "71 %". */
export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
