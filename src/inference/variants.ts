// One choice for each kernel: those that the tuner makes, and sizes that are not worth a measurement. What there is to choose
// from, each kernel says itself (src/kernels).

import type { Capabilities } from '../gpu/capabilities';
import { attentionCandidates, type AttentionVariant } from '../kernels/attention';
import { cacheFormatFor, type AttentionShape, type CacheFormat } from '../kernels/kv-layout';
import { exactHeadSizes, type ExactHeadSizes } from '../kernels/lm-head-f16';
import { headCandidates, type HeadVariant } from '../kernels/lm-head-int8';
import { normThreadsCandidates } from '../kernels/rms-norm-quantize';
import { sampleThreadsFor } from '../kernels/sample';
import {
  decodeMatmulCandidates,
  prefillMatmulCandidates,
  type MatmulVariant,
} from '../kernels/ternary-matmul';
import type { Activations } from '../model/activations';

/** One choice per kernel. */
export interface Variants {
  decodeMatmul: MatmulVariant;
  prefillMatmul: MatmulVariant;
  attention: AttentionVariant;
  head: HeadVariant;
  /** Threads of a workgroup that normalises one row. */
  normThreads: number;
}

/** The variants of each kernel that a device can run. */
export type Candidates = { [Kernel in keyof Variants]: readonly Variants[Kernel][] };

/** Sizes that are not worth a measurement. */
export interface FixedChoices {
  exactHead: ExactHeadSizes;
  sampleThreads: number;
  /** Tokens of one prefill chunk; a multiple of every candidate's `prefillMatmul.tokens`. */
  prefillTokens: number;
  cacheFormat: CacheFormat;
}

/** Sizes for a device; those that `pinned` names are taken as they are. */
export function fixedChoices(capabilities: Capabilities, pinned: Partial<FixedChoices> = {}): FixedChoices {
  return {
    exactHead: pinned.exactHead ?? exactHeadSizes(capabilities),
    sampleThreads: pinned.sampleThreads ?? sampleThreadsFor(capabilities),
    prefillTokens: pinned.prefillTokens ?? 128,
    cacheFormat: pinned.cacheFormat ?? cacheFormatFor(capabilities),
  };
}

/** The variants of attention of which one will run: what they need in common is allocated before it is chosen. */
export function possibleAttention(
  capabilities: Capabilities,
  shape: AttentionShape,
  pinned: Partial<Variants> = {},
): readonly AttentionVariant[] {
  return pinned.attention ? [pinned.attention] : attentionCandidates(capabilities, shape);
}

/** The variants worth trying on a device for a model with such attention. */
export function candidates(
  capabilities: Capabilities,
  shape: AttentionShape,
  activations: Activations = 'int8-token',
): Candidates {
  const floats = activations === 'f32';
  return {
    decodeMatmul: decodeMatmulCandidates(capabilities, floats, activations === 'int8-token'),
    prefillMatmul: prefillMatmulCandidates(capabilities, floats),
    head: headCandidates(capabilities),
    attention: attentionCandidates(capabilities, shape),
    normThreads: normThreadsCandidates(capabilities),
  };
}
