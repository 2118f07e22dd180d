// What a token costs in calls and bytes: counts, not times, so that they hold on any machine.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { transformerOf } from '../../bench/core/internals';
import type { AttentionVariant } from '../../src/kernels/attention';
import { KvCache } from '../../src/inference/kv-cache';
import type { Dispatch } from '../../src/gpu/context';
import { loadWatched } from '../support/watched-engine';

/** Dispatches and bytes copied to buffers that the CPU maps, of all encoders of a device from now on. */
function countEncoders(device: GPUDevice): { dispatches: number; passes: number; copiedBytes: number } {
  const counts = { dispatches: 0, passes: 0, copiedBytes: 0 };
  const create = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = create(descriptor);
    const beginPass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (passDescriptor) => {
      counts.passes++;
      const pass = beginPass(passDescriptor);
      const dispatch = pass.dispatchWorkgroups.bind(pass);
      pass.dispatchWorkgroups = (x, y, z) => {
        counts.dispatches++;
        return dispatch(x, y, z);
      };
      return pass;
    };
    const copy = encoder.copyBufferToBuffer.bind(encoder) as (...args: unknown[]) => undefined;
    encoder.copyBufferToBuffer = (...args: unknown[]) => {
      counts.copiedBytes += args.at(-1) as number;
      return copy(...args);
    };
    return encoder;
  };
  return counts;
}

// Norm, q·k·v, (RoPE and append,) attention, norm, output, norm, gate·up, norm, down. The other attention kernel turns and
// appends itself. The context stays within one split, so nothing needs to be combined.
const ATTENTION: [AttentionVariant, dispatches: number][] = [
  [{ kind: 'lanes', lanes: 4, ahead: 1, teams: 1, tokens: 1, split: 128 }, 9],
  [{ kind: 'workgroup', threads: 8, tile: 32, tokens: 1, split: 64 }, 10],
];

test.each(ATTENTION)(
  'with %j a token is one submit, %i dispatches a layer and 5 beside them, 4 bytes read back, and no new buffer',
  async (attention, perLayer) => {
    const { engine, gpu, counts } = await loadWatched({ variants: { attention } });
    const reader = engine.createSession().send('Tell me a story.').getReader();
    // The first tokens make the cache and the ring of buffers to read back.
    for (let i = 0; i < 5; i++) await reader.read();
    const encoders = countEncoders(gpu.device);
    const before = { ...counts };
    const tokens = 20;
    for (let i = 0; i < tokens; i++) await reader.read();
    expect(counts.submits - before.submits).toBe(tokens);
    expect(counts.buffersMade - before.buffersMade).toBe(0);
    const layers = 4;
    // Embedding, output norm, head, penalties + max, sample.
    expect(encoders.dispatches).toBe(tokens * (perLayer * layers + 5));
    expect(encoders.copiedBytes).toBe(tokens * 4);
    await reader.cancel();
    await engine.dispose();
  },
);

test('the work of attention grows linearly with the context', async () => {
  const { engine } = await loadWatched();
  const transformer = transformerOf(engine);
  const { gpu, config, variants } = transformer;
  const cache = await KvCache.create(gpu, config, 1024, variants.cacheFormat);
  const { decode } = await transformer.forwardPass(cache);
  const workgroups = ({ grid }: Dispatch, context: number): number =>
    (grid(1, context - 1) ?? [0, 0, 0]).reduce((product, n) => product * n);
  const growing = decode.filter((dispatch) => workgroups(dispatch, 512) < workgroups(dispatch, 1024));
  expect(growing).toHaveLength(config.layers);
  for (const dispatch of growing) {
    const [first, second, third] = [256, 512, 1024].map((context) => workgroups(dispatch, context));
    expect(second).toBe(2 * first!);
    expect(third).toBe(4 * first!);
  }
  await engine.dispose();
});

test('the JavaScript heap does not grow over a thousand tokens', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const heap = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const { engine } = await loadWatched();
  // Without end tokens the answer goes on.
  const [eos, eot] = await Promise.all(
    ['<|end_of_text|>', '<|eot_id|>'].map((text) => engine.tokenize(text, { parseSpecial: true })),
  );
  const logitBias = { [eos![0]!]: -1e9, [eot![0]!]: -1e9 };
  const reader = engine.createSession().send('Tell me a story.', { logitBias }).getReader();
  for (let i = 0; i < 100; i++) await reader.read();
  const before = heap();
  for (let i = 0; i < 900; i++) expect((await reader.read()).value?.finishReason).toBeUndefined();
  // The ids and the text of the answer are kept, some bytes a token. A megabyte would be a kilobyte for each.
  expect(heap() - before).toBeLessThan(1 << 20);
  await reader.cancel();
  await engine.dispose();
});
