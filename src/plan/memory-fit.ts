// What a model will take on the GPU and whether that fits, computed from its headers alone. Sizes are not estimated: the
// code that allocates runs on a ledger (src/gpu/buffers.ts) instead of a device.

import { TernionError } from '../errors';
import {
  BufferLedger,
  largestBinding,
  sumByPart,
  type BufferLimits,
  type GpuBytes,
  type LedgerEntry,
} from '../gpu/buffers';
import type { Capabilities } from '../gpu/capabilities';
import type { CacheFormat } from '../kernels/kv-layout';
import { allocateWeights } from '../model/load';
import type { ModelFile } from '../model/model-file';
import { KvCache } from '../inference/kv-cache';
import type { MemoryOptions } from './load-options';
import { choosePrecisions } from './read-model';
import { fixedChoices, possibleAttention } from '../inference/variants';
import { createWorkBuffers } from '../inference/work-buffers';

/** A longer context costs memory in every session, so it has to be asked for. */
const DEFAULT_CONTEXT = 4096;
/** A context in which prompt and answer have no room is of no use: less than this is not offered. */
const LEAST_CONTEXT = 256;
/** A context that is cut to what fits is a multiple of this. */
const CONTEXT_STEP = 64;

/** The device that a model is to run on. A `GpuContext` is one. */
export interface TargetDevice {
  readonly limits: BufferLimits;
  readonly capabilities: Capabilities;
}

/** What a model takes on the GPU, and whether it fits. */
export interface MemoryFit {
  verdict: 'fits' | 'fits-with-less-context' | 'does-not-fit';
  /** Why not, or why not with the whole context, in words with numbers; undefined if it fits. */
  reason: string | undefined;
  /** The context that fits. If none does, the shortest that was considered. */
  contextLength: number;
  /** The context that was asked for, or is the default. */
  wantedContextLength: number;
  /** How keys and values are kept with that context. */
  kvCacheFormat: CacheFormat;
  /** With `contextLength`. */
  gpuBytes: GpuBytes;
}

/**
 * What a model whose headers were read takes on `device`, and whether that fits: with the format of the KV cache that
 * `options` name or, by default, with int8 where it lets a longer context fit than f16. Where a file has scales for every
 * block of columns, `gpuBytes.layers` is what they take if they differ; files of BitNet models turn out to need a few percent
 * less.
 */
export function fitMemory(
  model: Pick<ModelFile, 'config' | 'tensors'>,
  device: TargetDevice,
  options: MemoryOptions,
): MemoryFit {
  const { contextLength: asked = DEFAULT_CONTEXT, memoryBudget: budget = Infinity } = options;
  const wanted = Math.min(asked, model.config.contextLength);
  const buffersAt = footprint(model, device, options);
  const fitWith = (kvCacheFormat: CacheFormat): MemoryFit => {
    const obstacleAt = (context: number): string | undefined => {
      const what = obstacle(buffersAt(context, kvCacheFormat), device.limits, budget);
      const cache = kvCacheFormat === 'int8' ? ' and a KV cache in int8' : '';
      return what && `With a context of ${context} tokens${cache}, ${what}`;
    };
    const result = (verdict: MemoryFit['verdict'], contextLength: number, reason?: string): MemoryFit => ({
      verdict,
      reason,
      contextLength,
      wantedContextLength: wanted,
      kvCacheFormat,
      gpuBytes: sumByPart(buffersAt(contextLength, kvCacheFormat)),
    });
    const reason = obstacleAt(wanted);
    if (reason === undefined) return result('fits', wanted);
    const least = Math.min(wanted, LEAST_CONTEXT);
    const reasonEvenThen = obstacleAt(least);
    if (reasonEvenThen !== undefined) return result('does-not-fit', least, reasonEvenThen);
    const longest = longestContext(least, wanted, (context) => obstacleAt(context) === undefined);
    return result('fits-with-less-context', longest, reason);
  };
  const { preferred, smaller } = cacheFormats(device.capabilities, options);
  const fit = fitWith(preferred);
  return smaller && fit.verdict !== 'fits' ? roomier(fit, fitWith(smaller)) : fit;
}

