// The keys and values of a session, wherever they are: on a device, on none, or on their way to another session.

import { KvCache } from '../inference/kv-cache';
import { isLongContext } from '../model/rope-frequencies';
import { GpuTurn } from './gpu-turn';
import type { RequestQueue } from './request-queue';
import type { Residence } from './residence';
import type { Resident } from './resident';

/** Who has the GPU, and where the model is. */
export interface CacheHost {
  queue: RequestQueue;
  residence: Residence;
}

/** Keys and values in memory: those of the first `positions` tokens of a conversation, as `KvCache.read` gives them. */
export interface KeyData {
  kind: KeyKind;
  positions: number;
  parts: Blob;
}

/** All that decides what keys and values are, once the model and its tokens are given. */
export interface KeyKind {
  format: string;
  activations: string;
  embedding: string;
  rope: string;
}

/** What the keys and values on `resident` are. */
export function keyKindOf({ transformer, formats }: Resident): KeyKind {
  const { config, contextLength, variants, activations } = transformer;
  return {
    format: variants.cacheFormat,
    activations,
    // Planes are the same numbers.
    embedding: formats.embedding === 'planes' ? 'int8' : formats.embedding,
    rope: isLongContext(config.ropeScaling, contextLength) ? 'long' : 'short',
  };
}

/** Whether keys of one kind can stand for those of the other. */
export function isSameKind(a: KeyKind, b: KeyKind): boolean {
  return (
    a.format === b.format &&
    a.activations === b.activations &&
    a.embedding === b.embedding &&
    a.rope === b.rope
  );
}

/** Owns the KV cache of a session. What goes with its device can be evaluated again; nothing here depends on it. */
export class SessionCache {
  #cached: { cache: KvCache; resident: Resident } | undefined;

  constructor(private readonly host: CacheHost) {}

  /** The cache, unless it went with its device. */
  get current(): KvCache | undefined {
    return this.#cached?.resident.gone ? undefined : this.#cached?.cache;
  }

  /** The cache on `resident`, an empty one if the last one was elsewhere. */
  async on(resident: Resident): Promise<KvCache> {
    if (this.#cached?.resident === resident) return this.#cached.cache;
    const { gpu, transformer } = resident;
    const { config, contextLength, variants } = transformer;
    this.#cached = undefined;
    const cache = await KvCache.create(gpu, config, contextLength, variants.cacheFormat);
    this.#cached = { cache, resident };
    return cache;
  }

  /** One with a copy of what is here, made in a turn on the GPU. Rejects with `out-of-memory`, and with `aborted`. */
  async copy(signal: AbortSignal): Promise<SessionCache> {
    const copy = new SessionCache(this.host);
    await this.#use(signal, async (cache, resident) => {
      copy.#cached = { cache: await cache.copy(), resident };
    });
    return copy;
  }

  /** What is here of the first tokens of `sequence`, read in a turn on the GPU; undefined if that is nothing. */
  async read(sequence: readonly number[], signal: AbortSignal): Promise<KeyData | undefined> {
    return this.#use(signal, async (cache, resident) => {
      const positions = cache.commonPrefix(sequence);
      if (positions === 0) return undefined;
      const parts: Blob[] = [];
      // As blobs one by one, so that the browser may put them aside.
      for await (const part of cache.read(positions)) parts.push(new Blob([part]));
      return { kind: keyKindOf(resident), positions, parts: new Blob(parts) };
    });
  }

  /**
   * Takes keys that were read elsewhere, those of the first tokens of `sequence`, in a turn on the GPU, on which the model is
   * then. Leaves all as it is if keys are of another kind here.
   */
  async fill(sequence: readonly number[], { kind, positions, parts }: KeyData): Promise<void> {
    const { queue, residence } = this.host;
    if (!isSameKind(kind, keyKindOf(residence.latest))) return;
    const turn = new GpuTurn(queue);
    residence.wake();
    try {
      await residence.use(turn, async (resident) => {
        if (!isSameKind(kind, keyKindOf(resident))) return;
        const cache = await this.on(resident);
        let at = 0;
        await cache.write(sequence.slice(0, positions), async (size, skipped) => {
          const part = parts.slice(at, at + size);
          at += size + skipped;
          return part.arrayBuffer();
        });
      });
    } finally {
      await turn.end();
    }
  }

  /** What stands behind the beginning that it has in common with `sequence` is there no more. */
  forgetBeyond(sequence: readonly number[]): void {
    this.current?.forgetBeyond(this.current.commonPrefix(sequence));
  }

  destroy(): void {
    this.#cached?.cache.destroy();
    this.#cached = undefined;
  }

  /**
   * Does `work` with the cache in a turn on the GPU; undefined where there is none, or none any more. A model that is not on a
   * device is not brought onto one for that.
   */
  async #use<T>(
    signal: AbortSignal,
    work: (cache: KvCache, resident: Resident) => Promise<T>,
  ): Promise<T | undefined> {
    if (!this.current) return undefined;
    const turn = new GpuTurn(this.host.queue);
    this.host.residence.wake();
    try {
      await turn.hold(signal);
      const cached = this.#cached;
      if (!cached || cached.resident.gone) return undefined;
      try {
        return await work(cached.cache, cached.resident);
      } catch (error) {
        if (await cached.resident.gpu.isLost()) return undefined;
        throw error;
      }
    } finally {
      await turn.end();
    }
  }
}
