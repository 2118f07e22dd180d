// What is run when a kernel is timed.
import { describe, expect, it } from 'vitest';
import type { Dispatch, GpuContext } from '../../../src/gpu/context';
import { fixedGrid } from '../../../src/gpu/grid';
import { Runners } from '../../../src/gpu/timed-work';

/** A dispatch of `layer` workgroups. */
function dispatch(layer: number): Dispatch {
  const [pipeline, bindGroup] = [{} as GPUComputePipeline, {} as GPUBindGroup];
  return { label: '', pipeline, bindGroup, grid: fixedGrid(layer) };
}

/** A device that takes a millisecond for each dispatch, and notes what was encoded. */
function notingDevice() {
  const encoded: number[] = [];
  let ms = 0;
  const createCommandEncoder = () => {
    let work = 0;
    const pass = {
      setPipeline() {},
      setBindGroup() {},
      dispatchWorkgroups: (layer: number) => {
        encoded.push(layer);
        work++;
      },
      end() {},
    };
    return { beginComputePass: () => pass, finish: () => work };
  };
  const queue = {
    submit: ([work = 0]: readonly number[]) => (ms += work),
    onSubmittedWorkDone: async () => {},
  };
  const device = { createCommandEncoder, queue };
  const gpu = { device, assertAlive() {} } as unknown as GpuContext;
  return { gpu, encoded, clock: { now: () => ms, stepMs: () => 0.001 } };
}

describe('timed work', () => {
  it('goes through the layers, and on where it stopped', async () => {
    const { gpu, clock, encoded } = notingDevice();
    const work = { dispatches: [dispatch(1)], alternatives: [[dispatch(2)], [dispatch(3)]] };
    const runner = await new Runners(gpu, undefined, clock, { work: async () => work }).of('variant');
    await runner.pace({ stepMs: 0.001, leftMs: () => 1000, settle: async () => {} }, runner);
    expect(encoded.length).toBeGreaterThan(4);
    expect(encoded).toEqual(encoded.map((_, i) => (i % 3) + 1));
    expect(runner.ms).toBe(1);
  });

  it('ends when the signal says so', async () => {
    const { gpu, clock } = notingDevice();
    const kernel = { work: async () => ({ dispatches: [dispatch(1)] }) };
    const signal = AbortSignal.abort();
    const runner = await new Runners(gpu, signal, clock, kernel).of('variant');
    const course = { stepMs: 0.001, leftMs: () => 1000, settle: async () => {} };
    await expect(runner.pace(course, runner)).rejects.toMatchObject({ code: 'aborted' });
  });
});