/** Of two fits of one model the one to take: `preferred`, unless a longer context fits with `other`. */
export function roomier(preferred: MemoryFit, other: MemoryFit): MemoryFit {
  const room = ({ verdict, contextLength }: MemoryFit): number =>
    verdict === 'does-not-fit' ? 0 : contextLength;
  return room(other) > room(preferred) ? other : preferred;
}

/** The format that the KV cache is to have, and the one to fall back on where a smaller cache lets a longer context fit. */
function cacheFormats(
  capabilities: Capabilities,
  { variants, precision, kvCache = precision === 'exact' ? 'f16' : 'auto' }: MemoryOptions,
): { preferred: CacheFormat; smaller?: CacheFormat } {
  const preferred = fixedChoices(capabilities, variants).cacheFormat;
  if (variants?.cacheFormat) return { preferred };
  if (kvCache === 'int8') return { preferred: 'int8' };
  return kvCache === 'f16' ? { preferred } : { preferred, smaller: 'int8' };
}

/**
 * The context to load a model with: the one that fits, or the one that was asked for. Throws `out-of-memory`, with the
 * numbers, if the model does not fit, or not with the context that was asked for.
 */
export function contextToLoad(
  fit: MemoryFit,
  { contextLength }: Pick<MemoryOptions, 'contextLength'>,
): number {
  const { verdict, reason } = fit;
  if (verdict === 'fits' || (verdict !== 'does-not-fit' && contextLength === undefined))
    return fit.contextLength;
  const advice =
    verdict === 'does-not-fit'
      ? 'The model does not fit this device.'
      : `A contextLength of ${fit.contextLength} fits.`;
  throw new TernionError('out-of-memory', `${reason} ${advice}`);
}

/** All buffers of an engine whose one session has a context of so many tokens, kept in such a format. */
type Footprint = (contextLength: number, kvCacheFormat: CacheFormat) => LedgerEntry[];

function footprint(
  model: Pick<ModelFile, 'config' | 'tensors'>,
  { limits, capabilities }: TargetDevice,
  options: MemoryOptions,
): Footprint {
  const { config } = model;
  const { activations, headPrecision } = choosePrecisions(model, options);
  const { prefillTokens } = fixedChoices(capabilities, options.variants);
  const attention = possibleAttention(capabilities, config, options.variants);
  const weights = new BufferLedger(limits);
  allocateWeights(weights, model, headPrecision);
  return (contextLength, kvCacheFormat) => {
    const rest = new BufferLedger(limits);
    createWorkBuffers(rest, config, attention, prefillTokens, contextLength, activations);
    KvCache.allocate(rest, config, contextLength, kvCacheFormat);
    return [...weights.entries, ...rest.entries];
  };
}

/** What speaks against allocating `buffers`, as the end of a sentence; undefined if nothing does. */
function obstacle(buffers: readonly LedgerEntry[], limits: BufferLimits, budget: number): string | undefined {
  const largest = buffers.reduce((a, b) => (b.size > a.size ? b : a));
  const most = largestBinding(limits);
  if (largest.size > most) {
    const limit =
      most === limits.maxStorageBufferBindingSize ? 'maxStorageBufferBindingSize' : 'maxBufferSize';
    const { label, size } = largest;
    return `the GPU buffer '${label}' takes ${size} bytes; this device allows ${most} (${limit}).`;
  }
  const { total, layers, embedding, head, kvCache, work } = sumByPart(buffers);
  if (total <= budget) return undefined;
  return (
    `it takes ${megabytes(total)} on the GPU (layers ${megabytes(layers)}, embedding ${megabytes(embedding)}, ` +
    `LM head ${megabytes(head)}, KV cache ${megabytes(kvCache)}, work ${megabytes(work)}); ` +
    `the memory budget is ${megabytes(budget)}.`
  );
}

/** The longest context in whole steps, from `least`, which fits, up to `most`, which does not. */
function longestContext(least: number, most: number, fits: (context: number) => boolean): number {
  let steps = Math.floor(least / CONTEXT_STEP);
  let beyond = Math.ceil(most / CONTEXT_STEP);
  while (beyond - steps > 1) {
    const middle = Math.floor((steps + beyond) / 2);
    if (fits(middle * CONTEXT_STEP)) steps = middle;
    else beyond = middle;
  }
  return Math.max(least, steps * CONTEXT_STEP);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en', { maximumSignificantDigits: 3, useGrouping: false })} MB`;
}
