// Loads for the soak: from bytes, from files, and from a server that fails before it delivers.

import { createHash } from 'node:crypto';
import { TernionError, type Engine, type LoadOptions } from '../../src/inline';
import { FaultServer, type Fault } from '../../test/support/fault-server';
import type { Draw } from '../fuzz/draw';
import type { SoakModel } from './models';

const PATH = '/model.gguf';

/** How a load through a failing server ended: the model is there, or it was refused with a typed error. */
export interface ServerLoad {
  loaded: boolean;
  /** Requests with which something went wrong. */
  faults: number;
}

/**
 * Loads `model`, which is one file, from a server that fails now and then. The caller knows which bytes are meant, so what a
 * liar sends is refused.
 */
export async function loadFromServer(
  engine: Engine,
  model: SoakModel,
  draw: Draw,
  options: LoadOptions,
): Promise<ServerLoad> {
  if (!(model.source instanceof Uint8Array)) throw new Error(`${model.name} is no single file.`);
  const sha256 = createHash('sha256').update(model.source).digest('hex');
  const lies = draw.chance(0.2);
  const bytes = lies ? withOneOtherByte(model.source) : model.source;
  const server = await FaultServer.start({ [PATH]: { bytes, etag: '"one"' } });
  const planned = draw.many(1, 3, () => makeFault(draw));
  let faults = 0;
  server.fault = (_, number) => {
    if (planned[number]) faults++;
    return planned[number];
  };
  try {
    await engine.load(server.origin + PATH, { ...options, sha256 });
    if (lies) throw new Error('Bytes with another hash were taken for the right ones.');
    return { loaded: true, faults };
  } catch (error) {
    const expected = lies ? ['corrupt-file'] : ['download-failed'];
    if (error instanceof TernionError && expected.includes(error.code)) return { loaded: false, faults };
    throw error;
  } finally {
    await server.close();
  }
}

function withOneOtherByte(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = bytes.length - 100;
  return bytes.with(at, bytes[at]! ^ 0xff);
}

/** What passes, for the most part; a load tries again. */
function makeFault(draw: Draw): Fault | undefined {
  return draw.pick<() => Fault | undefined>([
    () => undefined,
    () => ({ status: draw.pick([500, 503, 429]) }),
    () => ({ cutAfter: draw.below(1 << 20) }),
    () => ({ ignoreRange: true }),
    () => ({ ignoreRange: true, cutAfter: draw.below(1 << 20) }),
    () => ({ noLength: true }),
    () => ({ shift: 100 }),
    () => ({ bytesPerSecond: 4 << 20 }),
    () => ({ status: 404 }),
  ])();
}
