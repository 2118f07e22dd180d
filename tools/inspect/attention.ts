// What rope_append and attention should have written.

import { cacheDim } from '../../src/kernels/kv-layout';
import type { ModelConfig } from '../../src/model/config';
import type { Reference } from './compare';
import {
  attend,
  largest,
  lengthOf,
  mapHeads,
  rmsNorm,
  rotate,
  roundToInt8,
  toF16,
  type Row,
  type Turning,
} from './formulas';
import { gather, spread, type CachedRows } from './readings';
import { concatenate, rowsOf } from './rows';
import { attentionTolerance, codeTolerance, f16Tolerance, turnTolerance } from './tolerance';

/** What queries and keys go through before they are used. */
export interface Preparation {
  turning: Turning;
  /** RMSNorms over each head, before it turns. */
  norms: { q: Row; k: Row } | undefined;
}

/** Rows of queries, keys and values side by side, one for each token. */
type QkvRows = readonly Float32Array[];

/** Queries turned in place, and keys and values in the cache, from what the matrix made (`before`). */
export function appended(
  config: ModelConfig,
  { turning, norms }: Preparation,
  { before, after, cached }: { before: QkvRows; after: QkvRows; cached: CachedRows },
): Reference[] {
  const { heads, kvHeads, headDim, eps } = config;
  const qEnd = heads * headDim;
  const kEnd = qEnd + kvHeads * headDim;
  const turned = (from: number, to: number, norm: Row | undefined): Float64Array => {
    const rows = before.map((row, position) =>
      mapHeads(row.subarray(from, to), headDim, (head) =>
        rotate(norm ? rmsNorm(head, norm, eps) : head, position, turning),
      ),
    );
    return concatenate(rows);
  };
  const tolerances = (values: Float64Array): Float64Array =>
    mapHeads(values, headDim, (head) => new Float64Array(headDim).fill(turnTolerance(head)));
  const queries = turned(0, qEnd, norms?.q);
  const keys = turned(qEnd, kEnd, norms?.k);
  const store = cached.rounded === 'int8' ? asCodes : asHalves;
  const values = concatenate(before.map((row) => row.subarray(kEnd)));
  const cacheShape = [before.length, kvHeads, cacheDim(headDim)];
  return [
    {
      result: 'turned queries',
      shape: [before.length, heads, headDim],
      actual: concatenate(after.map((row) => row.subarray(0, qEnd))),
      expected: queries,
      allowed: tolerances(queries),
    },
    {
      result: 'cached keys',
      shape: cacheShape,
      actual: cached.keys,
      ...store(keys, headDim, tolerances(keys)),
    },
    {
      result: 'cached values',
      shape: cacheShape,
      actual: cached.values,
      ...store(values, headDim),
    },
  ];
}

/** Heads in the cache, in f16; `errors` is how far float32 may have been off before, where it computed anything. */
function asHalves(
  heads: Float64Array,
  headDim: number,
  errors?: Float64Array,
): Pick<Reference, 'expected' | 'allowed'> {
  const allowed = heads.map((value, i) => (errors ? f16Tolerance(value, errors[i]!) : 0));
  return { expected: spread(heads.map(toF16), headDim), allowed: spread(allowed, headDim) };
}

/** The same in int8, each head with a scale of its own. */
function asCodes(
  heads: Float64Array,
  headDim: number,
  errors?: Float64Array,
): Pick<Reference, 'expected' | 'allowed'> {
  const rounded = rowsOf(heads, headDim).map((head) => roundToInt8(head, 'head'));
  const allowed = rounded.map(({ scaled, steps }, head) =>
    scaled.map((value, d) => codeTolerance(value, steps[d]!, errors?.[head * headDim + d] ?? 0)),
  );
  return {
    expected: spread(concatenate(rounded.map(({ values }) => values)), headDim),
    allowed: spread(concatenate(allowed), headDim),
  };
}

/** What attention makes of turned queries and the cache. */
export function attended(config: ModelConfig, qkv: QkvRows, cached: CachedRows, actual: Row): Reference {
  const { heads, kvHeads, headDim } = config;
  const keys = rowsOf(gather(cached.keys, headDim), kvHeads * headDim);
  const values = rowsOf(gather(cached.values, headDim), kvHeads * headDim);
  const expected = qkv.map((query, position) =>
    attend(config, query, keys.slice(0, position + 1), values.slice(0, position + 1)),
  );
  const longestHead = (row: Row): number => Math.max(...rowsOf(row, headDim).map(lengthOf));
  const longestKey = Math.max(...keys.map(longestHead));
  const largestValue = largest(cached.values);
  const allowed = qkv.map((row) => {
    const longestQuery = longestHead(row.subarray(0, heads * headDim));
    const tolerance = attentionTolerance((longestQuery * longestKey) / Math.sqrt(headDim), largestValue);
    return new Float64Array(heads * headDim).fill(tolerance);
  });
  const shape = [qkv.length, heads, headDim];
  return {
    result: 'attended',
    shape,
    actual,
    expected: concatenate(expected),
    allowed: concatenate(allowed),
  };
}
