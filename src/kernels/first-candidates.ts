// Which variant of each kernel is tried first, by whose the GPU is: what runs where nothing was measured. A kernel's own file says
// what it can run; the order of the rest is its too.

import { isSoftwareAdapter, type Capabilities, type GpuVendor } from '../gpu/capabilities';

/** A variant by some of its fields: the first of the kernel's candidates that has them. */
type Pattern = Readonly<Record<string, string | number | boolean>>;

/** By kernel, what comes first; where a device cannot run that, what comes next. */
export interface FirstCandidates {
  decodeMatmul: readonly Pattern[];
  prefillMatmul: readonly Pattern[];
  head: readonly Pattern[];
  attention: readonly Pattern[];
}

const BY_BYTES = { products: 'bytes', blocks: 2, split: 8 } as const;
/**
 * With the norm inside the matrix: a layer has four dispatches less. Many threads, so that a row is there soon and trips are few; two
 * blocks, so that the row is made for 16 rows at once, or 32. Registers on RDNA 3: 48, 60 for gate and up, 84 for rows of 6912; on
 * RDNA 2, which has fewer, 48 and 64.
 */
const FUSED = { products: 'bytes', fused: true, blocks: 2, split: 32 } as const;
const BY_PAIRS = { products: 'pairs', blocks: 2, split: 8 } as const;
const HEAD = [{ blocks: 1, split: 8 }] as const;
/** Attention in registers. Several tokens a team in prefill take twice the registers of one. */
const LANES = { kind: 'lanes' } as const;
const LANES_ONE_TOKEN = { kind: 'lanes', tokens: 1 } as const;
const WORKGROUP = { kind: 'workgroup', threads: 32 } as const;

/**
 * Registers are those that compilers of Mesa have taken for the chips of that vendor (`npm run isa` for AMD and Intel); drivers of other
 * systems have other compilers. Nothing here was timed on a GPU. `software` is timed: kernels have its order beside them.
 */
const FIRST: Readonly<Record<GpuVendor | 'software', FirstCandidates>> = {
  apple: {
    // No instruction for dot4I8Packed: 1968 cycles for 128 weights by bytes, 368 by pairs. Four blocks would share the activations,
    // which are twice as long in pairs, but take 120 registers on RDNA where two take 60, and Apple has 128.
    decodeMatmul: [{ ...FUSED, products: 'pairs' }, BY_PAIRS, { ...BY_PAIRS, blocks: 4 }],
    // 120 registers on RDNA; with four tokens 252.
    prefillMatmul: [{ products: 'pairs', blocks: 2, tokens: 2, split: 8 }],
    head: HEAD,
    attention: [LANES_ONE_TOKEN],
  },
  intel: {
    decodeMatmul: [FUSED, BY_BYTES],
    // No spills on Xe and Xe2; 2 × 8 spills 32 registers, and tiles of 4 × 8 more.
    prefillMatmul: [{ products: 'bytes', blocks: 2, tokens: 4, split: 8 }],
    head: HEAD,
    // The other kernel spills on Xe2, 205 registers at the least, and needs more lanes than Xe says it always has.
    attention: [WORKGROUP],
  },
  nvidia: {
    // With norms apart 34 registers on Ampere.
    decodeMatmul: [FUSED, BY_BYTES],
    // 105 registers.
    prefillMatmul: [{ products: 'bytes', blocks: 2, tokens: 8, split: 4 }],
    head: HEAD,
    // 141 registers; two tokens take all 255 and 628 bytes of local memory.
    attention: [LANES_ONE_TOKEN],
  },
  amd: {
    // With norms apart 48 registers on RDNA 3, 16 waves a SIMD.
    decodeMatmul: [FUSED, BY_BYTES],
    // 84 registers, 9 waves.
    prefillMatmul: [{ products: 'bytes', blocks: 2, tokens: 8, split: 4 }],
    head: HEAD,
    // 192 registers with two tokens, 4 waves, no spills: keys and values are read half as often.
    attention: [LANES],
  },
  qualcomm: {
    decodeMatmul: [FUSED, BY_BYTES],
    // Phones have few registers a thread: half as many sums as elsewhere.
    prefillMatmul: [{ products: 'bytes', blocks: 2, tokens: 4, split: 8 }],
    head: HEAD,
    attention: [LANES_ONE_TOKEN],
  },
  arm: {
    decodeMatmul: [FUSED, BY_BYTES],
    // Mali has 64 registers a thread.
    prefillMatmul: [{ products: 'bytes', blocks: 2, tokens: 4, split: 8 }],
    head: HEAD,
    attention: [LANES_ONE_TOKEN],
  },
  unknown: {
    // Firefox says nothing of its adapter, which may be Apple's: pairs are tried next.
    decodeMatmul: [FUSED, BY_BYTES, BY_PAIRS],
    prefillMatmul: [
      { products: 'bytes', blocks: 2, tokens: 8, split: 4 },
      { products: 'pairs', blocks: 2, tokens: 2, split: 8 },
    ],
    head: HEAD,
    // What spills nowhere but on Intel, whose subgroups may be too small for it anyway.
    attention: [LANES_ONE_TOKEN, WORKGROUP],
  },
  software: { decodeMatmul: [], prefillMatmul: [], head: [], attention: [] },
};

/** The table's row for a device. */
export function firstCandidates(capabilities: Capabilities): FirstCandidates {
  return FIRST[isSoftwareAdapter(capabilities) ? 'software' : capabilities.vendor];
}

/** `variants`, none twice, with those in front that `patterns` name, in their order; others keep theirs. */
export function inOrder<Variant extends object>(
  variants: readonly Variant[],
  patterns: readonly Pattern[],
): readonly Variant[] {
  const front = patterns.flatMap((pattern) => variants.find((variant) => matches(variant, pattern)) ?? []);
  return [...new Map([...front, ...variants].map((each) => [JSON.stringify(each), each])).values()];
}

function matches(variant: object, pattern: Pattern): boolean {
  const fields = new Map<string, unknown>(Object.entries(variant));
  return Object.entries(pattern).every(([name, value]) => fields.get(name) === value);
}
