// Servers: every way in which one can misbehave, on this machine's own address. The right bytes come, or a typed error.

import type { NetworkPolicy } from '../../../src/storage/http/network';
import type { OpenedSource } from '../../../src/storage/sources/model-source';
import { openSource } from '../../../src/storage/sources/open-source';
import { FaultServer, type Fault, type ServedFile } from '../../../test/support/fault-server';
import { environment, IMPATIENT, MemoryFolder } from '../../../test/support/memory-storage';
import { MIB, randomBytes, sha256 } from '../../../test/support/storage-loads';
import { category, type Category } from '../category';
import type { Draw } from '../draw';

/** What happens to one load from a server, all of it as data. */
interface ServerCase {
  size: number;
  /** What the server tells of its file's version. */
  validators: Pick<ServedFile, 'etag' | 'lastModified'>;
  cached: boolean;
  /** The caller knows which bytes are meant. */
  hashed: boolean;
  /** What goes wrong with each request in turn; what follows the last is well. */
  faults: (Fault | undefined)[];
  /** Some faults are lies that nobody can tell from the truth without a hash. */
  lies: boolean;
  /** From this request on the server has another file; undefined: never. */
  changesAt: number | undefined;
  /** The caller gives up when this request comes; undefined: never. */
  abortsAt: number | undefined;
}

const PATH = '/model.gguf';
/** A load of this many requests goes round in circles. */
const MOST_REQUESTS = 300;
/** A server may claim any size. Beyond this the file is opened, its first bytes are read, and no more. */
const MOST_BYTES = 8 * MIB;

/** The category of servers. */
export function serversCategory(): Category {
  return category<ServerCase>({
    name: 'servers',
    share: 5,
    codes: ['download-failed', 'corrupt-file', 'aborted'],
    generate: makeCase,
    run: runServer,
    save: (input) => ({ 'input.json': JSON.stringify(input, null, 2) }),
    // How requests and faults meet depends on which connection is the faster one.
    once: true,
  });
}

function makeCase(draw: Draw): ServerCase {
  const lies = draw.chance(0.3);
  const validators = draw.pick([{ etag: '"one"' }, { etag: 'W/"one"' }, { lastModified: dateOf(1) }, {}]);
  const canChange = Object.keys(validators).length > 0;
  return {
    size: draw.pick([0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB + 333, 3 * MIB]),
    validators,
    cached: draw.chance(0.6),
    hashed: draw.chance(0.5),
    faults: draw.many(0, 6, () => (draw.chance(0.6) ? makeFault(draw, lies) : undefined)),
    lies,
    changesAt: canChange && draw.chance(0.15) ? draw.below(4) : undefined,
    abortsAt: draw.chance(0.1) ? draw.below(4) : undefined,
  };
}

function dateOf(day: number): string {
  return new Date(Date.UTC(2024, 0, day)).toUTCString();
}

function makeFault(draw: Draw, lies: boolean): Fault {
  if (lies && draw.chance(0.5)) return makeLie(draw);
  const at = draw.pick([0, 1, 999, 70_000, MIB]);
  return draw.pick<() => Fault>([
    () => ({ status: draw.pick([400, 401, 403, 404, 408, 410, 416, 418, 425, 429, 500, 502, 503, 504]) }),
    () => ({ status: 503, headers: { 'retry-after': draw.pick(['0', '999999', 'soon', '-1', dateOf(1)]) } }),
    () => ({
      status: draw.pick([301, 302, 307, 308]),
      headers: { location: draw.pick([PATH, '/elsewhere', '//[', '']) },
    }),
    () => ({ cutAfter: at }),
    () => ({ stallAfter: at }),
    () => ({ ignoreRange: true, ...(draw.chance(0.5) && { cutAfter: at }) }),
    () => ({ noLength: true, ...(draw.chance(0.5) && { ignoreRange: true }) }),
    () => ({ shift: draw.pick([1, 1000]) }),
    () => ({ bytesPerSecond: 10 * MIB }),
    () => ({ headers: { 'content-type': 'text/html' } }),
  ])();
}

function makeLie(draw: Draw): Fault {
  const number = draw.pick(['0', '1', '1000', String(2 ** 31), String(2 ** 53), '-1', 'x']);
  return draw.pick<() => Fault>([
    () => ({ claimedSize: draw.pick([0, 1, 999, MIB, 5 * MIB, 2 ** 40]) }),
    () => ({
      headers: {
        'content-range': draw.pick([`bytes 0-${number}/*`, `bytes 0-0/${number}`, 'bytes', `${number}`]),
      },
    }),
    () => ({ headers: { etag: draw.pick(['"two"', '', 'W/', '"one"']) } }),
    () => ({ ignoreRange: true, claimedSize: draw.pick([500, 2 * MIB]) }),
    () => ({ headers: { 'content-length': draw.pick(['1', '999', String(5 * MIB)]) } }),
  ])();
}

