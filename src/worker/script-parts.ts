// The parts of the worker's script: what few models need is loaded when it is needed. What is a dynamic import in the sources is a call
// of `load` here once the script is built (tools/vite/script-parts.ts), since a script that was started from a blob cannot import from
// where its page has its modules.

import { TernionError } from '../errors';

/** What a part exports, by name. */
type Exports = Readonly<Record<string, unknown>>;

/** Resolves to the code of a part. */
export type FetchPart = (name: string) => Promise<string>;

declare global {
  /** What built scripts call. */
  var ternionParts: ScriptParts | undefined;
}

/** The parts of a script, by the names of their files. */
export class ScriptParts {
  /** How those that are here are made. */
  readonly #definitions = new Map<string, () => Exports | Promise<Exports>>();
  readonly #loads = new Map<string, Promise<Exports>>();
  /** The names of all; none where modules are served as they are written. */
  #names: readonly string[] = [];

  /**
   * @param fetch asks for the code of a part.
   * @param run runs code, which defines a part. Rejects where that is forbidden.
   */
  constructor(
    public fetch: FetchPart = () => Promise.reject(new Error('Nobody has the parts of this script.')),
    private readonly run: (code: string) => Promise<unknown> = runAsModule,
  ) {}

  /** The script itself: what it exports to its parts, and their names. Called when all of it has run. */
  begin(name: string, exports: () => Exports, names: readonly string[]): void {
    this.define(name, exports);
    this.#names = names;
  }

  /** A part that is here: `make` runs it. */
  define(name: string, make: () => Exports | Promise<Exports>): void {
    this.#definitions.set(name, make);
  }

  /** What a part exports. It is fetched and run once; when that fails, again the next time. */
  load(name: string): Promise<Exports> {
    const known = this.#loads.get(name);
    if (known) return known;
    const load = this.#make(name);
    this.#loads.set(name, load);
    load.catch(() => this.#loads.delete(name));
    return load;
  }

  /** Whether every part is here or could be run here. A Content-Security-Policy without `blob:` in script-src forbids that. */
  async canLoad(): Promise<boolean> {
    if (this.#names.every((name) => this.#definitions.has(name))) return true;
    return this.run('').then(
      () => true,
      () => false,
    );
  }

  async #make(name: string): Promise<Exports> {
    if (!this.#definitions.has(name)) await this.run(await this.fetch(name));
    const make = this.#definitions.get(name);
    if (!make) throw new TernionError('internal', `The part ${name} of the worker's script is another one.`);
    return make();
  }
}

/** Runs code as browsers let workers run what is not at an address of its own. */
async function runAsModule(code: string): Promise<void> {
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  try {
    await import(/* @vite-ignore */ url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
