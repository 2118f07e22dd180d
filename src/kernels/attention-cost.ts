// What attention asks of memory (see src/gpu/cost.ts): the loops of shaders/attention.wgsl, attention_lanes.wgsl and
// attention_combine.wgsl, counted.

import { trips, type Cost } from '../gpu/cost';
import {
  splitCount,
  valuesAhead,
  type AttentionVariant,
  type LaneAttention,
  type WorkgroupAttention,
} from './attention-variant';
import { cacheDim, positionBytes, type AttentionShape, type CacheFormat } from './kv-layout';

/** Splits that are joined at once. */
const SPLITS_AHEAD = 4;

/** The attention of a step. In decode (`partial`) a workgroup sees one split; else all that is before its tokens. */
export function attentionCost(
  shape: AttentionShape,
  variant: AttentionVariant,
  format: CacheFormat,
  partial: boolean,
  appends: boolean,
): Cost {
  const { heads, kvHeads, headDim } = shape;
  const { keys, values, scales } = positionBytes(shape, format);
  const perToken = 4 * headDim * (2 * heads + (appends ? 2 * kvHeads : 0));
  return {
    rounds: (tokens, position) => {
      const length = position + tokens;
      const seen = partial ? Math.min(length, variant.split) : length;
      if (variant.kind === 'workgroup') return 1 + workgroupRounds(shape, variant, format, seen);
      return 1 + laneRounds(shape, variant, format, seen, partial, appends);
    },
    bytes: (tokens, position) => (keys + values + scales) * (position + tokens) + tokens * perToken,
  };
}

/** The position comes before, on which all depends; then in each tile keys, and values. */
function laneRounds(
  { heads, kvHeads, headDim }: AttentionShape,
  variant: LaneAttention,
  format: CacheFormat,
  seen: number,
  partial: boolean,
  appends: boolean,
): number {
  const { lanes, tokens } = variant;
  const ahead = partial || tokens === 1 ? variant.ahead : 1;
  const vectors = headDim / 8 / lanes;
  const scaled = format === 'int8';
  const queries = appends ? (heads / kvHeads) * vectors : 1;
  const appended = appends ? vectors * (scaled ? 2 : 1) : 0;
  return queries + appended + trips(seen, lanes) * ((2 * lanes) / ahead + (scaled ? 1 : 0));
}

/** The same: threads first have a position each, whose key is read vector by vector, then all see value after value. */
function workgroupRounds(
  { headDim }: AttentionShape,
  variant: WorkgroupAttention,
  format: CacheFormat,
  seen: number,
): number {
  const { tile, threads } = variant;
  const size = Math.min(seen, tile);
  const scaled = format === 'int8';
  const keys = trips(size, threads) * (cacheDim(headDim) / 8 + (scaled ? 1 : 0));
  const values = trips(size, 1, valuesAhead(variant)) + (scaled ? size : 0);
  return trips(seen, tile) * (keys + values);
}

/** Joining the splits: the position, on which their number depends, and then some splits at a time. */
export function combineCost({ heads, headDim }: AttentionShape, variant: AttentionVariant): Cost {
  const splits = (position: number): number => splitCount(variant, position + 1);
  return {
    rounds: (_tokens, position) => 1 + trips(splits(position), 1, SPLITS_AHEAD),
    bytes: (_tokens, position) => heads * (splits(position) * (4 * headDim + 8) + 4 * headDim),
  };
}
