// What was found, as a table for each layer and one sentence.

import { textTable } from '../../bench/core/tables';
import type { Compared, Difference } from './compare';

/** A result and how far it is from the formula. */
export interface Finding {
  compared: Compared;
  difference: Difference;
}

/** The findings of one layer, or of what is outside of the layers. */
export function findingsTable(title: string, findings: readonly Finding[]): string {
  return textTable({
    title,
    columns: ['stage', 'result', 'kernel', 'shape', 'rel. L2', 'largest', 'at', 'engine', 'formula', ''],
    rows: findings.map(({ compared, difference }) => {
      const { stage, result, kernel, shape } = compared;
      const { relativeError, beyond, worst } = difference;
      return [
        stage,
        result,
        kernel,
        shape.join('×'),
        relativeError.toExponential(1),
        worst.difference.toExponential(1),
        worst.difference === 0 ? '' : `[${worst.index.join(', ')}]`,
        worst.difference === 0 ? '' : digits(worst.actual),
        worst.difference === 0 ? '' : digits(worst.expected),
        beyond > 0 ? `DIFFERS in ${beyond}` : 'ok',
      ];
    }),
  });
}

/** The first values of both, one above the other. */
export function firstValues({ stage, result, actual, expected }: Compared, count: number): string {
  const line = (values: Float32Array | Float64Array): string =>
    [...values.subarray(0, count)].map((value) => digits(value).padStart(14)).join('');
  return `  ${stage}, ${result}\n    engine  ${line(actual)}\n    formula ${line(expected)}`;
}

/** Which result is the first that differs, or that none does. */
export function verdict(first: Finding | undefined): string {
  if (!first) return 'No stage differs from its formula by more than rounding explains.';
  const { layer, stage, result, kernel } = first.compared;
  const where = layer === undefined ? '' : ` of layer ${layer}`;
  return `The first that differs is ${stage}${where}: ${result}, written by ${kernel}.`;
}

/** One result whole, as a line of JSON. Numbers that are none become null. */
export function jsonLine({ compared, difference }: Finding): string {
  const { actual, expected, allowed, ...names } = compared;
  const values = { engine: [...actual], formula: [...expected], allowed: [...allowed] };
  return JSON.stringify({ ...names, ...difference, ...values });
}

function digits(value: number): string {
  return value === 0 ? '0' : value.toPrecision(7);
}
