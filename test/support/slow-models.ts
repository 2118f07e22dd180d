// Models for tests of the demo's downloads: on a server of another origin that takes its time, and can fall silent amid a file.
import { readFile } from 'node:fs/promises';
import { FaultServer, type Exchange, type Fault } from './fault-server';

const MIB = 1 << 20;

/** What a server does that sends a megabyte a second, and falls silent after the first MiB: all of one piece, and nothing of the next. */
export const stallBehindOne = ({ range }: Exchange): Fault =>
  range && range[0] >= MIB ? { stallAfter: 0 } : { bytesPerSecond: 1e6 };

/** Serves `/slow.gguf` and `/paused.gguf`, both of which are the built-in model: a piece of 1 MiB, and a rest of 0.4 MB. */
export async function serveSlowModels(): Promise<FaultServer> {
  const bytes = await readFile(new URL('../../public/models/ternion-tiny-i2_s.gguf', import.meta.url));
  return FaultServer.start({
    '/slow.gguf': { bytes, etag: '"one"' },
    '/paused.gguf': { bytes, etag: '"one"' },
  });
}

/** The entry of a host's own list for `/slow.gguf`. */
export function slowModel(server: FaultServer): object {
  return {
    title: 'Slow Model',
    goodAt: 'Taking its time.',
    licence: 'MIT',
    source: `${server.origin}/slow.gguf`,
    downloadBytes: server.files.get('/slow.gguf')?.bytes.length,
  };
}

/** In the page: how many files the engine has in the private file system. */
export async function filesKept(): Promise<number> {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('ternion-models');
  let count = 0;
  for await (const name of folder.keys()) if (name) count++;
  return count;
}
