// Numbers that are none: a file that has some among its weights is damaged.

import { TernionError } from '../errors';

/** Throws `corrupt-file`, naming the tensor, unless all `values` are finite. */
export function assertFinite(values: Float32Array, name: string): void {
  if (!areFinite(values)) throw notFinite(name);
}

export function areFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

export function notFinite(name: string): TernionError {
  return new TernionError(
    'corrupt-file',
    `The tensor ${name} has values or scales that are no finite numbers.`,
  );
}
