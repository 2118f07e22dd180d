// The smallest computation that proves a WebGPU device: four int8 products, summed. Runs in Node, pages and workers.

const SHADER = /* wgsl */ `
@group(0) @binding(0) var<storage, read> packed: array<u32>;
@group(0) @binding(1) var<storage, read_write> sum: i32;

@compute @workgroup_size(1)
fn main() {
  sum = dot4I8Packed(packed[0], packed[1]);
}`;

const A = Int8Array.of(1, -2, 3, -128);
const B = Int8Array.of(5, 6, -7, 127);

/** 1·5 − 2·6 − 3·7 − 128·127 */
export const DOT_EXPECTED = -16284;

/** The dot product of two fixed int8 vectors, computed on `device`. */
export async function runDot4I8Packed(device: GPUDevice): Promise<number> {
  const input = device.createBuffer({ size: 8, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const output = device.createBuffer({ size: 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const staging = device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(input, 0, A);
  device.queue.writeBuffer(input, 4, B);

  const module = device.createShaderModule({ code: SHADER });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const entries = [input, output].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(output, 0, staging, 0, 4);
  device.queue.submit([encoder.finish()]);

  await staging.mapAsync(GPUMapMode.READ);
  return new Int32Array(staging.getMappedRange())[0] ?? Number.NaN;
}
