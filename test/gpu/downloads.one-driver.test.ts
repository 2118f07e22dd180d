// Engines from a server: whatever files a model has are found, and what must not run is refused in time.
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadLocal } from '../../src/engine/load-local';
import type { DeviceLoadOptions } from '../../src/engine/model-origin';
import { DeviceSupply } from '../../src/gpu/device-supply';
import { collect } from '../support/collect';
import { openContext } from '../support/engine';
import { FaultServer, type ServedFile } from '../support/fault-server';
import { folder } from '../support/model-files';
import { expectFailure } from '../support/expect-failure';
import { TINY, watch } from '../support/watched-engine';

const TINY_BYTES = new Uint8Array(readFileSync(new URL(`../../${TINY}`, import.meta.url)));
const SAFETENSORS = folder('test/fixtures/models/ternion-tiny-safetensors');
const MIB = 1 << 20;

let server: FaultServer;
beforeEach(async () => {
  const files: Record<string, ServedFile> = { '/tiny.gguf': { bytes: TINY_BYTES } };
  for (const [name, bytes] of Object.entries(SAFETENSORS)) files[`/tiny/${name}`] = { bytes };
  server = await FaultServer.start(files);
});
afterEach(() => server.close());

async function answer(path: string, options: DeviceLoadOptions = {}): Promise<string> {
  const { device } = await openContext();
  const engine = await loadLocal(server.origin + path, new DeviceSupply(device), {
    tuning: false,
    ...options,
  });
  const { text } = await collect(engine.createSession().send('What is 3 + 4?'));
  expect(engine.info.source).toEqual({
    cached: false,
    reason: 'only a worker of a browser can keep files',
  });
  await engine.dispose();
  return text;
}

it('a file, and a folder of safetensors, give the same answer', async () => {
  expect(await answer('/tiny.gguf')).toBe('3 + 4 = 7');
  expect(await answer('/tiny/')).toBe('3 + 4 = 7');
});

it('files that were dropped together do too, in any order', async () => {
  const { device } = await openContext();
  const dropped = Object.entries(SAFETENSORS).map(([name, bytes]) => new File([bytes.slice()], name));
  const engine = await loadLocal(dropped.reverse(), new DeviceSupply(device), { tuning: false });
  expect((await collect(engine.createSession().send('What is 3 + 4?'))).text).toBe('3 + 4 = 7');
  await engine.dispose();
});

it('a model that is refused costs its header and no more', async () => {
  const long = new Uint8Array(TINY_BYTES.length + 8 * MIB);
  long.set(TINY_BYTES);
  server.files.set('/long.gguf', { bytes: long });
  await expectFailure(answer('/long.gguf', { memoryBudget: 1 }), 'out-of-memory');
  // The header is shorter than one piece.
  expect(server.bytesSent).toBe(MIB);
});

it('a file with another hash runs never, and leaves nothing on the GPU', async () => {
  const gpu = await openContext();
  const counts = watch(gpu);
  const options = { tuning: false, sha256: '0'.repeat(64) };
  await expectFailure(
    loadLocal(`${server.origin}/tiny.gguf`, new DeviceSupply(gpu.device), options),
    'corrupt-file',
  );
  expect(counts.buffersMade).toBeGreaterThan(0);
  expect(counts.liveBytes).toBe(0);
});
