// A context's pipelines while they compile.
import { expect, it, vi } from 'vitest';
import type { Capabilities } from '../../../src/gpu/capabilities';
import { GpuContext } from '../../../src/gpu/context';
import { nullDevice } from '../../support/null-device';

const CAPABILITIES: Capabilities = {
  subgroups: false,
  subgroupMinSize: 0,
  subgroupMaxSize: 0,
  shaderF16: false,
  packedDot: false,
  timestamps: false,
  vendor: 'unknown',
};

it('has many pipelines compiled at once, and Node warns of nothing', async () => {
  const compile = vi.fn(() => new Promise<GPUComputePipeline>(() => {}));
  const warn = vi.spyOn(process, 'emitWarning');
  const gpu = new GpuContext(nullDevice({ createComputePipelineAsync: compile }), CAPABILITIES);
  // Node warns of more than ten listeners of one signal.
  const pipelines = Array.from({ length: 20 }, (_, i) =>
    gpu.pipeline({ shader: 'rms_norm', constants: { COLS: 64 + i, THREADS: 8, EPSILON: 1, HELD: 0 } }),
  );
  await vi.waitFor(() => expect(compile).toHaveBeenCalledTimes(20));
  gpu.destroy();
  for (const pipeline of pipelines) await expect(pipeline).rejects.toMatchObject({ code: 'disposed' });
  expect(warn).not.toHaveBeenCalled();
});
