// What is taken for a program on the CPU, whatever it says of itself.
import { describe, expect, it } from 'vitest';
import { isSoftwareAdapter, probeCapabilities, type Capabilities } from '../../../src/gpu/capabilities';
import { candidates } from '../../../src/inference/variants';

/** What a device says that has subgroups of `least` to `most` lanes. */
function probe(
  info: { vendor?: string; description?: string },
  [least, most]: [number, number],
  features = ['subgroups'],
): Promise<Capabilities> {
  const device = {
    features: new Set(features),
    adapterInfo: { vendor: '', description: '', ...info, subgroupMinSize: least, subgroupMaxSize: most },
    pushErrorScope() {},
    createShaderModule() {},
    popErrorScope: async () => null,
  };
  return probeCapabilities(device as unknown as GPUDevice);
}

describe('an adapter', () => {
  it.for([
    ['that says it is of Microsoft', { vendor: 'microsoft' }],
    ['that goes by the name of WARP', { description: 'Microsoft Basic Render Driver' }],
  ] as const)('%s is a program, however wide it says that subgroups are', async ([, info]) => {
    const capabilities = await probe(info, [4, 128]);
    expect(isSoftwareAdapter(capabilities)).toBe(true);
    expect(capabilities).toMatchObject({ subgroupMinSize: 4, subgroupMaxSize: 4 });
    // Small workgroups come first, as on the other programs.
    expect(candidates(capabilities, { heads: 4, kvHeads: 2, headDim: 64 }).decodeMatmul[0]?.split).toBe(1);
  });

  it.for([
    ['llvmpipe', { vendor: 'mesa', description: 'llvmpipe' }, [8, 8], true],
    ['SwiftShader', { vendor: 'google' }, [4, 4], true],
    // Dawn on Direct3D 12.
    ['a GPU of AMD under Windows', { vendor: 'amd' }, [32, 128], false],
    ['a GPU of Intel under Windows', { vendor: 'intel' }, [8, 128], false],
    ['a GPU of Arm with subgroups of eight', { vendor: 'arm' }, [8, 8], false],
  ] as const)('%s is taken for what it is', async ([, info, [least, most], isSoftware]) => {
    const capabilities = await probe(info, [least, most]);
    expect(isSoftwareAdapter(capabilities)).toBe(isSoftware);
    expect(capabilities).toMatchObject({ subgroupMinSize: least, subgroupMaxSize: most });
  });

  it('without subgroups has none, whoever it is of', async () => {
    const capabilities = await probe({ vendor: 'microsoft' }, [4, 128], []);
    expect(capabilities).toMatchObject({ subgroups: false, subgroupMinSize: 0, subgroupMaxSize: 0 });
  });
});
