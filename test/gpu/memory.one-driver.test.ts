// A whole load of a large model, from the network to the GPU, takes little JavaScript memory, however long the file is.
import { freemem } from 'node:os';
import { afterEach, expect, test, vi } from 'vitest';
import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES, type ShapeName } from '../../bench/core/shapes';
import { loadLocal } from '../../src/engine/load-local';
import { DeviceSupply } from '../../src/gpu/device-supply';
import { requestDevice } from '../support/dawn';
import { heapMeter } from '../support/heap';
import { watch } from '../support/watched-engine';

const MIB = 1 << 20;
/** What docs/loading.md promises. */
const LIMIT = 64 * MIB;
/** Bytes between two looks at the heap: few while the header comes (some MiB), whose texts are kept, then more. */
const lookEvery = (served: number): number => (served < 16 * MIB ? MIB : 48 * MIB);
const CHUNK = 72 << 10;

/** The model, twice its size on a software GPU, and what else runs. */
const tooSmall = freemem() < 8 * 1024 * MIB ? 'less than 8 GB of memory are free' : '';

afterEach(() => void vi.unstubAllGlobals());

/** A network that has the model, made as it is read, and that looks at the heap as it goes. */
function serveGenerated(model: GeneratedModel, look: () => void): typeof fetch {
  let served = 0;
  let next = 0;
  return async (_input, init) => {
    const range = new Headers(init?.headers).get('range')?.match(/\d+/g) ?? ['0', String(model.size - 1)];
    let at = Number(range[0]);
    const end = Math.min(Number(range[1]) + 1, model.size);
    const total = end - at;
    const headers = {
      'content-range': `bytes ${at}-${end - 1}/${model.size}`,
      'content-length': String(total),
      etag: '"1"',
    };
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          // A network never answers at once.
          await new Promise((resolve) => setImmediate(resolve));
          if (at >= end) return controller.close();
          const bytes = await model.read(at, Math.min(CHUNK, end - at));
          at += bytes.length;
          served += bytes.length;
          if (served >= next) {
            look();
            next = served + lookEvery(served);
          }
          controller.enqueue(bytes);
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status: 206, headers });
  };
}

// BitNet b1.58 2B4T: 1.2 GB. Bonsai: 152,000 tokens, more than any other ternary model has.
test.skipIf(tooSmall).each<ShapeName>(['bitnet-2b4t', 'bonsai-1.7b'])(
  `%s loads within 64 MiB over idle ${tooSmall && `(${tooSmall})`}`,
  async (shape) => {
    const model = new GeneratedModel(shape, SHAPES[shape]);
    const device = await requestDevice();
    const counts = watch({ device });
    const heap = heapMeter();
    const idle = heap();
    let most = 0;
    let looks = 0;
    const look = (): void => {
      looks++;
      most = Math.max(most, heap());
    };
    vi.stubGlobal('fetch', serveGenerated(model, look));
    const engine = await loadLocal('http://localhost/model.gguf', new DeviceSupply(device), {
      contextLength: 64,
      tuning: false,
      cache: false,
      onProgress: ({ phase, loaded }) => {
        if (phase === 'compile' || loaded === 0) look();
      },
    });
    look();
    expect(engine.info.gpuBytes).toBe(counts.liveBytes);
    expect(looks).toBeGreaterThan(20);
    expect(most - idle).toBeLessThan(LIMIT);
    await engine.dispose();
    expect(counts.liveBytes).toBe(0);
    device.destroy();
  },
);
