// However long a file is, loading it takes the same little memory.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { NoCache } from '../../../src/storage/cache/cache';
import type { CacheFolder, StoredFile } from '../../../src/storage/cache/cache-folder';
import type { StorageEnvironment } from '../../../src/storage/sources/environment';
import { openSource } from '../../../src/storage/sources/open-source';
import { MemoryLocks, QUICK } from '../../support/memory-storage';
import { MIB } from '../../support/storage-loads';

// As much as BitNet b1.58 2B4T has in its GGUF file.
const SIZE = 1_187_801_280;
/** The window of 24 pieces of 1 MiB, and what is being read. 13 MiB were measured, with a disk 11. */
const MOST = 32 * MIB;
const BLOCK = Uint8Array.from({ length: 64 << 10 }, (_, i) => i * 31);

/** Nothing comes until `pause` is over. */
const network = { pause: Promise.resolve() };

/** A server that answers from thin air: every 64 KiB of the file are the same. */
const thinAir: typeof fetch = async (_input, init) => {
  const [from = 0, last = 0] = (new Headers(init?.headers).get('range')!.match(/\d+/g) ?? []).map(Number);
  const to = Math.min(last + 1, SIZE);
  let at = from;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        // A network never answers at once.
        await new Promise((resolve) => setImmediate(resolve));
        await network.pause;
        if (at >= to) return controller.close();
        const length = Math.min(BLOCK.length - (at % BLOCK.length), to - at);
        controller.enqueue(BLOCK.slice(at % BLOCK.length, (at % BLOCK.length) + length));
        at += length;
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: 206, headers: { 'content-range': `bytes ${from}-${to - 1}/${SIZE}` } });
};

/** A disk that keeps lengths, and gives the same 64 KiB back everywhere. */
class ThinDisk implements CacheFolder {
  list = async (): Promise<string[]> => [];
  openReadable = async (): Promise<undefined> => undefined;
  remove = async (): Promise<void> => {};
  freeBytes = async (): Promise<number> => Infinity;
  async open(): Promise<StoredFile> {
    return {
      size: 0,
      read: async (at, length) => {
        const bytes = new Uint8Array(length);
        for (let i = 0; i < length; i += BLOCK.length) bytes.set(BLOCK.subarray(0, length - i), i);
        return at % BLOCK.length === 0 ? bytes : bytes.subarray(0, 0);
      },
      write: () => {},
      truncate: () => {},
      flush: () => {},
      close: () => {},
    };
  }
}

/** Collects garbage, and says what is left: what a page's heap cannot do without. */
function collector(): () => Promise<number> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const settle = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 20));
  return async () => {
    // The network pauses: what comes in while garbage is collected would be garbage again.
    let goOn = (): void => {};
    network.pause = new Promise((resolve) => (goOn = resolve));
    await settle();
    gc();
    // Buffers are freed in the background, once the collection has found them.
    await settle();
    goOn();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
}

describe.each(['with a disk', 'without one'])('1.2 GB %s', (kind) => {
  it('come through in less than 32 MiB', async () => {
    const cache = { folder: new ThinDisk(), locks: new MemoryLocks() };
    const environment: StorageEnvironment = {
      network: { fetch: thinAir, policy: QUICK },
      openCache: async () => (kind === 'with a disk' ? cache : new NoCache('there is none')),
    };
    const inUse = collector();
    const idle = await inUse();
    // On a busy machine garbage takes longer to go. What is in use stays, however often one looks.
    const leastInUse = async (): Promise<number> => {
      let least = await inUse();
      for (let i = 0; i < 100 && least - idle >= MOST; i++) least = Math.min(least, await inUse());
      return least;
    };
    const model = await openSource('http://localhost/model.gguf', {}, environment);
    const { bytes } = model.files.main;
    await bytes.read(0, MIB);
    bytes.prefetch?.(MIB, SIZE);
    let most = 0;
    let at = MIB;
    for (let reads = 0; at < SIZE; reads++) {
      const piece = await bytes.read(at, Math.min(MIB, SIZE - at));
      if (piece[77] !== (77 * 31) % 256) throw new Error(`Wrong bytes at ${at}`);
      at += piece.length;
      if (reads % 50 === 0) most = Math.max(most, await leastInUse());
    }
    await model.finish();
    await model.close();
    expect(model.info.cached).toBe(kind === 'with a disk');
    expect(most - idle).toBeLessThan(MOST);
  });
});
