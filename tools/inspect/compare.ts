// What a kernel made beside what it should have made, and whether the difference is more than rounding explains.

import type { Row } from './formulas';

/** A buffer that a kernel wrote. Values are in one order: that of `shape`, the last dimension running fastest. */
export interface Compared {
  /** Undefined for what is before and after the layers. */
  layer: number | undefined;
  /** The step of the layer, as `LayerStage` calls it. */
  stage: string;
  /** What of the stage's results this is. */
  result: string;
  /** The shader, and what the dispatch is for. */
  kernel: string;
  shape: readonly number[];
  /** From the GPU. */
  actual: Row;
  /** The formula in float64, of the same input. */
  expected: Float64Array;
  /** How far a value may be from the expected one. */
  allowed: Float64Array;
}

/** The part of a comparison that a formula gives. */
export type Reference = Pick<Compared, 'result' | 'shape' | 'actual' | 'expected' | 'allowed'>;

/** How far two buffers are apart. */
export interface Difference {
  /** ‖actual − expected‖ / ‖expected‖. */
  relativeError: number;
  /** Values that are further from the expected ones than rounding explains. */
  beyond: number;
  /** The largest difference; where values are beyond, the largest among those. */
  worst: { index: number[]; actual: number; expected: number; difference: number };
}

/** Compares value by value. */
export function difference({ shape, actual, expected, allowed }: Compared): Difference {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, not ${expected.length}`);
  let errorSquares = 0;
  let squares = 0;
  let beyond = 0;
  let worst = -1;
  let worstDistance = -1;
  for (const [i, wanted] of expected.entries()) {
    const distance = distanceOf(actual[i]!, wanted);
    errorSquares += distance ** 2;
    squares += wanted ** 2;
    const isBeyond = distance > allowed[i]!;
    if (isBeyond) beyond++;
    const isFirstBeyond = isBeyond && beyond === 1;
    if (isFirstBeyond || (isBeyond === beyond > 0 && distance > worstDistance)) {
      worst = i;
      worstDistance = distance;
    }
  }
  return {
    relativeError: errorSquares === 0 ? 0 : Math.sqrt(errorSquares / squares),
    beyond,
    worst: {
      index: indexIn(shape, worst),
      actual: actual[worst]!,
      expected: expected[worst]!,
      difference: worstDistance,
    },
  };
}

/** |a − b|. Two infinities of one sign do not differ; NaN differs from every number as much as can be. */
function distanceOf(a: number, b: number): number {
  if (a === b) return 0;
  const distance = Math.abs(a - b);
  return Number.isNaN(distance) ? Infinity : distance;
}

function indexIn(shape: readonly number[], index: number): number[] {
  let rest = index;
  const indices = shape.toReversed().map((extent) => {
    const own = rest % extent;
    rest = Math.floor(rest / extent);
    return own;
  });
  return indices.reverse();
}
