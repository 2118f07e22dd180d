// The scripts of workers that are part of this module: their addresses, and the Trusted Types policy that vouches for them.

import { TernionError } from '../errors';
import { policyForbidden, type WorkerKind } from './start-failures';

/** The name of the Trusted Types policy. Pages that enforce Trusted Types allow it with `trusted-types ternion`. */
const POLICY_NAME = 'ternion';

/** The part of a TrustedTypePolicy that is used here. TypeScript's types of the DOM do not have Trusted Types yet. */
interface ScriptPolicy {
  /** Gives a TrustedScriptURL, which `Worker` takes as it takes a string. */
  createScriptURL(url: string): string;
}

/** The part of `globalThis.trustedTypes` that is used here. */
interface PolicyFactory {
  createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy;
}

/** What a module gives that is imported with `?script-url`. */
export interface ScriptModule {
  default: (added?: readonly string[]) => string;
  loadPart: (name: string) => Promise<string>;
  loadParts: () => Promise<string[]>;
}

/** A script's address, from the start of a worker to `release`, and the script's parts. */
export class WorkerScript {
  /**
   * The policy, once it was needed. It is shared by all scripts because a browser may refuse to make the same one again, and
   * it trusts only addresses that are made while it is asked, whatever it is given.
   */
  static #policy: ScriptPolicy | undefined;
  /** Makes the address that the policy is asked for. */
  static #maker: () => string = () => '';

  #url: string | undefined;

  /** @param load imports the script with `?script-url`. */
  constructor(
    private readonly load: () => Promise<ScriptModule>,
    private readonly kind: WorkerKind,
  ) {}

  /**
   * Starts a worker. Its code is loaded only now: pages that make the worker themselves do without. `whole` is for a worker that
   * cannot load parts: all are in its script. Rejects with `worker-unavailable` if it takes the policy, and the page does not allow that.
   */
  async start(name: string, whole = false): Promise<Worker> {
    if (typeof Worker === 'undefined') throw new Error('There are no workers here: this is not a page.');
    const { default: makeScriptUrl, loadParts } = await this.load().catch(notLoaded);
    const added = whole ? await loadParts().catch(notLoaded) : [];
    this.release();
    const [url, refusal] = WorkerScript.#makeUrl(() => makeScriptUrl(added));
    this.#url = url;
    try {
      return new Worker(url, { type: 'module', name });
    } catch (error) {
      throw refusal === undefined ? error : policyForbidden(POLICY_NAME, this.kind, refusal);
    }
  }

  /** The code of a part that a worker needs now. Rejects with `worker-unavailable`. */
  async part(name: string): Promise<string> {
    try {
      return await (await this.load()).loadPart(name);
    } catch (cause) {
      const message = `A part of the worker's script could not be loaded (${reasonOf(cause)}). Load the page again.`;
      throw new TernionError('worker-unavailable', message, { cause });
    }
  }

  /** Ends the address. A worker that has begun does not need it any more. */
  release(): void {
    if (this.#url !== undefined) URL.revokeObjectURL(String(this.#url));
    this.#url = undefined;
  }

  /** An address, as a TrustedScriptURL if it can be one; if only the page's policy is against it, what the browser said. */
  static #makeUrl(makeScriptUrl: () => string): [url: string, refusal?: unknown] {
    const { trustedTypes } = globalThis as typeof globalThis & { trustedTypes?: PolicyFactory };
    if (!trustedTypes) return [makeScriptUrl()];
    try {
      WorkerScript.#maker = makeScriptUrl;
      WorkerScript.#policy ??= trustedTypes.createPolicy(POLICY_NAME, {
        createScriptURL: () => WorkerScript.#maker(),
      });
      return [WorkerScript.#policy.createScriptURL('')];
    } catch (refusal) {
      // Where nothing requires Trusted Types the address does as it is, and the page's default policy may vouch for it.
      return [makeScriptUrl(), refusal];
    }
  }
}

/** Bundles have the script in a file of its own, which may not be served. */
function notLoaded(cause: unknown): never {
  throw new Error(`Its script, which is a module of Ternion, could not be loaded (${reasonOf(cause)}).`, {
    cause,
  });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
