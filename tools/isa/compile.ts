// The process that compiles: its Vulkan has one chip, and what the driver prints goes to stderr between marks. What the
// pipelines are goes to stdout, as JSON.

import { writeSync } from 'node:fs';
import { openDevice } from '../../bench/node-device';
import type { ShapeName } from '../../bench/core/shapes';
import { probeCapabilities } from '../../src/gpu/capabilities';
import { compileShape, type PipelineUse } from './pipelines';
import { beginMark, endMark } from './marks';

/** What the process says of itself. */
export interface CompileResult {
  driver: string;
  uses: PipelineUse[];
}

export async function compileForParent(shape: ShapeName): Promise<void> {
  const device = await openDevice();
  const { device: name, description } = device.adapterInfo;
  // Written at once: the driver's own lines do not wait for those of Node's streams.
  const mark = (text: string): void => void writeSync(2, `${text}\n`);
  const uses = await compileShape(device, await probeCapabilities(device), shape, {
    onBegin: (id) => mark(beginMark(id)),
    onEnd: (id) => mark(endMark(id)),
  });
  const result: CompileResult = { driver: `${name}, ${description}`, uses };
  writeSync(1, JSON.stringify(result));
}
