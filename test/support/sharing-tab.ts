// A page that shares an engine, with all that is in it but the model: worker, endpoint, links and the engine that it holds.
import { expose } from 'comlink';
import { RemoteEngine } from '../../src/api/remote-engine';
import { SharedLink } from '../../src/api/shared-link';
import { WorkerLink } from '../../src/api/worker-link';
import type { EngineStatus, ModelOptions } from '../../src/plan/load-options';
import { WorkerEndpoint } from '../../src/worker/endpoint';
import { outcomeOf, type Outcome } from '../../src/worker/protocol';
import { FormulaEngine, type Machine } from './formula-engine';
import { FakeTab, type Origin } from './tabs';

/** There are no Web Locks here that a worker could hold: its end is noticed after a second. */
const HEARTBEAT = { intervalMs: 50, patience: 20 };

/** Longest wait for a leader, ms. */
const LEADER_MS = 3000;

/** The worker's side, with means of the test's to find other tabs. */
class FakeWorker extends WorkerEndpoint {
  constructor(
    private readonly tab: FakeTab,
    readonly engine: FormulaEngine,
  ) {
    super({ engine });
  }

  override share(lobby: string): Promise<Outcome<void>> {
    return outcomeOf(() => this.shareWith(this.tab, lobby));
  }
}

/** A tab with an engine that it shares with all other tabs. */
export class SharingTab {
  readonly statuses: EngineStatus[] = [];
  engine!: RemoteEngine;
  /** The engine in this tab's worker, if it has one. */
  scripted: FormulaEngine | undefined;
  readonly #page: FakeTab;
  #worker: FakeTab | undefined;

  constructor(
    private readonly origin: Origin,
    private readonly machine: Machine,
  ) {
    this.#page = origin.open();
  }

  async load(options: ModelOptions = {}, leaderMs = LEADER_MS): Promise<this> {
    const link = new SharedLink({
      tabs: this.#page,
      lobby: this.origin.name,
      startWorker: () => this.#startWorker(),
      heartbeat: HEARTBEAT,
      leaderMs,
    });
    try {
      const onStatus = (status: EngineStatus): void => void this.statuses.push(status);
      this.engine = await RemoteEngine.load(link, 'https://example.com/model', { onStatus, ...options });
      return this;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** The page is closed, or its process crashes. */
  kill(): void {
    this.#page.kill();
    this.killWorker();
  }

  freeze(): void {
    this.#page.freeze();
    this.#worker?.freeze();
  }

  killWorker(): void {
    this.#worker?.kill();
  }

  async #startWorker(): Promise<WorkerLink> {
    const worker = this.origin.open();
    this.#worker = worker;
    this.scripted = new FormulaEngine(this.machine, worker.ended);
    const { port1, port2 } = new MessageChannel();
    worker.ended.addEventListener('abort', () => port2.close());
    expose(new FakeWorker(worker, this.scripted), port2);
    const end = (): void => {
      worker.kill();
      port1.close();
    };
    this.#page.ended.addEventListener('abort', end);
    return WorkerLink.join(port1, end, { heartbeat: HEARTBEAT });
  }
}
