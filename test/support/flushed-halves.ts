// A GPU on which subnormal halves count as zeros, as WGSL allows it and some GPUs of phones have it.
import type { GpuContext } from '../../src/gpu/context';

const FLUSHED = `
fn flushed_half(bits: u32) -> u32 { return select(bits, 0u, (bits & 0x7c00u) == 0u); }
fn flushed_halves(word: u32) -> vec2f {
  return unpack2x16float(flushed_half(word & 0xffffu) | (flushed_half(word >> 16u) << 16u));
}
`;

/** From now on shaders that are compiled on the device of `gpu` unpack subnormal halves as zeros. */
export function flushHalves({ device }: GpuContext): void {
  const create = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) =>
    create({
      ...descriptor,
      code: descriptor.code.replaceAll('unpack2x16float', 'flushed_halves') + FLUSHED,
    });
}
