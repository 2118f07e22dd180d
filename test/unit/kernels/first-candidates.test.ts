// What is tried first on whose GPU: the table and the lists of the kernels belong together.
import { describe, expect, it } from 'vitest';
import type { Capabilities, GpuVendor } from '../../../src/gpu/capabilities';
import { candidates, type Candidates } from '../../../src/inference/variants';
import { firstCandidates } from '../../../src/kernels/first-candidates';

/** Heads of BitNet 2B4T. */
const SHAPE = { heads: 20, kvHeads: 5, headDim: 128 };
const VENDORS: GpuVendor[] = ['apple', 'intel', 'nvidia', 'amd', 'qualcomm', 'arm', 'unknown'];
const KERNELS = ['decodeMatmul', 'prefillMatmul', 'head', 'attention'] as const;

/** A device with subgroups of so many lanes; 0: without. */
function device(vendor: GpuVendor, lanes: number): Capabilities {
  return {
    subgroups: lanes > 0,
    subgroupMinSize: lanes,
    subgroupMaxSize: lanes,
    shaderF16: true,
    packedDot: true,
    timestamps: true,
    vendor,
  };
}

const onGpu = (vendor: GpuVendor): Candidates => candidates(device(vendor, 32), SHAPE);

describe.for(VENDORS)('on a GPU whose vendor is %s', (vendor) => {
  it.for(KERNELS)('%s begins with what the table names, all of which the kernel can run', (kernel) => {
    const patterns = firstCandidates(device(vendor, 32))[kernel];
    const front: readonly unknown[] = onGpu(vendor)[kernel].slice(0, patterns.length);
    expect(patterns.length).toBeGreaterThan(0);
    expect(front).toMatchObject(patterns);
  });

  it('no kernel has a candidate twice, whether bytes can be multiplied or not', () => {
    for (const packedDot of [true, false]) {
      const lists = Object.values(candidates({ ...device(vendor, 32), packedDot }, SHAPE));
      for (const list of lists) {
        const texts = list.map((variant) => JSON.stringify(variant));
        expect(new Set(texts).size).toBe(texts.length);
      }
    }
  });

  it('no workgroup of a matrix has only the 8 threads of a software adapter', () => {
    const { decodeMatmul, prefillMatmul, head } = onGpu(vendor);
    for (const { split } of [...decodeMatmul, ...prefillMatmul, ...head]) expect(split).toBeGreaterThan(1);
  });
});

describe('the order', () => {
  it('begins with pairs on Apple, which has no instruction for four products', () => {
    const { decodeMatmul, prefillMatmul } = onGpu('apple');
    expect([decodeMatmul[0]?.products, prefillMatmul[0]?.products]).toEqual(['pairs', 'pairs']);
  });

  it('begins with attention in workgroup memory on Intel, and wherever there are no subgroups', () => {
    expect(onGpu('intel').attention[0]?.kind).toBe('workgroup');
    for (const vendor of VENDORS)
      expect(candidates(device(vendor, 0), SHAPE).attention[0]?.kind).toBe('workgroup');
  });

  it('begins with one token a team where two do not fit the registers', () => {
    expect(onGpu('nvidia').attention[0]).toMatchObject({ kind: 'lanes', tokens: 1 });
    expect(onGpu('amd').attention[0]).toMatchObject({ kind: 'lanes', tokens: 2 });
  });

  it('begins with tiles of 2 × 4 in prefill on Intel, whose registers have no room for 2 × 8', () => {
    expect(onGpu('intel').prefillMatmul[0]).toMatchObject({ products: 'bytes', blocks: 2, tokens: 4 });
    expect(onGpu('amd').prefillMatmul[0]).toMatchObject({ products: 'bytes', blocks: 2, tokens: 8 });
  });

  it('has no tiles of 4 × 8 on Intel', () => {
    const large = { blocks: 4, tokens: 8 };
    expect(onGpu('intel').prefillMatmul).not.toContainEqual(expect.objectContaining(large));
    expect(onGpu('nvidia').prefillMatmul).toContainEqual(expect.objectContaining(large));
  });

  // As they were timed; docs/performance.md has some of the times.
  it.for([
    {
      lanes: 4,
      head: ['4/1', '4/1/round'],
      blocks: [2, 4, 8],
      prefill: ['2/8/1/round', '4/4/1/round', '4/2/1/round'],
      threads: [4, 8],
    },
    {
      lanes: 8,
      head: ['1/1/round', '2/1'],
      blocks: [4, 2, 8],
      prefill: ['4/2/1/round', '2/2/1/round', '4/4/1/round'],
      threads: [8, 16],
    },
  ])(
    'is the one of its times on a software adapter of $lanes lanes',
    ({ lanes, head, blocks, prefill, threads }) => {
      const list = candidates(device('unknown', lanes), SHAPE);
      const round = ({ broadcast }: { broadcast: boolean }): string => (broadcast ? '/round' : '');
      expect(list.head.map((each) => `${each.blocks}/${each.split}${round(each)}`)).toEqual(head);
      const sizes = list.prefillMatmul.map((each) => {
        return `${each.blocks}/${each.tokens}/${each.split}${round(each)}`;
      });
      expect(sizes).toEqual([...prefill, '2/4/1/round', '2/4/1']);
      const decode = list.decodeMatmul.map((each) => `${each.products} ${each.blocks}${round(each)}`);
      const pairs = blocks.map((count) => `pairs ${count}/round`);
      expect(decode).toEqual([...pairs, 'bytes 4/round', 'bytes 4']);
      expect(list.normThreads).toEqual(threads);
      expect(list.attention[0]).toMatchObject({ kind: 'lanes', split: 128 });
    },
  );
});