async function runServer(input: ServerCase): Promise<string> {
  const server = await FaultServer.start({});
  try {
    return await new ServerRun(input, server).all();
  } finally {
    await server.close();
  }
}

/** One case on a running server: a load while things go wrong, and another one when all is well again. */
class ServerRun {
  readonly #first: ServedFile;
  readonly #second: ServedFile;
  readonly #folder: MemoryFolder | undefined;
  readonly #gaveUp = new AbortController();

  constructor(
    private readonly input: ServerCase,
    private readonly server: FaultServer,
  ) {
    const { size, validators, cached } = input;
    this.#first = { bytes: randomBytes(size, 1), ...validators };
    this.#second = { bytes: randomBytes(size + 1, 2), ...otherVersion(validators) };
    this.#folder = cached ? new MemoryFolder() : undefined;
    server.files.set(PATH, this.#first);
    server.files.set('/elsewhere', this.#first);
  }

  async all(): Promise<string> {
    const { server, input } = this;
    server.fault = (_, number) => this.#fault(number);
    // What falls silent for good, or promises more than it has, is given up soon.
    const isSilent = input.faults.some(
      (fault) =>
        fault?.stallAfter !== undefined || fault?.headers !== undefined || fault?.claimedSize !== undefined,
    );
    const [ended] = await Promise.allSettled([this.#load(isSilent ? IMPATIENT : {}, this.#gaveUp.signal)]);
    const requests = server.exchanges.length;
    server.fault = () => undefined;
    if (requests > MOST_REQUESTS) throw new Error(`a load of ${input.size} bytes took ${requests} requests`);
    await this.#loadAgain();
    for (const [name, { open }] of this.#folder?.files ?? [])
      if (open) throw new Error(`${name} is still open`);
    if (ended.status === 'rejected') throw ended.reason;
    return ended.value;
  }

  #fault(number: number): Fault | undefined {
    const { changesAt, abortsAt, faults } = this.input;
    if (number === changesAt) this.server.files.set(PATH, this.#second);
    if (number === abortsAt) this.#gaveUp.abort();
    return faults[number];
  }

  /** What is in the cache now must not stand in the way of a server that is well again, however long that one takes. */
  async #loadAgain(): Promise<void> {
    const { changesAt, lies, hashed, size } = this.input;
    if (changesAt !== undefined || (lies && !hashed) || size === 0) return;
    await this.#load({}).catch((cause: unknown) => {
      throw new Error('the load after the faults failed', { cause });
    });
  }

  /** Loads the file, and looks at every byte. */
  async #load(policy: Partial<NetworkPolicy>, signal?: AbortSignal): Promise<string> {
    const { hashed, lies } = this.input;
    const right = [this.#first, this.#second].map(({ bytes }) => sha256(bytes));
    const options = { signal, ...(hashed && { sha256: right[0]! }) };
    const cache = this.#folder && { folder: this.#folder };
    const around = environment(cache, policy);
    const hash = await readThrough(await openSource(this.server.origin + PATH, options, around), signal);
    if (hash === undefined) return 'too large to be read';
    if ((hashed || !lies) && !right.includes(hash)) throw new Error(`wrong bytes were taken for right ones`);
    return hash;
  }
}

function otherVersion({ etag }: ServerCase['validators']): ServerCase['validators'] {
  return etag === undefined ? { lastModified: dateOf(2) } : { etag: '"two"' };
}

/** Reads as a load does: the header, then all in order. The hash; undefined for a file that is too large to be read. */
async function readThrough(
  source: OpenedSource,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    const { bytes } = source.files.main;
    const header = await bytes.read(0, Math.min(1000, bytes.size), { signal });
    if (bytes.size > MOST_BYTES) {
      await source.close();
      return undefined;
    }
    const all = new Uint8Array(bytes.size);
    all.set(header);
    bytes.prefetch?.(header.length, bytes.size);
    const STEP = 300_001;
    for (let at = header.length; at < bytes.size; at += STEP)
      all.set(await bytes.read(at, Math.min(STEP, bytes.size - at), { signal }), at);
    await source.finish(signal);
    await source.close();
    return sha256(all);
  } catch (error) {
    await source.close(error);
    throw error;
  }
}
