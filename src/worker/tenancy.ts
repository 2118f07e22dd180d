// How an endpoint has its engine: for itself, or together with the endpoints of other tabs.

import type { EngineHost } from '../engine/engine-host';
import type { HostedSession } from '../engine/session';
import { untilAborted } from '../errors';
import type { LocalLoadOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';

/** An engine in the worker: what endpoints use of it. */
export type HostedEngine = Omit<Pick<EngineHost, keyof EngineHost>, 'createSession' | 'restoreSession'> & {
  createSession(): HostedSession;
  restoreSession(blob: Blob): Promise<HostedSession>;
};

/** What concerns all who have an engine. */
export interface Tenancy {
  /** Whether others may have the same engine. */
  readonly shared: boolean;
  /** Has the engine load the model, or waits until it has for others, who wanted the same one. */
  load(source: ModelSource, options: LocalLoadOptions): Promise<void>;
  /** To be called when something of this tenant's needs the GPU. */
  wake(): void;
  suspend(): Promise<void>;
  resume(): Promise<void>;
  /** Gives the engine up; without tenants it is disposed of. Nothing happens the second time. */
  leave(): Promise<void>;
}

/** An engine that has one tenant. */
export class SoleTenancy implements Tenancy {
  readonly shared = false;

  constructor(private readonly engine: HostedEngine) {}

  load(source: ModelSource, options: LocalLoadOptions): Promise<void> {
    return this.engine.load(source, options);
  }

  wake(): void {
    // A suspended engine wakes by itself.
  }

  suspend(): Promise<void> {
    return this.engine.suspend();
  }

  resume(): Promise<void> {
    return this.engine.resume();
  }

  leave(): Promise<void> {
    return this.engine.dispose();
  }
}

/** An engine with one model for several tenants, all of whom want that one. */
export class SharedEngine {
  readonly #tenants = new Set<Tenant>();
  /** The load that is under way or done. */
  #load: Promise<void> | undefined;
  /** Ends the one that is under way. */
  #loading: AbortController | undefined;
  #resolveVacant = (): void => {};
  /** Resolves when the last tenant has left and the engine is disposed of. */
  readonly vacant = new Promise<void>((resolve) => (this.#resolveVacant = resolve));

  readonly #closing = new AbortController();

  constructor(private readonly engine: HostedEngine) {}

  /** Fires when the last tenant leaves, before the engine is disposed of: nobody can join any more. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  join(): Tenancy {
    const tenant = new Tenant(this);
    this.#tenants.add(tenant);
    return tenant;
  }

  async load(tenant: Tenant, source: ModelSource, options: LocalLoadOptions): Promise<void> {
    const { signal, onProgress, onStatus, ...rest } = options;
    tenant.hears = { onProgress, onStatus };
    tenant.waits = true;
    this.#load ??= this.#begin(source, rest);
    try {
      await untilAborted(this.#load, signal);
    } finally {
      tenant.waits = false;
      this.#endUnwanted();
    }
  }

  /** Suspends the engine once all tenants want it suspended. */
  async suspend(): Promise<void> {
    if ([...this.#tenants].every(({ asleep }) => asleep)) await this.engine.suspend();
  }

  resume(): Promise<void> {
    return this.engine.resume();
  }

  async leave(tenant: Tenant): Promise<void> {
    if (!this.#tenants.delete(tenant)) return;
    if (this.#tenants.size > 0) {
      this.#endUnwanted();
      // Only those who sleep may be left. A failure is of the engine's own, and theirs to notice.
      return this.suspend().catch(() => {});
    }
    this.#closing.abort();
    await this.engine.dispose();
    this.#resolveVacant();
  }

  #begin(source: ModelSource, options: LocalLoadOptions): Promise<void> {
    const loading = new AbortController();
    this.#loading = loading;
    const load = this.engine.load(source, {
      ...options,
      signal: loading.signal,
      onProgress: (progress) => this.#tell(({ onProgress }) => onProgress?.(progress)),
      onStatus: (status) => this.#tell(({ onStatus }) => onStatus?.(status)),
    });
    load.then(
      () => (this.#loading = undefined),
      () => this.#forget(load),
    );
    return load;
  }

  /** Ends a load for which nobody waits any more. */
  #endUnwanted(): void {
    if (!this.#loading || [...this.#tenants].some(({ waits }) => waits)) return;
    this.#loading.abort();
    this.#forget(this.#load);
  }

  /** Whoever wants the model next begins again. */
  #forget(load: Promise<void> | undefined): void {
    if (load !== this.#load) return;
    this.#load = undefined;
    this.#loading = undefined;
  }

  #tell(what: (hears: Tenant['hears']) => void): void {
    for (const { hears } of this.#tenants) what(hears);
  }
}

/** One of the tenants of a shared engine. */
class Tenant implements Tenancy {
  readonly shared = true;
  hears: Pick<LocalLoadOptions, 'onProgress' | 'onStatus'> = {};
  /** Whether it waits for the model. */
  waits = false;
  /** Whether it has no need of the GPU until it says so. */
  asleep = false;

  constructor(private readonly engine: SharedEngine) {}

  load(source: ModelSource, options: LocalLoadOptions): Promise<void> {
    return this.engine.load(this, source, options);
  }

  wake(): void {
    this.asleep = false;
  }

  suspend(): Promise<void> {
    this.asleep = true;
    return this.engine.suspend();
  }

  resume(): Promise<void> {
    this.wake();
    return this.engine.resume();
  }

  leave(): Promise<void> {
    return this.engine.leave(this);
  }
}
